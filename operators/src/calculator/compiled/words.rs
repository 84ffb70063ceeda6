//! Word code: the form of [code](super::code) for functions whose values are all words.
//!
//! Most conditions are folded by such functions: they compare and set integers, and count. A call loads the
//! fields that are words into registers, runs there, and stores them again if it succeeds.
//!
//! **Invariants**
//! - A function has one operation here for each of its code, so jumps and places are the same.
//! - Fields are stored at the end only, and an aggregate is counted in only if nothing after it can fail. So
//!   a call that fails has changed nothing.
//! - Registers 0 to 2 hold time, now and step; then follow the fields that are words, in their order, and the
//!   variables.

use super::{
    code::{Code, LOCALS, Label, Op, REGISTERS, Register, Source},
    compare,
    fault::Fault,
    math::Math,
    slots::Slots,
    tree::{Comparison, Slot},
};
use crate::calculator::{Cell, FoldInput};

/// Word code of a function.
#[derive(Clone, Debug)]
pub(super) struct WordCode {
    ops: Box<[WordOp]>,
    /// Number of fields that are words.
    fields: usize,
}

/// An operation on registers. The register written comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum WordOp {
    Const(Register, i64),
    Move(Register, Register),
    AddConst(Register, Register, i64),
    Math(Math, Register, Register, Register),
    ToFloat(Register, Register),
    Floats(Math, Register, Register, Register),
    /// Adds 1, up to the greatest integer.
    Increment(Register),
    /// Counts the event in an aggregate; time and now in the registers.
    CountEvent(Slot, Register, Register),
    Unless(Comparison, Register, Register, Label),
    UnlessConst(Comparison, Register, Label, i64),
    UnlessFloats(Comparison, Register, Register, Label),
    Jump(Label),
    Return(bool),
    /// Returns whether the register is not 0.
    ReturnTruth(Register),
}

/// Registers of a call.
#[derive(Debug)]
pub(super) struct Registers([i64; REGISTERS]);

impl Registers {
    #[inline(always)]
    fn get(&self, register: Register) -> i64 {
        self.0[usize::from(register) % REGISTERS]
    }

    #[inline(always)]
    fn set(&mut self, register: Register, word: i64) {
        self.0[usize::from(register) % REGISTERS] = word;
    }

    fn float(&self, register: Register) -> f64 {
        f64::from_bits(self.get(register).cast_unsigned())
    }
}

impl Code {
    /// Adds the word code of a function on fields with these first values, if it has such a form.
    pub(super) fn with_words(mut self, initial: &[Cell]) -> Self {
        self.words = self.values.is_none().then(|| WordCode::of(&self.ops, initial)).flatten();
        self
    }
}

impl WordCode {
    /// Word code of a function; `None` if it has values that are no words, or needs too many registers.
    fn of(ops: &[Op], initial: &[Cell]) -> Option<Self> {
        let fields = initial.iter().filter(|cell| is_word(cell)).count();
        let translation = Translation { initial, fields: u8::try_from(fields).ok()? };
        let ops = ops.iter().map(|op| translation.of(*op)).collect::<Option<_>>()?;
        Some(WordCode { ops, fields })
    }

    /// Folds an event; returns whether it is used up.
    ///
    /// # Errors
    /// The position of the operation that failed, with the failure. The fields are unchanged.
    #[inline(always)]
    pub(super) fn fold<S: Slots + ?Sized>(
        &self,
        slots: &mut S,
        input: FoldInput,
    ) -> Result<bool, (usize, Fault)> {
        let mut registers = Registers([0; REGISTERS]);
        registers.0[..3].copy_from_slice(&[input.time, input.now, input.step as i64]);
        let own = usize::from(LOCALS)..(usize::from(LOCALS) + self.fields).min(REGISTERS);
        slots.load(&mut registers.0[own.clone()]);
        match self.run(slots, &mut registers) {
            Ok(used) => {
                slots.store(&registers.0[own]);
                Ok(used)
            }
            Err(at) => Err((at, self.fault(at, &registers))),
        }
    }

    /// Runs the operations.
    ///
    /// # Errors
    /// The position of the operation that failed; its registers are as they were before it.
    #[inline(always)]
    fn run<S: Slots + ?Sized>(&self, slots: &mut S, r: &mut Registers) -> Result<bool, usize> {
        let mut next = 0;
        while let Some(op) = self.ops.get(next) {
            next += 1;
            let (holds, to) = match *op {
                WordOp::Unless(test, a, b, to) => (test.holds(r.get(a), r.get(b)), to),
                WordOp::UnlessConst(test, a, to, word) => (test.holds(r.get(a), word), to),
                WordOp::UnlessFloats(test, a, b, to) => (compare::floats(test, r.float(a), r.float(b)), to),
                WordOp::Jump(to) => (false, to),
                WordOp::Return(truth) => return Ok(truth),
                WordOp::ReturnTruth(from) => return Ok(r.get(from) != 0),
                WordOp::CountEvent(slot, time, now) => {
                    slots.count(slot, r.get(time), r.get(now));
                    continue;
                }
                op => match r.execute(op) {
                    Some(()) => continue,
                    None => return Err(next - 1),
                },
            };
            if !holds {
                next = usize::from(to);
            }
        }
        Ok(false)
    }

    /// The failure of an operation.
    #[cold]
    fn fault(&self, at: usize, r: &Registers) -> Fault {
        match self.ops.get(at) {
            Some(WordOp::AddConst(_, a, word)) => Fault::Math(Math::Add, r.get(*a), *word),
            Some(WordOp::Math(math, _, a, b)) => Fault::Math(*math, r.get(*a), r.get(*b)),
            _ => Fault::Message(String::new()),
        }
    }
}

impl Registers {
    /// Executes an operation that neither jumps nor returns; `None` if it failed.
    #[inline(always)]
    fn execute(&mut self, op: WordOp) -> Option<()> {
        match op {
            WordOp::Const(to, word) => self.set(to, word),
            WordOp::Move(to, from) => self.set(to, self.get(from)),
            WordOp::AddConst(to, a, word) => self.set(to, self.get(a).checked_add(word)?),
            WordOp::Math(math, to, a, b) => self.set(to, math.apply(self.get(a), self.get(b))?),
            WordOp::ToFloat(to, from) => self.set(to, bits(self.get(from) as f64)),
            WordOp::Floats(math, to, a, b) => {
                self.set(to, bits(math.on_floats(self.float(a), self.float(b)).unwrap_or_default()));
            }
            WordOp::Increment(to) => self.set(to, self.get(to).saturating_add(1)),
            _ => {}
        }
        Some(())
    }
}

fn bits(float: f64) -> i64 {
    float.to_bits().cast_signed()
}

/// Whether a field with this first value is a word.
pub(super) fn is_word(cell: &Cell) -> bool {
    matches!(cell, Cell::Bool(_) | Cell::Int(_) | Cell::Float(_))
}

/// Translation of code to word code.
struct Translation<'t> {
    initial: &'t [Cell],
    /// Number of fields that are words.
    fields: u8,
}

impl Translation<'_> {
    /// The operation; `None` if it has no such form.
    fn of(&self, op: Op) -> Option<WordOp> {
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
