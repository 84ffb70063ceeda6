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
//!
//! - `translation`: of code to word code; `steps`: word code for an event of a known step

mod steps;
mod translation;

use self::translation::Translation;
use super::{
    code::{Code, LOCALS, Label, Op, REGISTERS, Register},
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
    /// Operations for an event of any step.
    any: Ops,
    /// Operations for events of each of the first steps.
    steps: Box<[Ops]>,
    /// Number of fields that are words.
    fields: usize,
}

/// Operations, and the position of each in the function's code.
#[derive(Clone, Debug)]
struct Ops {
    ops: Box<[WordOp]>,
    places: Box<[u16]>,
}

/// Test of a field at the beginning of a call. If it does not hold, the call returns false, and has changed
/// nothing.
#[derive(Clone, Copy, Debug)]
pub struct Precondition {
    test: Comparison,
    /// Position of the field among the words of the fields.
    field: u8,
    constant: i64,
}

impl Precondition {
    /// Whether it holds for a state with these words.
    #[inline(always)]
    pub fn holds(&self, words: &[u64]) -> bool {
        words
            .get(usize::from(self.field))
            .is_none_or(|word| self.test.holds(word.cast_signed(), self.constant))
    }
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
        let ops = ops.iter().map(|op| translation.of(*op)).collect::<Option<Box<[_]>>>()?;
        let any = Ops { places: (0..ops.len() as u16).collect(), ops };
        Some(WordCode { steps: steps::of_each(&any.ops), any, fields })
    }

    /// Operations for an event of a step.
    #[inline(always)]
    fn of_step(&self, step: usize) -> &Ops {
        self.steps.get(step).unwrap_or(&self.any)
    }

    /// What a call for an event of a step tests first, if that is a field.
    pub(super) fn precondition(&self, step: usize) -> Option<Precondition> {
        let ops = &self.of_step(step).ops;
        let Some(WordOp::UnlessConst(test, register, to, constant)) = ops.first().copied() else {
            return None;
        };
        let field = register.checked_sub(LOCALS).filter(|field| usize::from(*field) < self.fields)?;
        let returns_false = matches!(ops.get(usize::from(to)), None | Some(WordOp::Return(false)));
        returns_false.then_some(Precondition { test, field, constant })
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
        let ops = self.of_step(input.step);
        registers.0[..3].copy_from_slice(&[input.time, input.now, input.step as i64]);
        let own = usize::from(LOCALS)..(usize::from(LOCALS) + self.fields).min(REGISTERS);
        slots.load(&mut registers.0[own.clone()]);
        match ops.run(slots, &mut registers) {
            Ok(used) => {
                slots.store(&registers.0[own]);
                Ok(used)
            }
            Err(at) => {
                Err((ops.places.get(at).copied().unwrap_or_default().into(), ops.fault(at, &registers)))
            }
        }
    }
}

impl Ops {
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
