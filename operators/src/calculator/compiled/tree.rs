//! The typed tree between a script and its code.
//!
//! State fields have the kinds that `init` gave them and params are constants, so the kind of most
//! expressions is known here. What depends on a property of an event is [of any kind](Any).

use super::{
    any::Any,
    kind::{Kind, Kinds},
    math::Math,
    place::Place,
};
use crate::calculator::aggregate::Figure;

/// Position of a state field's cell.
pub(super) type Slot = u8;
/// Position of a property among the program's inputs.
pub(super) type Input = u8;
/// Number of a variable of the script, from 0; a block's numbers are reused after it.
pub(super) type Local = u8;
/// Number of a variable that holds values of any kind, from 0; a block's numbers are reused after it.
pub(super) type Variable = u8;

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
    /// A value that is always an integer.
    Of(Box<Any>),
    /// Rhai's hash of a value, by which `switch` finds its case.
    Hash(Box<Any>),
}

/// An expression whose value is a float. Only its parts can fail.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Float {
    Const(f64),
    Slot(Slot),
    Local(Local),
    OfInt(Box<Int>),
    Math(Math, Box<[Float; 2]>),
    /// A value that is always a float.
    Of(Box<Any>),
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
    CompareFloats(Comparison, Box<[Float; 2]>),
    CompareAny(Comparison, Box<[Any; 2]>),
    /// Whether a number is in a range.
    Within(Box<Any>, Range),
    /// A value that must be true or false.
    Of(Box<Any>, Place),
}

/// A range of integers, its end included or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) inclusive: bool,
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

/// Value folded into an aggregate.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Folded {
    /// The event's property; absent if the event has none.
    Input(Input),
    Int(Int),
    Any(Any),
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    SetInt(Target, Int),
    SetFloat(Target, Float),
    SetTruth(Target, Truth),
    /// Sets a variable that holds values of any kind.
    Put(Variable, Any),
    /// Fails if the state's texts are too long together.
    CheckLengths(Place),
    /// Arms the timer whose deadline the slot holds; fails for a deadline below 0, or that is no integer.
    SetTimer(Slot, Any, Place),
    /// Evaluates for the sake of its error.
    Evaluate(Any),
    If(Truth, Vec<Statement>, Vec<Statement>),
    /// Adds 1 to a plain count, which saturates.
    Increment(Slot),
    /// Counts the event: slot, time, now.
    CountEvent(Slot, [Int; 2]),
    /// Folds a value: slot, value, time and now.
    Fold(Slot, Folded, [Int; 2], Place),
    Return(Truth),
    /// Returns a value of any kind.
    Give(Any),
    /// Returns a map: its number, its values with their places, and the first of the variables for them.
    GiveMap(u8, Vec<(Any, Place)>, Variable),
    /// Statements that can be left before their end.
    Body(Vec<Statement>),
    /// Leaves the innermost body, or one of those around it: the number of those that stay.
    Leave(u8),
}

/// A function with its variables.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Function {
    pub(super) body: Vec<Statement>,
    /// Most variables at a time.
    pub(super) locals: u8,
    /// Most variables of any kind at a time, the fields of `shadows` included.
    pub(super) held: u8,
    /// Fields that are held by the first of these variables, and written when a call has succeeded.
    pub(super) shadows: Vec<Shadow>,
    /// Where the texts of the state are, if there are several or some may change.
    pub(super) texts: Vec<Any>,
}

/// A field of which a call changes a copy, as its kind could change, or because it is a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shadow {
    pub(super) slot: Slot,
    pub(super) name: Box<str>,
    /// Kind that `init` gave it.
    pub(super) kind: Kind,
    /// Kinds that it may have at the end of a call.
    pub(super) kinds: Kinds,
}

/// Value of an output.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    Value(Any),
    If(Truth, Box<[Output; 2]>),
    /// Statements, and an output after them.
    After(Vec<Statement>, Box<Output>),
}

/// An output with its name, and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) value: Output,
    pub(super) place: Place,
}

/// Result of `outputs`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outputs {
    /// A map literal in the order in which it is written, and a function without statements that has the
    /// variables.
    Each(Vec<Named>, Function),
    /// Statements that end with one of several maps, with their names.
    Script(Function, Vec<Vec<String>>),
    /// All figures of an aggregate at `now`.
    Figures(Slot, &'static [Figure], Place),
}

impl Int {
    /// Whether an evaluation can fail.
    pub(super) fn can_fail(&self) -> bool {
        match self {
            Int::Math(math, sides, _) => math.can_fail() || sides.iter().any(Int::can_fail),
            Int::At(_, now) => now.can_fail(),
            Int::Of(any) | Int::Hash(any) => any.can_fail(),
            _ => false,
        }
    }
}

impl Float {
    /// Whether an evaluation can fail.
    pub(super) fn can_fail(&self) -> bool {
        match self {
            Float::Const(_) | Float::Slot(_) | Float::Local(_) => false,
            Float::OfInt(int) => int.can_fail(),
            Float::Math(_, sides) => sides.iter().any(Float::can_fail),
            Float::Of(any) => any.can_fail(),
        }
    }
}

impl Truth {
    /// Whether an evaluation can fail.
    pub(super) fn can_fail(&self) -> bool {
        match self {
            Truth::Compare(_, sides) => sides.iter().any(Int::can_fail),
            Truth::CompareFloats(_, sides) => sides.iter().any(Float::can_fail),
            Truth::CompareAny(_, sides) => sides.iter().any(Any::can_fail),
            Truth::Within(any, _) => any.can_fail(),
            Truth::Of(any, _) => any.can_fail() || !any.kinds().within(Kind::Bool.into()),
            Truth::Not(part) => part.can_fail(),
            Truth::All(parts) | Truth::Any(parts) => parts.iter().any(Truth::can_fail),
            _ => false,
        }
    }
}

impl Output {
    /// The output after some statements.
    pub(super) fn after(self, statements: Vec<Statement>) -> Output {
        if statements.is_empty() { self } else { Output::After(statements, Box::new(self)) }
    }

    /// Whether it may be a text.
    pub(super) fn is_text(&self) -> bool {
        match self {
            Output::Value(any) => any.kinds().has(Kind::Text),
            Output::If(_, branches) => branches.iter().any(Output::is_text),
            Output::After(_, output) => output.is_text(),
        }
    }

    /// Whether an evaluation can fail.
    pub(super) fn can_fail(&self) -> bool {
        match self {
            Output::Value(any) => any.can_fail(),
            Output::If(test, branches) => test.can_fail() || branches.iter().any(Output::can_fail),
            Output::After(..) => true,
        }
    }
}

/// Whether nothing after the statements is reached.
pub(super) fn ends(statements: &[Statement]) -> bool {
    statements.last().is_some_and(|last| match last {
        Statement::Return(_) | Statement::Give(_) | Statement::GiveMap(..) | Statement::Leave(_) => true,
        Statement::If(_, yes, no) => ends(yes) && ends(no),
        _ => false,
    })
}
