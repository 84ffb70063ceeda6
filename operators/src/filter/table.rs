//! Table of all filters of one event id, by the fields under which they are registered.

use hashbrown::HashMap;

use super::{
    access::Probe,
    compare::{Unparsed, spelled},
    equal::Equals,
    interval::{Interval, Intervals},
    number::Number,
    predicate::TextPosition,
    texts::{Needles, Patterns},
};
use crate::model::{event::Event, field::Field, value::Value};

/// Filters of one event id. A unit is a filter's number in the index.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    fields: Vec<(Field, FieldIndex)>,
    /// Units that are candidates for every event.
    always: Vec<u32>,
}

/// Lookups for the units registered under one field.
#[derive(Clone, Debug, Default)]
struct FieldIndex {
    equals: Equals,
    intervals: Intervals,
    needles: Option<Needles>,
    patterns: Patterns,
}

/// A table under construction.
#[derive(Default)]
pub(super) struct Builder {
    fields: HashMap<Field, Probes>,
    always: Vec<u32>,
}

#[derive(Default)]
struct Probes {
    equals: Equals,
    intervals: Vec<(Interval, u32)>,
    needles: Vec<(TextPosition, Box<str>, u32)>,
    patterns: Vec<(Box<str>, u32)>,
}

impl Builder {
    /// Makes a unit a candidate for every event.
    pub(super) fn always(&mut self, unit: u32) {
        self.always.push(unit);
    }

    /// Registers a unit under a probe.
    pub(super) fn register(&mut self, probe: Probe, unit: u32) {
        match probe {
            Probe::Equal(field, literal) => self.fields.entry(field).or_default().equals.add(literal, unit),
            Probe::Interval(field, interval) => {
                self.fields.entry(field).or_default().intervals.push((interval, unit));
            }
            Probe::Text(field, place, needle) => {
                self.fields.entry(field).or_default().needles.push((place, needle, unit));
            }
            Probe::Regex(field, pattern) => {
                self.fields.entry(field).or_default().patterns.push((pattern, unit))
            }
        }
    }

    /// Builds the table. The units returned are those whose probes could not be built: they are candidates
    /// for every event and must be checked in full.
    pub(super) fn build(self) -> (Table, Vec<u32>) {
        let (mut table, mut left) = (Table { fields: Vec::new(), always: self.always }, Vec::new());
        for (field, probes) in self.fields {
            let (patterns, too_large) = Patterns::new(probes.patterns);
            left.extend(too_large);
            let needles = match Needles::new(probes.needles) {
                Ok(needles) => needles,
                Err(units) => {
                    left.extend(units);
                    None
                }
            };
            let intervals = Intervals::new(probes.intervals);
            table.fields.push((field, FieldIndex { equals: probes.equals, intervals, needles, patterns }));
        }
        table.fields.sort_unstable_by_key(|(field, _)| *field);
        left.sort_unstable();
        left.dedup();
        table.always.extend(&left);
        (table, left)
    }
}

impl Table {
    /// Calls `hit` with every candidate, possibly more than once. Returns the number of values that are no
    /// numbers where one is needed.
    pub(super) fn find(&self, event: &Event<'_>, buffer: &mut String, hit: &mut impl FnMut(u32)) -> u64 {
        self.always.iter().for_each(|unit| hit(*unit));
        let mut unparsed = 0;
        for (field, index) in &self.fields {
            if let Some(value) = event.get(*field) {
                unparsed += u64::from(index.find(value, buffer, hit).is_err());
            }
        }
        unparsed
    }
}

impl FieldIndex {
    fn find(
        &self,
        value: &Value<'_>,
        buffer: &mut String,
        hit: &mut impl FnMut(u32),
    ) -> Result<(), Unparsed> {
        if self.needles.is_some() || !self.patterns.is_empty() {
            let text = spelled(value, buffer);
            if let Some(needles) = &self.needles {
                needles.find(text, hit);
            }
            self.patterns.find(text, hit);
        }
        let numeric = !self.intervals.is_empty();
        let number = if numeric || self.equals.wants_number(value) { Number::of(value) } else { None };
        let equals = self.equals.find(value, number, hit);
        if numeric {
            self.intervals.find(number.ok_or(Unparsed)?, hit);
        }
        equals
    }
}
