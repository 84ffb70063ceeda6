//! Registers, variables, fields and properties of one call, and the operations on them.

use super::{
    code::{Destination, NOW, Op, REGISTERS, Register, Source, TIME, Values},
    dynamic::{self, MAX_TEXT},
    entries,
    fault::Fault,
    held::{Held, View},
    math::Math,
    results,
    slots::Slots,
    switch::hash,
};
use crate::model::value::Value;

/// State of one call.
pub(super) struct Machine<'m, 'v, S: ?Sized, I> {
    pub(super) registers: [i64; REGISTERS],
    pub(super) slots: &'m mut S,
    pub(super) inputs: I,
    /// Variables that hold values of any kind.
    pub(super) held: &'m mut [Held<'v>],
    pub(super) values: Option<&'v Values>,
    /// Failure that has ended the call.
    pub(super) failure: Option<Failure>,
}

/// Failure of an operation, with its position.
pub(super) type Failure = Box<(usize, Fault)>;

impl<'m, S: ?Sized, I> Machine<'m, '_, S, I> {
    /// Makes a machine without variables.
    #[inline(always)]
    pub(super) fn new(slots: &'m mut S, inputs: I) -> Self {
        Machine { registers: [0; REGISTERS], slots, inputs, held: &mut [], values: None, failure: None }
    }

    /// Sets time, now and step.
    #[inline(always)]
    pub(super) fn set_arguments(&mut self, arguments: [i64; 3]) {
        self.registers[..3].copy_from_slice(&arguments);
    }
}

impl<'v, S: Slots + ?Sized, I: Fn(usize) -> Option<&'v Value<'v>>> Machine<'_, 'v, S, I> {
    pub(super) fn get(&self, register: Register) -> i64 {
        self.registers[usize::from(register) % REGISTERS]
    }

    fn set(&mut self, register: Register, word: i64) {
        self.registers[usize::from(register) % REGISTERS] = word;
    }

    pub(super) fn float(&self, register: Register) -> f64 {
        f64::from_bits(self.get(register).cast_unsigned())
    }

    /// The value at a source.
    pub(super) fn view(&self, source: Source) -> View<'_> {
        match source {
            Source::Held(variable) => self.held.get(usize::from(variable)).map_or(View::Unit, Held::view),
            Source::Constant(at) => self.constant(at).map_or(View::Unit, Held::view),
            Source::Input(input) => View::from((self.inputs)(input.into())),
            Source::Text(slot) => View::Text(self.slots.text(slot)),
            Source::Int(register) => View::Int(self.get(register)),
            Source::Float(register) => View::Float(self.float(register)),
            Source::Truth(register) => View::Bool(self.get(register) != 0),
        }
    }

    fn constant(&self, at: u8) -> Option<&'v Held<'static>> {
        self.values.and_then(|values| values.constants.get(usize::from(at)))
    }

    /// The value at a source, to be held. Texts of properties and constants are not copied.
    fn take(&self, source: Source) -> Held<'v> {
        match source {
            Source::Held(variable) => self.held.get(usize::from(variable)).cloned().unwrap_or_default(),
            Source::Constant(at) => borrowed(self.constant(at).map_or(View::Unit, Held::view)),
            Source::Input(input) => borrowed(View::from((self.inputs)(input.into()))),
            other => self.view(other).to_held(),
        }
    }

    /// Copies the value at a source to a variable.
    fn copy(&mut self, variable: u8, source: Source) {
        match self.view(source).to_scalar() {
            Some(scalar) => self.put(variable, scalar),
            None => self.put(variable, self.take(source)),
        }
    }

    fn put(&mut self, variable: u8, held: Held<'v>) {
        if let Some(to) = self.held.get_mut(usize::from(variable)) {
            *to = held;
        }
    }

    fn give(&mut self, to: Destination, held: Held<'v>) {
        match to {
            Destination::Held(variable) => self.put(variable, held),
            Destination::Word(register) => self.set(register, held.view().word()),
        }
    }

    /// Whether a number is in the range at a position.
    pub(super) fn within(&self, source: Source, at: u8) -> bool {
        let range = self.values.and_then(|values| values.ranges.get(usize::from(at)));
        range.is_some_and(|range| range.has(self.view(source)))
    }

    /// A value that must be true or false.
    pub(super) fn truth(&self, source: Source) -> Result<bool, Fault> {
        match self.view(source) {
            View::Bool(truth) => Ok(truth),
            other => Err(Fault::NotTruth(other.kind())),
        }
    }

    /// Executes an operation that neither jumps nor returns.
    #[inline(always)]
    pub(super) fn execute(&mut self, op: &Op) -> Result<(), Fault> {
        match *op {
            Op::Const(to, word) => self.set(to, word),
            Op::Move(to, from) => self.set(to, self.get(from)),
            Op::Load(to, slot) => self.set(to, self.slots.word(slot)),
            Op::Store(slot, from) => self.slots.set_word(slot, self.get(from)),
            Op::StoreConst(slot, word) => self.slots.set_word(slot, word),
            Op::Add(to, a, b) => self.set(to, sum(self.get(a), self.get(b))?),
            Op::AddConst(to, a, word) => self.set(to, sum(self.get(a), word)?),
            Op::SubtractSlot(to, a, slot) => {
                self.set(to, difference(self.get(a), self.slots.word(slot))?);
            }
            Op::Math(math, to, a, b) => self.set(to, value(math, self.get(a), self.get(b))?),
            Op::AddToSlot(slot, word) => {
                self.slots.set_word(slot, sum(self.slots.word(slot), word)?);
            }
            Op::ToFloat(to, from) => self.set(to, bits(self.get(from) as f64)),
            Op::Floats(math, to, a, b) => {
                self.set(to, bits(math.on_floats(self.float(a), self.float(b)).unwrap_or_default()));
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
            Op::SetTimer(slot, from) => return self.set_timer(slot, self.get(from)),
            _ => return self.execute_any(*op),
        }
        Ok(())
    }

    /// Executes an operation on values of any kind.
    #[inline(never)]
    fn execute_any(&mut self, op: Op) -> Result<(), Fault> {
        match op {
            Op::Fold(slot, source, time, now) => {
                let (held, time, now) = (self.take(source), self.get(time), self.get(now));
                let folded = self.slots.fold(slot, held.view().value().as_ref(), time, now);
                return folded.map_err(|_| Fault::not_folded(held.view()));
            }
            Op::SetTimerAny(slot, from) => match self.view(from) {
                View::Int(at) => self.set_timer(slot, at)?,
                other => return Err(Fault::NoTimer(other.kind())),
            },
            Op::Word(to, from) => self.set(to, self.view(from).word()),
            Op::Hash(to, from) => self.set(to, hash(self.view(from))),
            Op::Put(to, from) => self.copy(to, from),
            Op::Calculate(math, to, a, b) => {
                self.give(to, dynamic::apply(math, self.view(a), self.view(b), false)?);
            }
            Op::Assign(math, to, a, b) => {
                self.give(to, dynamic::apply(math, self.view(a), self.view(b), true)?);
            }
            Op::Call(function, to, [a, b], lent) => {
                self.give(to, function.call(self.view(a), self.view(b), lent)?);
            }
            Op::Append(to, from) => {
                let text = [&*self.view(Source::Held(to)).written(), &self.view(from).written()].concat();
                if text.len() > MAX_TEXT {
                    return Err(Fault::TooLong);
                }
                self.put(to, text.into());
            }
            Op::CheckLengths => {
                let texts = self.values.map_or(&[][..], |values| &values.texts);
                return self.check_lengths(texts.iter().copied());
            }
            Op::CheckTexts(first, number) => {
                return self.check_lengths((first..first.saturating_add(number)).map(Source::Held));
            }
            op => return self.read_part(op),
        }
        Ok(())
    }

    /// Executes an operation that reads a part of a value.
    fn read_part(&mut self, op: Op) -> Result<(), Fault> {
        match op {
            Op::Index(to, of, by) => self.give(to, entries::part(self.view(of), self.view(by))?),
            Op::Entry(to, at, by) => {
                let table = self.values.and_then(|values| values.tables.get(usize::from(at)));
                let entry = table.map(|table| table.entry(self.view(by))).transpose()?;
                self.give(to, entry.map_or(Held::Unit, borrowed));
            }
            Op::Figure(to, slot, figure, now) => {
                let summary = self.slots.summary(slot, self.get(now)).map(results::admitted).transpose()?;
                let value = summary.and_then(|summary| summary.figure(figure));
                let held = View::from(value.as_ref()).to_held();
                self.give(to, held);
            }
            _ => {}
        }
        Ok(())
    }

    /// Fails if texts are too long together.
    fn check_lengths(&self, sources: impl Iterator<Item = Source>) -> Result<(), Fault> {
        let length = |source| match self.view(source) {
            View::Text(text) => text.len(),
            _ => 0,
        };
        if sources.map(length).sum::<usize>() > MAX_TEXT { Err(Fault::TooLong) } else { Ok(()) }
    }

    fn set_timer(&mut self, slot: u8, at: i64) -> Result<(), Fault> {
        if at < 0 {
            return Err(Fault::Timer);
        }
        self.slots.set_word(slot, at);
        Ok(())
    }

    fn fold(&mut self, slot: u8, value: Option<&Value<'_>>, time: i64, now: i64) -> Result<(), Fault> {
        fold(self.slots, slot, value, (time, now))
    }
}

/// Folds a value into the aggregate of a field at a time; `now` is the ingest time.
#[inline(always)]
pub(super) fn fold<S: Slots + ?Sized>(
    slots: &mut S,
    slot: u8,
    value: Option<&Value<'_>>,
    (time, now): (i64, i64),
) -> Result<(), Fault> {
    slots.fold(slot, value, time, now).map_err(|_| Fault::not_folded(View::from(value)))
}

fn bits(float: f64) -> i64 {
    float.to_bits().cast_signed()
}

fn borrowed(view: View<'_>) -> Held<'_> {
    match view {
        View::Text(text) => Held::Text(text.into()),
        other => other.to_held(),
    }
}

#[inline(always)]
fn value(math: Math, a: i64, b: i64) -> Result<i64, Fault> {
    math.apply(a, b).ok_or(Fault::Math(math, a, b))
}

#[inline(always)]
fn sum(a: i64, b: i64) -> Result<i64, Fault> {
    a.checked_add(b).ok_or(Fault::Math(Math::Add, a, b))
}

#[inline(always)]
fn difference(a: i64, b: i64) -> Result<i64, Fault> {
    a.checked_sub(b).ok_or(Fault::Math(Math::Subtract, a, b))
}
