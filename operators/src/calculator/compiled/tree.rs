//! The typed tree between a script and its code.
//!
//! State fields have the kinds that `init` gave them and params are constants, so the kind of every
//! expression is known here; only properties of an event are not.

use super::{math::Math, place::Place};
use crate::{calculator::aggregate::Figure, model::value::Value};

/// Position of a state field's cell.
pub(super) type Slot = u8;
/// Position of a property among the program's inputs.
pub(super) type Input = u8;
/// Number of a variable of the script, from 0; a block's numbers are reused after it.
pub(super) type Local = u8;

/// An expression whose value is an integer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Int {
    Const(i64),
    /// `event.time`.
    Time,
    /// `event.now`, or the argument `now`.
    Now,
    /// `event.step`.
    Step,
    Slot(Slot),
    Local(Local),
    Math(Math, Box<[Int; 2]>, Place),
    /// Figure at an instant of an aggregate that has one.
    At(Slot, Box<Int>),
}

/// An expression whose value is true or false.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Truth {
    Const(bool),
    Slot(Slot),
    Local(Local),
    Compare(Comparison, Box<[Int; 2]>),
    Not(Box<Truth>),
    All(Vec<Truth>),
    Any(Vec<Truth>),
    /// Whether the event has the property.
    Present(Input),
    /// A comparison of a property, of any kind or absent.
    CompareInput(Comparison, Input, Against),
}

/// What a property is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Against {
    Constant(Value<'static>),
    Int(Int),
}

/// A comparison, as the set of orders that it accepts: bit 0 less, bit 1 equal, bit 2 greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Comparison(u8);

impl Comparison {
    pub(super) const LT: Comparison = Comparison(0b001);
    pub(super) const EQ: Comparison = Comparison(0b010);
    pub(super) const LE: Comparison = Comparison(0b011);
    pub(super) const GT: Comparison = Comparison(0b100);
    pub(super) const NE: Comparison = Comparison(0b101);
    pub(super) const GE: Comparison = Comparison(0b110);

    /// Whether it holds between `a` and `b`.
    pub(super) fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
        (self.0 >> (u8::from(a > b) + u8::from(a >= b))) & 1 == 1
    }

    /// The comparison that holds when this one does not.
    pub(super) fn negated(self) -> Comparison {
        Comparison(self.0 ^ 0b111)
    }

    /// The same comparison with its sides exchanged.
    pub(super) fn mirrored(self) -> Comparison {
        Comparison((self.0 & 0b010) | (self.0 >> 2) | (self.0 << 2 & 0b100))
    }
}

/// Where a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Slot(Slot),
    Local(Local),
}

/// What a value folded into an aggregate is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Folded {
    /// The event's property; absent if the event has none.
    Input(Input),
    Int(Int),
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    SetInt(Target, Int),
    SetTruth(Target, Truth),
    /// Arms the timer whose deadline the slot holds; fails for a deadline below 0.
    SetTimer(Slot, Int, Place),
    /// Evaluates for the sake of its error.
    Evaluate(Int),
    If(Truth, Vec<Statement>, Vec<Statement>),
    /// Adds 1 to a plain count, which saturates.
    Increment(Slot),
    /// Counts the event: slot, time, now.
    CountEvent(Slot, [Int; 2]),
    /// Folds a value: slot, value, time and now.
    Fold(Slot, Folded, [Int; 2], Place),
    Return(Truth),
}

/// A function with its variables.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Function {
    pub(super) body: Vec<Statement>,
    /// Most variables at a time.
    pub(super) locals: u8,
}

/// Value of an output.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    Absent,
    Int(Int),
    Truth(Truth),
    If(Truth, Box<[Output; 2]>),
}

/// Result of `outputs`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outputs {
    /// A map literal: names and values, in the order in which they are written.
    Each(Vec<(String, Output)>),
    /// All figures of an aggregate at `now`.
    Figures(Slot, &'static [Figure], Place),
}

impl Int {
    /// Whether an evaluation can fail.
    pub(super) fn can_fail(&self) -> bool {
        match self {
            Int::Math(math, sides, _) => math.can_fail() || sides.iter().any(Int::can_fail),
            Int::At(_, now) => now.can_fail(),
            _ => false,
        }
    }
}

impl Truth {
    /// Whether an evaluation can fail.
    pub(super) fn can_fail(&self) -> bool {
        match self {
            Truth::Compare(_, sides) => sides.iter().any(Int::can_fail),
            Truth::CompareInput(_, _, Against::Int(int)) => int.can_fail(),
            Truth::Not(part) => part.can_fail(),
            Truth::All(parts) | Truth::Any(parts) => parts.iter().any(Truth::can_fail),
            _ => false,
        }
    }
}

impl Output {
    /// Whether an evaluation can fail.
    pub(super) fn can_fail(&self) -> bool {
        match self {
            Output::Absent => false,
            Output::Int(int) => int.can_fail(),
            Output::Truth(truth) => truth.can_fail(),
            Output::If(test, branches) => test.can_fail() || branches.iter().any(Output::can_fail),
        }
    }
}
