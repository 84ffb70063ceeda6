//! Outputs that are read from the state without running code: a field, or a figure of an aggregate.

use super::{
    code::{Code, NOW, Op, Source},
    slots::Slots,
};
use crate::{calculator::aggregate::Figure, expression::Operand};

/// Where an output is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direct {
    /// An integer field.
    Int(u8),
    /// A float field.
    Float(u8),
    /// A field that is true or false.
    Bool(u8),
    /// The single figure, at `now`, of the aggregate in a field.
    At(u8),
    /// A figure, at `now`, of the aggregate in a field.
    Figure(u8, Figure),
}

impl Direct {
    /// The output that this code gives, if it does nothing but read.
    pub(super) fn of(code: &Code) -> Option<Direct> {
        match code.ops[..] {
            [Op::Load(to, slot), Op::Give(Source::Int(from))] if to == from => Some(Direct::Int(slot)),
            [Op::Load(to, slot), Op::Give(Source::Float(from))] if to == from => Some(Direct::Float(slot)),
            [Op::Load(to, slot), Op::Give(Source::Truth(from))] if to == from => Some(Direct::Bool(slot)),
            [Op::At(to, slot, NOW), Op::Give(Source::Int(from))] if to == from => Some(Direct::At(slot)),
            _ => None,
        }
    }

    /// The output at `now`, unix ms.
    #[inline]
    pub fn value<S: Slots + ?Sized>(self, slots: &S, now: i64) -> Operand<'_> {
        match self {
            Direct::Int(slot) => Operand::Int(slots.word(slot)),
            Direct::Float(slot) => Operand::Float(f64::from_bits(slots.word(slot).cast_unsigned())),
            Direct::Bool(slot) => Operand::Bool(slots.word(slot) != 0),
            Direct::At(slot) => Operand::Int(slots.at(slot, now).unwrap_or(0)),
            Direct::Figure(slot, figure) => {
                let summary = slots.summary(slot, now);
                summary.and_then(|summary| summary.figure(figure)).map_or(Operand::Absent, Operand::from)
            }
        }
    }
}
