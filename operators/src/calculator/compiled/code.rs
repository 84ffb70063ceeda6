//! Register code.
//!
//! **Invariants**: jumps lead forward, so a call takes at most as many steps as there are operations. The
//! last operation returns. Registers 0 to 2 hold time, now and step. The first variables that hold values of
//! any kind are the shadows of fields.

use super::{
    any::Table,
    function::Function,
    held::Held,
    math::Math,
    place::Place,
    tree::{Comparison, Input, Range, Shadow, Slot, Variable},
    words::WordCode,
};
use crate::calculator::aggregate::Figure;

/// Number of registers of a call.
pub(super) const REGISTERS: usize = 16;
/// Register of `event.time`.
pub(super) const TIME: Register = 0;
/// Register of `event.now`, or of the argument `now`.
pub(super) const NOW: Register = 1;
/// Register of `event.step`.
pub(super) const STEP: Register = 2;
/// First register of the script's variables.
pub(super) const LOCALS: Register = 3;

/// A register; holds an integer, true or false as 1 or 0, or the bits of a float.
pub(super) type Register = u8;
/// Position of an operation.
pub(super) type Label = u16;

/// Where a value of any kind is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// A variable that holds values of any kind.
    Held(Variable),
    Constant(u8),
    Input(Input),
    /// A field that is a text.
    Text(Slot),
    Int(Register),
    Float(Register),
    Truth(Register),
}

/// Where an operation on values of any kind writes its result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Destination {
    Held(Variable),
    /// As a word, which the result's kind must be.
    Word(Register),
}

/// An operation. The register or variable written comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    Const(Register, i64),
    Move(Register, Register),
    Load(Register, Slot),
    Store(Slot, Register),
    StoreConst(Slot, i64),
    Add(Register, Register, Register),
    AddConst(Register, Register, i64),
    SubtractSlot(Register, Register, Slot),
    Math(Math, Register, Register, Register),
    /// Adds a constant to an integer field.
    AddToSlot(Slot, i64),
    /// Makes a float of an integer.
    ToFloat(Register, Register),
    /// Calculates with floats.
    Floats(Math, Register, Register, Register),
    /// Figure at the instant in the last register.
    At(Register, Slot, Register),
    Increment(Slot),
    /// Time and now in the registers.
    CountEvent(Slot, Register, Register),
    /// Time and now in the registers.
    FoldInput(Slot, Input, Register, Register),
    /// Value, time and now in the registers.
    FoldInt(Slot, Register, Register, Register),
    /// Time and now in the registers.
    Fold(Slot, Source, Register, Register),
    SetTimer(Slot, Register),
    SetTimerAny(Slot, Source),
    /// The value as a word, which its kind must be.
    Word(Register, Source),
    /// Rhai's hash of the value.
    Hash(Register, Source),
    Put(Variable, Source),
    Calculate(Math, Destination, Source, Source),
    /// Calculates what an assignment gives its first operand.
    Assign(Math, Destination, Source, Source),
    /// Calls a native function; the flag is whether the first argument is lent.
    Call(Function, Destination, [Source; 2], bool),
    /// Appends to the text of the variable.
    Append(Variable, Source),
    Index(Destination, Source, Source),
    /// Entry of the table at a position.
    Entry(Destination, u8, Source),
    /// Figure of the aggregate at the instant in the register.
    Figure(Destination, Slot, Figure, Register),
    /// Fails if the state's texts are too long together.
    CheckLengths,
    /// Jumps unless the comparison of two registers holds.
    Unless(Comparison, Register, Register, Label),
    UnlessConst(Comparison, Register, Label, i64),
    /// Jumps unless the register compares to the field.
    UnlessSlot(Comparison, Register, Slot, Label),
    /// Jumps unless the field compares to the constant.
    UnlessSlotConst(Comparison, Slot, Label, i64),
    UnlessFloats(Comparison, Register, Register, Label),
    UnlessPresent(Input, Label),
    /// Jumps unless the value compares to the other.
    UnlessAny(Comparison, Source, Source, Label),
    /// Jumps unless the number is in the range at a position.
    UnlessWithin(Source, u8, Label),
    /// Jumps unless the value is true; fails unless it is true or false.
    UnlessTrue(Source, Label),
    Jump(Label),
    Return(bool),
    /// Counts the event at its time, and returns true.
    CountEventReturn(Slot),
    /// Adds 1 to a plain count, and returns true.
    IncrementReturn(Slot),
    /// Folds the property at the event's time unless it is absent, and returns true.
    FoldPresentReturn(Slot, Input),
    Give(Source),
    /// Fails if the texts among some variables are too long together: the first one, and their number.
    CheckTexts(Variable, u8),
    /// Returns the map of a number: the first variable of its values, and how many there are.
    GiveMap(u8, Variable, u8),
}

/// A compiled function.
#[derive(Clone, Debug)]
pub(in crate::calculator) struct Code {
    pub(super) ops: Box<[Op]>,
    /// Places in the script, one per operation.
    pub(super) places: Box<[Place]>,
    /// Fields whose values a failing call must restore; at most [`MAX_RESTORED`].
    pub(super) restored: Box<[Slot]>,
    /// Parts that only code with values of any kind has.
    pub(super) values: Option<Box<Values>>,
    /// The same as word code, if it has that form.
    pub(super) words: Option<WordCode>,
}

/// Parts of code with values of any kind besides its operations.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) constants: Box<[Held<'static>]>,
    pub(super) tables: Box<[Table]>,
    pub(super) ranges: Box<[Range]>,
    /// Number of variables that hold such values.
    pub(super) held: u8,
    pub(super) shadows: Box<[Shadow]>,
    /// Where the texts of the state are.
    pub(super) texts: Box<[Source]>,
    /// Aggregates that a failing call must restore.
    pub(super) copied: Box<[Slot]>,
}

impl Values {
    /// Whether a call needs variables of its own, or copies of aggregates.
    pub(super) fn needs_room(&self) -> bool {
        self.held > 0 || !self.copied.is_empty()
    }
}

/// Most fields that a call can restore.
pub(super) const MAX_RESTORED: usize = 8;

impl Op {
    /// Where it may jump.
    pub(super) fn label(&mut self) -> Option<&mut Label> {
        match self {
            Op::Unless(.., label)
            | Op::UnlessConst(_, _, label, _)
            | Op::UnlessSlot(.., label)
            | Op::UnlessSlotConst(_, _, label, _)
            | Op::UnlessFloats(.., label)
            | Op::UnlessPresent(_, label)
            | Op::UnlessAny(.., label)
            | Op::UnlessWithin(.., label)
            | Op::UnlessTrue(_, label)
            | Op::Jump(label) => Some(label),
            _ => None,
        }
    }

    /// Whether it returns true after its work.
    pub(super) fn returns_true(self) -> bool {
        matches!(self, Op::CountEventReturn(_) | Op::IncrementReturn(_) | Op::FoldPresentReturn(..))
    }

    /// Whether it ends the call.
    pub(super) fn returns(self) -> bool {
        self.returns_true() || matches!(self, Op::Return(_) | Op::Give(_) | Op::GiveMap(..))
    }

    /// Whether the next operation may follow.
    pub(super) fn falls_through(self) -> bool {
        !self.returns() && !matches!(self, Op::Jump(_))
    }

    /// Whether it can fail. One that fails has changed nothing itself.
    pub(super) fn can_fail(self) -> bool {
        match self {
            Op::Add(..) | Op::AddConst(..) | Op::SubtractSlot(..) | Op::AddToSlot(..) => true,
            Op::FoldInput(..) | Op::Fold(..) | Op::FoldPresentReturn(..) => true,
            Op::SetTimer(..) | Op::SetTimerAny(..) => true,
            Op::Calculate(..) | Op::Assign(..) | Op::Call(..) | Op::Append(..) => true,
            Op::Index(..) | Op::Entry(..) | Op::Figure(..) | Op::CheckLengths | Op::UnlessTrue(..) => true,
            Op::CheckTexts(..) => true,
            Op::Math(math, ..) => math.can_fail(),
            _ => false,
        }
    }

    /// Field that it writes, and whether that is an aggregate.
    pub(super) fn writes(self) -> Option<(Slot, bool)> {
        match self {
            Op::Store(slot, _) | Op::StoreConst(slot, _) | Op::AddToSlot(slot, _) => Some((slot, false)),
            Op::Increment(slot) | Op::IncrementReturn(slot) => Some((slot, false)),
            Op::SetTimer(slot, _) | Op::SetTimerAny(slot, _) => Some((slot, false)),
            Op::CountEvent(slot, ..) | Op::CountEventReturn(slot) => Some((slot, true)),
            Op::FoldInput(slot, ..) | Op::FoldInt(slot, ..) | Op::Fold(slot, ..) => Some((slot, true)),
            Op::FoldPresentReturn(slot, _) => Some((slot, true)),
            _ => None,
        }
    }
}

const _: () = assert!(size_of::<Op>() == 16, "an operation has 16 bytes");
