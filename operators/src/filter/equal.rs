//! Index of equality predicates on one field, by hash.
//!
//! A numeric literal equals every value of the same numeric value. A text literal equals the same text, and what has
//! it as its one spelling (see [`Literal::equals`]).

use hashbrown::HashMap;

use super::compare::{Literal, Unparsed, spelled};
use crate::model::{number::Number, value::Value};

/// Places by the literal with which they compare the field.
#[derive(Clone, Debug, Default)]
pub(super) struct Equals {
    numbers: HashMap<Number, Vec<u32>>,
    texts: HashMap<Box<str>, Vec<u32>>,
    bools: [Vec<u32>; 2],
}

impl Equals {
    pub(super) fn add(&mut self, literal: Literal, unit: u32) {
        match literal {
            Literal::Number(number) => self.numbers.entry(number).or_default().push(unit),
            Literal::Text(text, _) => self.texts.entry(text).or_default().push(unit),
            Literal::Bool(bool) => self.bools[usize::from(bool)].push(unit),
        }
    }

    /// Calls `hit` with every place whose literal equals `value`.
    pub(super) fn find(
        &self,
        value: &Value<'_>,
        buffer: &mut String,
        hit: &mut impl FnMut(u32),
    ) -> Result<(), Unparsed> {
        let mut all = |places: Option<&Vec<u32>>| places.into_iter().flatten().for_each(|place| hit(*place));
        if !self.texts.is_empty() {
            all(self.texts.get(spelled(value, buffer)));
        }
        match value {
            Value::Bool(bool) => all(self.bools.get(usize::from(*bool))),
            Value::Text(text) if text == "true" => all(self.bools.get(1)),
            Value::Text(text) if text == "false" => all(self.bools.first()),
            Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Nested(_) => {}
        }
        if !self.numbers.is_empty() {
            all(self.numbers.get(&Number::of(value).ok_or(Unparsed)?));
        }
        Ok(())
    }
}
