//! Running of code.

use super::{
    code::{Code, MAX_RESTORED, Op, Source, Values},
    compare,
    fault::Fault,
    held::{Held, View},
    machine::{Failure, Machine, fold},
    slots::Slots,
    tree::Variable,
    words::Precondition,
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

/// How a call ended. Small, so that it is returned in a register.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// The machine has the failure.
    Failed,
    Absent,
    Truth(bool),
    Value(Source),
    /// Number of a map, the first of the variables with its values, and how many there are.
    Map(u8, Variable, u8),
}

impl<'v, S: Slots + ?Sized, I: Fn(usize) -> Option<&'v Value<'v>>> Machine<'_, 'v, S, I> {
    /// Result of a call that has ended.
    fn given(&self, end: End) -> Given {
        match end {
            End::Failed | End::Absent => Given::Absent,
            End::Truth(truth) => Given::Truth(truth),
            End::Value(source) => Given::of(self.view(source)),
            End::Map(map, first, number) => {
                let all = first..first.saturating_add(number);
                let values = all.map(|at| self.view(Source::Held(at)).value());
                Given::Map(map, values.map(|value| Some(value?.into_owned())).collect())
            }
        }
    }

    /// Whether the result of a call that has ended is true.
    fn is_true(&self, end: End) -> bool {
        match end {
            End::Truth(truth) => truth,
            End::Value(source) => matches!(self.view(source), View::Bool(true)),
            End::Failed | End::Absent | End::Map(..) => false,
        }
    }
}

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
        self.finish(slots, arguments, inputs, |machine, end| machine.given(end))
    }

    /// Calls the function; `give` makes the result of its end.
    #[inline]
    fn finish<'v, S: Slots + ?Sized, I: Fn(usize) -> Option<&'v Value<'v>>, T>(
        &'v self,
        slots: &mut S,
        arguments: Arguments,
        inputs: I,
        give: impl FnOnce(&Machine<'_, 'v, S, I>, End) -> T,
    ) -> Result<T, CallError> {
        let values = self.values.as_deref();
        if let Some(values) = values.filter(|values| values.needs_room()) {
            return self.finish_with_room(values, slots, arguments, (inputs, give));
        }
        let mut machine = Machine::new(slots, inputs);
        machine.values = values;
        machine.set_arguments(arguments);
        let words = if self.restored.is_empty() { [0; MAX_RESTORED] } else { self.words(machine.slots) };
        match self.run(&mut machine) {
            End::Failed => {
                self.restore(machine.slots, &words);
                Err(self.error(machine.failure.take()))
            }
            end => Ok(give(&machine, end)),
        }
    }

    /// Calls a function that folds an event; returns whether the event is used up.
    ///
    /// # Errors
    /// If an operation failed; the fields are unchanged.
    #[inline(never)]
    pub(in crate::calculator) fn fold<'v, S: Slots + ?Sized>(
        &'v self,
        slots: &mut S,
        input: FoldInput,
        values: impl Fn(usize) -> Option<&'v Value<'v>>,
    ) -> Result<bool, Box<CallError>> {
        if let Some(words) = &self.words {
            return words.fold(slots, input).map_err(|failure| Box::new(self.error(Some(Box::new(failure)))));
        }
        // The bodies of many calculators are one operation, which needs no registers.
        match self.ops.first() {
            Some(Op::IncrementReturn(slot)) => {
                slots.set_word(*slot, slots.word(*slot).saturating_add(1));
                Ok(true)
            }
            Some(Op::CountEventReturn(slot)) => {
                slots.count(*slot, input.time, input.now);
                Ok(true)
            }
            Some(Op::FoldPresentReturn(slot, property)) => match values(usize::from(*property)) {
                None => Ok(true),
                Some(value) => match fold(slots, *slot, Some(value), (input.time, input.now)) {
                    Ok(()) => Ok(true),
                    Err(fault) => Err(Box::new(self.error(Some(Box::new((0, fault)))))),
                },
            },
            _ => {
                let arguments = [input.time, input.now, input.step as i64];
                self.finish(slots, arguments, values, |machine, end| machine.is_true(end)).map_err(Box::new)
            }
        }
    }

    /// What a call for an event of a step tests first, if that is known.
    pub(in crate::calculator) fn precondition(&self, step: usize) -> Option<Precondition> {
        self.words.as_ref()?.precondition(step)
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
    fn error(&self, failure: Option<Failure>) -> CallError {
        let (at, fault) = failure.map_or_else(|| (0, Fault::Message(String::new())), |failure| *failure);
        fault.error(self.places.get(at).copied().unwrap_or_default())
    }

    /// Runs the operations. If one fails, the machine gets the failure.
    fn run<'v, S: Slots + ?Sized, I: Fn(usize) -> Option<&'v Value<'v>>>(
        &self,
        m: &mut Machine<'_, 'v, S, I>,
    ) -> End {
        let mut next = 0;
        while let Some(op) = self.ops.get(next) {
            next += 1;
            let (holds, to) = match *op {
                Op::Unless(test, a, b, to) => (test.holds(m.get(a), m.get(b)), to),
                Op::UnlessConst(test, a, to, word) => (test.holds(m.get(a), word), to),
                Op::UnlessSlot(test, a, slot, to) => (test.holds(m.get(a), m.slots.word(slot)), to),
                Op::UnlessSlotConst(test, slot, to, word) => (test.holds(m.slots.word(slot), word), to),
                Op::UnlessFloats(test, a, b, to) => (compare::floats(test, m.float(a), m.float(b)), to),
                Op::UnlessPresent(input, to) => ((m.inputs)(input.into()).is_some(), to),
                Op::UnlessAny(test, a, b, to) => (compare::holds(test, m.view(a), m.view(b)), to),
                Op::UnlessWithin(value, at, to) => (m.within(value, at), to),
                Op::UnlessTrue(value, to) => match m.truth(value) {
                    Ok(truth) => (truth, to),
                    Err(fault) => return m.fail(next - 1, fault),
                },
                Op::Jump(to) => (false, to),
                Op::Return(truth) => return End::Truth(truth),
                Op::GiveMap(map, first, number) => return End::Map(map, first, number),
                Op::Give(value) => return End::Value(value),
                _ => {
                    if let Err(fault) = m.execute(op) {
                        return m.fail(next - 1, fault);
                    }
                    if op.returns_true() {
                        return End::Truth(true);
                    }
                    continue;
                }
            };
            if !holds {
                next = usize::from(to);
            }
        }
        End::Absent
    }
}

impl<S: ?Sized, I> Machine<'_, '_, S, I> {
    /// Keeps the failure of the operation at a position.
    #[cold]
    fn fail(&mut self, at: usize, fault: Fault) -> End {
        self.failure = Some(Box::new((at, fault)));
        End::Failed
    }
}

/// Most variables of any kind for which a call needs no allocation.
const FEW: usize = 8;

impl Code {
    /// Calls a function with variables that hold values of any kind, or with copies of aggregates.
    #[inline(never)]
    fn finish_with_room<'v, S: Slots + ?Sized, I: Fn(usize) -> Option<&'v Value<'v>>, T>(
        &'v self,
        values: &'v Values,
        slots: &mut S,
        arguments: Arguments,
        (inputs, give): (I, impl FnOnce(&Machine<'_, 'v, S, I>, End) -> T),
    ) -> Result<T, CallError> {
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
        let aggregates = values.copies(slots);
        let mut machine = Machine { held, values: Some(values), ..Machine::new(slots, inputs) };
        machine.set_arguments(arguments);
        let given = match self.run(&mut machine) {
            End::Failed => Err(self.error(machine.failure.take())),
            end => Ok(give(&machine, end)),
        };
        given.and_then(|given| values.settle(machine.slots, machine.held).map(|()| given)).inspect_err(|_| {
            self.restore(machine.slots, &words);
            aggregates.into_iter().for_each(|(slot, before)| machine.slots.set_cell(slot, before));
        })
    }
}
