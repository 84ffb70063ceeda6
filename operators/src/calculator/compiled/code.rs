//! Register code.
//!
//! **Invariants**: jumps lead forward, so a call takes at most as many steps as there are operations. The
//! last operation returns. Registers 0 to 2 hold time, now and step.

use super::{
    math::Math,
    place::Place,
    tree::{Comparison, Input, Slot},
};
use crate::model::value::Value;

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

/// A register; holds an integer, or true or false as 1 or 0.
pub(super) type Register = u8;
/// Position of an operation.
pub(super) type Label = u16;

/// An operation. The register written comes first.
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
    /// Figure at the instant in the last register.
    At(Register, Slot, Register),
    Increment(Slot),
    /// Time and now in the registers.
    CountEvent(Slot, Register, Register),
    /// Time and now in the registers.
    FoldInput(Slot, Input, Register, Register),
    /// Value, time and now in the registers.
    FoldInt(Slot, Register, Register, Register),
    SetTimer(Slot, Register),
    /// Jumps unless the comparison of two registers holds.
    Unless(Comparison, Register, Register, Label),
    UnlessConst(Comparison, Register, Label, i64),
    /// Jumps unless the register compares to the field.
    UnlessSlot(Comparison, Register, Slot, Label),
    /// Jumps unless the field compares to the constant.
    UnlessSlotConst(Comparison, Slot, Label, i64),
    UnlessPresent(Input, Label),
    /// Jumps unless the property compares to the constant at a position.
    UnlessInput(Comparison, Input, u8, Label),
    /// Jumps unless the property compares to the integer in the register.
    UnlessInputInt(Comparison, Input, Register, Label),
    Jump(Label),
    Return(bool),
    /// Counts the event at its time, and returns true.
    CountEventReturn(Slot),
    /// Adds 1 to a plain count, and returns true.
    IncrementReturn(Slot),
    /// Folds the property at the event's time unless it is absent, and returns true.
    FoldPresentReturn(Slot, Input),
    GiveAbsent,
    GiveInt(Register),
    GiveTruth(Register),
}

/// A compiled function.
#[derive(Clone, Debug)]
pub(in crate::calculator) struct Code {
    pub(super) ops: Box<[Op]>,
    /// Places in the script, one per operation.
    pub(super) places: Box<[Place]>,
    /// Constants that properties are compared with.
    pub(super) constants: Box<[Value<'static>]>,
    /// Fields whose values a failing call must restore; at most [`MAX_RESTORED`].
    pub(super) restored: Box<[Slot]>,
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
            | Op::UnlessPresent(_, label)
            | Op::UnlessInput(.., label)
            | Op::UnlessInputInt(.., label)
            | Op::Jump(label) => Some(label),
            _ => None,
        }
    }

    /// Whether it returns true after its work.
    pub(super) fn returns_true(self) -> bool {
        matches!(self, Op::CountEventReturn(_) | Op::IncrementReturn(_) | Op::FoldPresentReturn(..))
    }

    /// Whether the next operation may follow.
    pub(super) fn falls_through(self) -> bool {
        !matches!(
            self,
            Op::Jump(_)
                | Op::Return(_)
                | Op::CountEventReturn(_)
                | Op::IncrementReturn(_)
                | Op::FoldPresentReturn(..)
                | Op::GiveAbsent
                | Op::GiveInt(_)
                | Op::GiveTruth(_)
        )
    }

    /// Whether it can fail. One that fails has changed nothing itself.
    pub(super) fn can_fail(self) -> bool {
        match self {
            Op::Add(..) | Op::AddConst(..) | Op::SubtractSlot(..) | Op::AddToSlot(..) => true,
            Op::FoldInput(..) | Op::FoldPresentReturn(..) | Op::SetTimer(..) => true,
            Op::Math(math, ..) => math.can_fail(),
            _ => false,
        }
    }

    /// Field that it writes, and whether that is an aggregate.
    pub(super) fn writes(self) -> Option<(Slot, bool)> {
        match self {
            Op::Store(slot, _) | Op::StoreConst(slot, _) | Op::AddToSlot(slot, _) => Some((slot, false)),
            Op::Increment(slot) | Op::IncrementReturn(slot) | Op::SetTimer(slot, _) => Some((slot, false)),
            Op::CountEvent(slot, ..) | Op::CountEventReturn(slot) => Some((slot, true)),
            Op::FoldInput(slot, ..) | Op::FoldInt(slot, ..) => Some((slot, true)),
            Op::FoldPresentReturn(slot, _) => Some((slot, true)),
            _ => None,
        }
    }
}

const _: () = assert!(size_of::<Op>() == 16, "an operation has 16 bytes");
