//! Finding all filters that want a field equal to a value, by hash.
//!
//! A number a rule writes is met by every value of that worth; a text a rule writes, by that text, by a number of the
//! text's worth, and by the boolean it spells (see [`Literal::equals`]).

use hashbrown::HashMap;

use super::{
    compare::{Literal, Unparsed},
    number::Number,
};
use crate::model::value::Value;

/// Units by the value they want.
#[derive(Clone, Debug, Default)]
pub(super) struct Equals {
    numbers: HashMap<Number, Vec<u32>>,
    /// By what a text is worth: for values that are numbers.
    worths: HashMap<Number, Vec<u32>>,
    texts: HashMap<Box<str>, Vec<u32>>,
    bools: [Vec<u32>; 2],
}

impl Equals {
    pub(super) fn add(&mut self, literal: Literal, unit: u32) {
        match literal {
            Literal::Number(number) => self.numbers.entry(number).or_default().push(unit),
            Literal::Text(text, worth) => {
                self.texts.entry(text).or_default().push(unit);
                if let Some(worth) = worth {
                    self.worths.entry(worth).or_default().push(unit);
                }
            }
            Literal::Bool(bool) => self.bools[usize::from(bool)].push(unit),
        }
    }

    /// Whether finding needs the value as a number.
    pub(super) fn wants_number(&self, value: &Value<'_>) -> bool {
        !self.numbers.is_empty() || (!self.worths.is_empty() && !matches!(value, Value::Text(_)))
    }

    /// Calls `hit` with every unit that wants this value, which is worth `number`.
    pub(super) fn find(
        &self,
        value: &Value<'_>,
        number: Option<Number>,
        hit: &mut impl FnMut(u32),
    ) -> Result<(), Unparsed> {
        let mut all = |units: Option<&Vec<u32>>| units.into_iter().flatten().for_each(|unit| hit(*unit));
        match value {
            Value::Text(text) if !self.texts.is_empty() => all(self.texts.get(text.as_ref())),
            Value::Text(_) => {}
            Value::Bool(bool) => {
                all(self.bools.get(usize::from(*bool)));
                all(self.texts.get(if *bool { "true" } else { "false" }));
            }
            Value::Int(_) | Value::Float(_) => all(number.and_then(|n| self.worths.get(&n))),
        }
        if self.numbers.is_empty() {
            return Ok(());
        }
        all(self.numbers.get(&number.ok_or(Unparsed)?));
        Ok(())
    }
}
