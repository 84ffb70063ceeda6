//! Running of code.

use super::{
    code::{Code, Label, MAX_RESTORED, NOW, Op, REGISTERS, Register, TIME},
    compare,
    fault::Fault,
    math::Math,
    slots::Slots,
    tree::{Comparison, Input},
};
use crate::{calculator::CallError, model::value::Value};

/// What a call gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::calculator) enum Given {
    Absent,
    Truth(bool),
    Int(i64),
}

/// Time, now and step of an event; of a function without an event only now counts.
pub(in crate::calculator) type Arguments = [i64; 3];

/// Registers, fields and properties of one call.
struct Machine<'m, S: ?Sized, I> {
    registers: [i64; REGISTERS],
    slots: &'m mut S,
    inputs: I,
}

impl Code {
    /// Calls the function. `inputs` gives the event's properties by position.
    ///
    /// # Errors
    /// If an operation failed; the fields are unchanged.
    pub(in crate::calculator) fn call<'v, S: Slots + ?Sized>(
        &self,
        slots: &mut S,
        arguments: Arguments,
        inputs: impl Fn(usize) -> Option<&'v Value<'v>>,
    ) -> Result<Given, CallError> {
        let mut registers = [0; REGISTERS];
        registers[..3].copy_from_slice(&arguments);
        let mut machine = Machine { registers, slots, inputs };
        if self.restored.is_empty() {
            return self.run(&mut machine).map_err(|(at, fault)| self.error(at, fault));
        }
        let mut words = [0; MAX_RESTORED];
        let fields = words.iter_mut().zip(&self.restored);
        fields.for_each(|(word, slot)| *word = machine.slots.word(*slot));
        self.run(&mut machine).map_err(|(at, fault)| {
            let before = words.iter().zip(&self.restored);
            before.for_each(|(word, slot)| machine.slots.set_word(*slot, *word));
            self.error(at, fault)
        })
    }

    /// The failure of the operation at a position as an error of the call.
    #[cold]
    fn error(&self, at: usize, fault: Fault) -> CallError {
        fault.error(self.places.get(at).copied().unwrap_or_default())
    }

    /// Runs the operations. An error comes with the position of the operation that failed.
    fn run<'v, S: Slots + ?Sized, I: Fn(usize) -> Option<&'v Value<'v>>>(
        &self,
        m: &mut Machine<'_, S, I>,
    ) -> Result<Given, (usize, Fault)> {
        let unless = |holds: bool, to: Label| (!holds).then_some(to);
        let mut next = 0;
        while let Some(op) = self.ops.get(next) {
            next += 1;
            let jump = match *op {
                Op::Unless(test, a, b, to) => unless(test.holds(m.get(a), m.get(b)), to),
                Op::UnlessConst(test, a, to, word) => unless(test.holds(m.get(a), word), to),
                Op::UnlessSlot(test, a, slot, to) => unless(test.holds(m.get(a), m.slots.word(slot)), to),
                Op::UnlessSlotConst(test, slot, to, word) => unless(test.holds(m.slots.word(slot), word), to),
                Op::UnlessPresent(input, to) => unless((m.inputs)(input.into()).is_some(), to),
                Op::UnlessInput(test, input, at, to) => {
                    unless(m.compares(test, input, self.constants.get(usize::from(at))), to)
                }
                Op::UnlessInputInt(test, input, a, to) => {
                    unless(m.compares(test, input, Some(&Value::Int(m.get(a)))), to)
                }
                Op::Jump(to) => Some(to),
                Op::Return(truth) => return Ok(Given::Truth(truth)),
                Op::GiveAbsent => return Ok(Given::Absent),
                Op::GiveInt(from) => return Ok(Given::Int(m.get(from))),
                Op::GiveTruth(from) => return Ok(Given::Truth(m.get(from) != 0)),
                op => {
                    m.execute(op).map_err(|fault| (next - 1, fault))?;
                    if op.returns_true() {
                        return Ok(Given::Truth(true));
                    }
                    None
                }
            };
            next = jump.map_or(next, usize::from);
        }
        Ok(Given::Absent)
    }
}

impl<'v, S: Slots + ?Sized, I: Fn(usize) -> Option<&'v Value<'v>>> Machine<'_, S, I> {
    fn get(&self, register: Register) -> i64 {
        self.registers[usize::from(register) % REGISTERS]
    }

    fn set(&mut self, register: Register, word: i64) {
        self.registers[usize::from(register) % REGISTERS] = word;
    }

    fn compares(&self, comparison: Comparison, input: Input, against: Option<&Value<'_>>) -> bool {
        against.is_some_and(|against| compare::holds(comparison, (self.inputs)(input.into()), against))
    }

    /// Executes an operation that neither jumps nor returns.
    #[inline(always)]
    fn execute(&mut self, op: Op) -> Result<(), Fault> {
        match op {
            Op::Const(to, word) => self.set(to, word),
            Op::Move(to, from) => self.set(to, self.get(from)),
            Op::Load(to, slot) => self.set(to, self.slots.word(slot)),
            Op::Store(slot, from) => self.slots.set_word(slot, self.get(from)),
            Op::StoreConst(slot, word) => self.slots.set_word(slot, word),
            Op::Add(to, a, b) => self.set(to, value(Math::Add, self.get(a), self.get(b))?),
            Op::AddConst(to, a, word) => self.set(to, value(Math::Add, self.get(a), word)?),
            Op::SubtractSlot(to, a, slot) => {
                self.set(to, value(Math::Subtract, self.get(a), self.slots.word(slot))?);
            }
            Op::Math(math, to, a, b) => self.set(to, value(math, self.get(a), self.get(b))?),
            Op::AddToSlot(slot, word) => {
                self.slots.set_word(slot, value(Math::Add, self.slots.word(slot), word)?);
            }
            Op::At(to, slot, now) => self.set(to, self.slots.at(slot, self.get(now)).unwrap_or(0)),
            Op::Increment(slot) | Op::IncrementReturn(slot) => {
                self.slots.set_word(slot, self.slots.word(slot).saturating_add(1))
            }
            Op::CountEvent(slot, time, now) => self.slots.count(slot, self.get(time), self.get(now)),
            Op::CountEventReturn(slot) => self.slots.count(slot, self.get(TIME), self.get(NOW)),
            Op::FoldPresentReturn(slot, input) => {
                if let Some(value) = (self.inputs)(input.into()) {
                    self.fold(slot, Some(value), self.get(TIME), self.get(NOW))?;
                }
            }
            Op::FoldInput(slot, input, time, now) => {
                self.fold(slot, (self.inputs)(input.into()), self.get(time), self.get(now))?;
            }
            Op::FoldInt(slot, from, time, now) => {
                let value = Value::Int(self.get(from));
                self.fold(slot, Some(&value), self.get(time), self.get(now))?;
            }
            Op::SetTimer(slot, from) => match self.get(from) {
                ..0 => return Err(Fault::Timer),
                at => self.slots.set_word(slot, at),
            },
            _ => {}
        }
        Ok(())
    }

    fn fold(&mut self, slot: u8, value: Option<&Value<'_>>, time: i64, now: i64) -> Result<(), Fault> {
        self.slots.fold(slot, value, time, now).map_err(|_| Fault::not_folded(value))
    }
}

#[inline(always)]
fn value(math: Math, a: i64, b: i64) -> Result<i64, Fault> {
    math.apply(a, b).ok_or(Fault::Math(math, a, b))
}
