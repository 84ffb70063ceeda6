//! Fields of which a call changes a copy: they are written once it has succeeded, if their kinds are right.

use rhai::{Dynamic, Position};

use super::{
    code::Values,
    held::{Held, View},
    kind::Kind,
    slots::Slots,
    tree::{Shadow, Slot},
};
use crate::calculator::{CallError, Cell, ProgramError};

impl Shadow {
    /// Whether a value of this kind may be written; integers become floats.
    fn takes(&self, kind: Kind) -> bool {
        kind == self.kind || (kind == Kind::Int && self.kind == Kind::Float)
    }

    /// Whether a call may leave a value that can't be written.
    pub(super) fn can_fail(&self) -> bool {
        self.kinds.iter().any(|kind| !self.takes(kind))
    }

    #[cold]
    fn wrong(&self, value: View<'_>) -> CallError {
        let shown = match value {
            // Rhai shows large floats in a way of its own.
            View::Float(float) => Dynamic::from_float(float).to_string(),
            other => other.written().into_owned(),
        };
        let (name, given) = (&self.name, value.kind().name());
        let declared = match self.kind {
            Kind::Bool => "a boolean",
            Kind::Int => "an integer",
            Kind::Float => "a float",
            _ => "a string",
        };
        let message =
            format!("state field `{name}` is {declared} by `init`, and was given {given} (`{shown}`)");
        ProgramError::new(Position::NONE, message).into()
    }
}

impl Values {
    /// Copies fields to the variables that stand for them.
    pub(super) fn load<S: Slots + ?Sized>(&self, slots: &S, held: &mut [Held<'_>]) {
        for (to, shadow) in held.iter_mut().zip(&self.shadows) {
            *to = match shadow.kind {
                Kind::Text => slots.text(shadow.slot).to_owned().into(),
                Kind::Float => Held::Float(f64::from_bits(slots.word(shadow.slot).cast_unsigned())),
                Kind::Bool => Held::Bool(slots.word(shadow.slot) != 0),
                _ => Held::Int(slots.word(shadow.slot)),
            };
        }
    }

    /// Copies of the aggregates that a failing call must restore, with their fields.
    #[inline]
    pub(super) fn copies<S: Slots + ?Sized>(&self, slots: &S) -> Vec<(Slot, Cell)> {
        if self.copied.is_empty() {
            return Vec::new();
        }
        self.copied.iter().map(|slot| (*slot, slots.cell(*slot))).collect()
    }

    /// Writes the fields, all or none.
    ///
    /// # Errors
    /// If a value is of another kind than its field.
    pub(super) fn settle<S: Slots + ?Sized>(
        &self,
        slots: &mut S,
        held: &[Held<'_>],
    ) -> Result<(), CallError> {
        let each = || self.shadows.iter().zip(held.iter().map(Held::view));
        if let Some((shadow, value)) = each().find(|(shadow, value)| !shadow.takes(value.kind())) {
            return Err(shadow.wrong(value));
        }
        for (shadow, value) in each() {
            match (shadow.kind, value) {
                (_, View::Text(text)) => slots.set_text(shadow.slot, text),
                (Kind::Float, View::Int(int)) => slots.set_word(shadow.slot, View::Float(int as f64).word()),
                (_, value) => slots.set_word(shadow.slot, value.word()),
            }
        }
        Ok(())
    }
}
