//! Index of equality predicates on one field, by hash.
//!
//! A numeric literal equals every value of the same numeric value. A text literal equals the same text, a
//! number of the text's numeric value, and the boolean that it spells (see [`Literal::equals`]).

use hashbrown::HashMap;

use super::{
    compare::{Literal, Unparsed},
    number::Number,
};
use crate::model::value::Value;

/// Places by the literal with which they compare the field.
#[derive(Clone, Debug, Default)]
pub(super) struct Equals {
    numbers: HashMap<Number, Vec<u32>>,
    /// By the numeric value of a text literal; looked up for values that are numbers.
    text_numbers: HashMap<Number, Vec<u32>>,
    texts: HashMap<Box<str>, Vec<u32>>,
    bools: [Vec<u32>; 2],
}

impl Equals {
    pub(super) fn add(&mut self, literal: Literal, unit: u32) {
        match literal {
            Literal::Number(number) => self.numbers.entry(number).or_default().push(unit),
            Literal::Text(text, number) => {
                self.texts.entry(text).or_default().push(unit);
                if let Some(number) = number {
                    self.text_numbers.entry(number).or_default().push(unit);
                }
            }
            Literal::Bool(bool) => self.bools[usize::from(bool)].push(unit),
        }
    }

    /// Whether `find` needs the value parsed as a number.
    pub(super) fn wants_number(&self, value: &Value<'_>) -> bool {
        !self.numbers.is_empty() || (!self.text_numbers.is_empty() && !matches!(value, Value::Text(_)))
    }

    /// Calls `hit` with every place whose literal equals `value`; `number` is its numeric value, if it was
    /// asked for by [`Equals::wants_number`].
    pub(super) fn find(
        &self,
        value: &Value<'_>,
        number: Option<Number>,
        hit: &mut impl FnMut(u32),
    ) -> Result<(), Unparsed> {
        let mut all = |places: Option<&Vec<u32>>| places.into_iter().flatten().for_each(|place| hit(*place));
        match value {
            Value::Text(text) if !self.texts.is_empty() => all(self.texts.get(text.as_ref())),
            Value::Text(_) => {}
            Value::Bool(bool) => {
                all(self.bools.get(usize::from(*bool)));
                all(self.texts.get(if *bool { "true" } else { "false" }));
            }
            Value::Int(_) | Value::Float(_) => all(number.and_then(|n| self.text_numbers.get(&n))),
        }
        if self.numbers.is_empty() {
            return Ok(());
        }
        all(self.numbers.get(&number.ok_or(Unparsed)?));
        Ok(())
    }
}
