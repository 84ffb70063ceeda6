//! Running of code.

use super::{
    code::{Code, Label, MAX_RESTORED, Op, REGISTERS, Source, Values},
    compare,
    fault::Fault,
    held::{Held, View},
    machine::Machine,
    slots::Slots,
};
use crate::{
    calculator::{CallError, FoldInput},
    model::value::Value,
};

/// Result of a call.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::calculator) enum Given {
    Absent,
    Truth(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    /// Number and values of a map.
    Map(u8, Box<[Option<Value<'static>>]>),
}

/// Time, now and step of an event; of a function without an event only now counts.
pub(in crate::calculator) type Arguments = [i64; 3];

/// Failure of an operation, with its position.
type Failure = Box<(usize, Fault)>;

impl Given {
    fn of(view: View<'_>) -> Given {
        match view {
            View::Unit | View::Char(_) => Given::Absent,
            View::Bool(truth) => Given::Truth(truth),
            View::Int(int) => Given::Int(int),
            View::Float(float) => Given::Float(float),
            View::Text(text) => Given::Text(text.into()),
        }
    }
}

impl Code {
    /// Calls the function. `inputs` gives the event's properties by position.
    ///
    /// # Errors
    /// If an operation failed; the fields are unchanged.
    pub(in crate::calculator) fn call<'v, S: Slots + ?Sized>(
        &'v self,
        slots: &mut S,
        arguments: Arguments,
        inputs: impl Fn(usize) -> Option<&'v Value<'v>>,
    ) -> Result<Given, CallError> {
        let mut registers = [0; REGISTERS];
        registers[..3].copy_from_slice(&arguments);
        if let Some(values) = &self.values {
            return self.call_with_values(values, slots, registers, inputs);
        }
        let mut machine = Machine { registers, slots, inputs, held: &mut [], values: None };
        if self.restored.is_empty() {
            return self.run(&mut machine).map_err(|failure| self.error(*failure));
        }
        let words = self.words(machine.slots);
        self.run(&mut machine).map_err(|failure| {
            self.restore(machine.slots, &words);
            self.error(*failure)
        })
    }

    /// Calls a function that folds an event; returns whether the event is used up.
    ///
    /// # Errors
    /// If an operation failed; the fields are unchanged.
    #[inline]
    pub(in crate::calculator) fn fold<'v, S: Slots + ?Sized>(
        &'v self,
        slots: &mut S,
        input: FoldInput,
        values: impl Fn(usize) -> Option<&'v Value<'v>>,
    ) -> Result<bool, CallError> {
        // The bodies of most calculators are one operation, which needs no registers.
        match self.ops.first() {
            Some(Op::IncrementReturn(slot)) => {
                slots.set_word(*slot, slots.word(*slot).saturating_add(1));
                Ok(true)
            }
            Some(Op::CountEventReturn(slot)) => {
                slots.count(*slot, input.time, input.now);
                Ok(true)
            }
            _ => {
                let given = self.call(slots, [input.time, input.now, input.step as i64], values)?;
                Ok(given == Given::Truth(true))
            }
        }
    }

    /// Words of the fields that a failing call must restore.
    fn words<S: Slots + ?Sized>(&self, slots: &S) -> [i64; MAX_RESTORED] {
        let mut words = [0; MAX_RESTORED];
        let fields = words.iter_mut().zip(&self.restored);
        fields.for_each(|(word, slot)| *word = slots.word(*slot));
        words
    }

    fn restore<S: Slots + ?Sized>(&self, slots: &mut S, words: &[i64; MAX_RESTORED]) {
        words.iter().zip(&self.restored).for_each(|(word, slot)| slots.set_word(*slot, *word));
    }

    /// The failure of an operation as an error of the call.
    #[cold]
    fn error(&self, (at, fault): (usize, Fault)) -> CallError {
        fault.error(self.places.get(at).copied().unwrap_or_default())
    }

    /// Runs the operations. An error comes with the position of the operation that failed.
    fn run<'v, S: Slots + ?Sized, I: Fn(usize) -> Option<&'v Value<'v>>>(
        &self,
        m: &mut Machine<'_, 'v, S, I>,
    ) -> Result<Given, Failure> {
        let unless = |holds: bool, to: Label| (!holds).then_some(to);
        let mut next = 0;
        while let Some(op) = self.ops.get(next) {
            next += 1;
            let jump = match *op {
                Op::Unless(test, a, b, to) => unless(test.holds(m.get(a), m.get(b)), to),
                Op::UnlessConst(test, a, to, word) => unless(test.holds(m.get(a), word), to),
                Op::UnlessSlot(test, a, slot, to) => unless(test.holds(m.get(a), m.slots.word(slot)), to),
                Op::UnlessSlotConst(test, slot, to, word) => unless(test.holds(m.slots.word(slot), word), to),
                Op::UnlessFloats(test, a, b, to) => unless(compare::floats(test, m.float(a), m.float(b)), to),
                Op::UnlessPresent(input, to) => unless((m.inputs)(input.into()).is_some(), to),
                Op::UnlessAny(test, a, b, to) => unless(compare::holds(test, m.view(a), m.view(b)), to),
                Op::UnlessWithin(value, at, to) => unless(m.within(value, at), to),
                Op::UnlessTrue(value, to) => {
                    unless(m.truth(value).map_err(|fault| failure(next - 1, fault))?, to)
                }
                Op::Jump(to) => Some(to),
                Op::Return(truth) => return Ok(Given::Truth(truth)),
                Op::GiveMap(map, first, number) => {
                    let values =
                        (first..first.saturating_add(number)).map(|at| m.view(Source::Held(at)).value());
                    return Ok(Given::Map(map, values.map(|value| Some(value?.into_owned())).collect()));
                }
                Op::Give(value) => return Ok(Given::of(m.view(value))),
                op => {
                    m.execute(op).map_err(|fault| failure(next - 1, fault))?;
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

#[cold]
fn failure(at: usize, fault: Fault) -> Failure {
    Box::new((at, fault))
}

/// Most variables of any kind for which a call needs no allocation.
const FEW: usize = 8;

impl Code {
    /// Calls a function that has values of any kind.
    fn call_with_values<'v, S: Slots + ?Sized>(
        &'v self,
        values: &'v Values,
        slots: &mut S,
        registers: [i64; REGISTERS],
        inputs: impl Fn(usize) -> Option<&'v Value<'v>>,
    ) -> Result<Given, CallError> {
        let (mut few, mut many) = (<[Held<'v>; FEW]>::default(), Vec::new());
        let number = usize::from(values.held);
        let held = if number <= FEW {
            &mut few[..number]
        } else {
            many.resize(number, Held::Unit);
            &mut many[..]
        };
        values.load(slots, held);
        let words = self.words(slots);
        let aggregates: Vec<_> = values.copied.iter().map(|slot| (*slot, slots.cell(*slot))).collect();
        let mut machine = Machine { registers, slots, inputs, held, values: Some(values) };
        let given = self.run(&mut machine).map_err(|failure| self.error(*failure));
        given.and_then(|given| values.settle(machine.slots, machine.held).map(|()| given)).inspect_err(|_| {
            self.restore(machine.slots, &words);
            aggregates.into_iter().for_each(|(slot, before)| machine.slots.set_cell(slot, before));
        })
    }
}
