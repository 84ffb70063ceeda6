//! Memory that is reused from one record to the next.

use crate::{
    model::{field::Field, value::Value},
    rule::book::Target,
    state::UnsavedPart,
};

/// Buffers of a record's evaluation; empty between two records.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Values of the record.
    pub(super) values: Vec<(Field, Value<'static>)>,
    /// Targets of one rule.
    pub(super) targets: Vec<Target>,
    /// Positions of rules.
    pub(super) rules: Vec<u32>,
    /// Parts of a key that a checkpoint has yet to write.
    pub(super) unsaved: Vec<UnsavedPart>,
}

/// Empties a vector of values for those of another record. Mapping a vector in place keeps its memory.
pub(super) fn emptied<'to>(mut values: Vec<(Field, Value<'_>)>) -> Vec<(Field, Value<'to>)> {
    values.clear();
    values.into_iter().map(|(field, value)| (field, value.into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_vector_keeps_its_memory() {
        let text = String::from("borrowed");
        let mut values = Vec::with_capacity(10);
        values.push((Field(1), Value::Text(text.as_str().into())));
        let memory = values.as_ptr().addr();
        let emptied: Vec<(Field, Value<'static>)> = emptied(values);
        drop(text);
        assert_eq!((emptied.len(), emptied.capacity()), (0, 10));
        assert_eq!(emptied.as_ptr().addr(), memory);
    }
}
