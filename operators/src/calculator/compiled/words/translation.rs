//! Translation of code to word code.

use super::{
    super::{
        code::{LOCALS, Op, REGISTERS, Register, Source},
        math::Math,
        tree::Slot,
    },
    WordOp, is_word,
};
use crate::calculator::Cell;

/// Translation of code to word code.
pub(super) struct Translation<'t> {
    pub(super) initial: &'t [Cell],
    /// Number of fields that are words.
    pub(super) fields: u8,
}

impl Translation<'_> {
    /// The operation; `None` if it has no such form.
    pub(super) fn of(&self, op: Op) -> Option<WordOp> {
        Some(match op {
            Op::Const(to, word) => WordOp::Const(self.register(to)?, word),
            Op::Move(to, from) => WordOp::Move(self.register(to)?, self.register(from)?),
            Op::Load(to, slot) => WordOp::Move(self.register(to)?, self.field(slot)?),
            Op::Store(slot, from) => WordOp::Move(self.field(slot)?, self.register(from)?),
            Op::StoreConst(slot, word) => WordOp::Const(self.field(slot)?, word),
            Op::Add(to, a, b) => self.math(Math::Add, [to, a, b])?,
            Op::AddConst(to, a, word) => WordOp::AddConst(self.register(to)?, self.register(a)?, word),
            Op::SubtractSlot(to, a, slot) => {
                WordOp::Math(Math::Subtract, self.register(to)?, self.register(a)?, self.field(slot)?)
            }
            Op::Math(math, to, a, b) => self.math(math, [to, a, b])?,
            Op::AddToSlot(slot, word) => WordOp::AddConst(self.field(slot)?, self.field(slot)?, word),
            Op::ToFloat(to, from) => WordOp::ToFloat(self.register(to)?, self.register(from)?),
            Op::Floats(math, to, a, b) => {
                WordOp::Floats(math, self.register(to)?, self.register(a)?, self.register(b)?)
            }
            Op::Increment(slot) => WordOp::Increment(self.field(slot)?),
            Op::CountEvent(slot, time, now) => {
                WordOp::CountEvent(slot, self.register(time)?, self.register(now)?)
            }
            control => self.control(control)?,
        })
    }

    /// An operation that jumps or returns.
    fn control(&self, op: Op) -> Option<WordOp> {
        Some(match op {
            Op::Unless(test, a, b, to) => WordOp::Unless(test, self.register(a)?, self.register(b)?, to),
            Op::UnlessConst(test, a, to, word) => WordOp::UnlessConst(test, self.register(a)?, to, word),
            Op::UnlessSlot(test, a, slot, to) => {
                WordOp::Unless(test, self.register(a)?, self.field(slot)?, to)
            }
            Op::UnlessSlotConst(test, slot, to, word) => {
                WordOp::UnlessConst(test, self.field(slot)?, to, word)
            }
            Op::UnlessFloats(test, a, b, to) => {
                WordOp::UnlessFloats(test, self.register(a)?, self.register(b)?, to)
            }
            Op::Jump(to) => WordOp::Jump(to),
            Op::Return(truth) => WordOp::Return(truth),
            Op::Give(Source::Truth(from)) => WordOp::ReturnTruth(self.register(from)?),
            _ => return None,
        })
    }

    fn math(&self, math: Math, [to, a, b]: [Register; 3]) -> Option<WordOp> {
        Some(WordOp::Math(math, self.register(to)?, self.register(a)?, self.register(b)?))
    }

    /// Register of a field; `None` if it is no word.
    fn field(&self, slot: Slot) -> Option<Register> {
        let (before, own) = (self.initial.get(..usize::from(slot))?, self.initial.get(usize::from(slot))?);
        let words = before.iter().filter(|cell| is_word(cell)).count();
        let register = usize::from(LOCALS) + words;
        (is_word(own) && register < REGISTERS).then_some(register as Register)
    }

    /// Register of an argument or a variable.
    fn register(&self, register: Register) -> Option<Register> {
        let register = if register < LOCALS { register } else { register.checked_add(self.fields)? };
        (usize::from(register) < REGISTERS).then_some(register)
    }
}
