//! Values of a routed record, read in place.
//!
//! A value is a number for its field and kind, and a word of 64 bits. The word of a text says which part of
//! the record's texts it is. So a value is found by its field without decoding those before it.
//!
//! Invariant: whatever the arrays contain, reading gives values or none, never a panic.

use crate::model::{field::Field, value::Value};

/// Kinds of values, the upper bits of the number of a value; the lower bits are its field.
const BOOL: u32 = 0;
const INT: u32 = 1;
const FLOAT: u32 = 2;
const TEXT: u32 = 3;
const NESTED: u32 = 4;
/// Bits of a field in the number of a value: more names than memory holds.
const FIELD_BITS: u32 = 29;

/// Field of a number.
fn field_of(number: u32) -> Field {
    Field(number & ((1 << FIELD_BITS) - 1))
}

/// View of the values of one record.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodedValues<'b> {
    /// Field and kind of each value.
    pub(super) fields: &'b [u32],
    /// Content of each value.
    pub(super) words: &'b [u64],
    /// The texts among the values.
    pub(super) text: &'b str,
}

/// Arrays of a batch that receive the values of a record.
pub(super) struct Encoder<'r> {
    pub(super) fields: &'r mut Vec<u32>,
    pub(super) words: &'r mut Vec<u64>,
    pub(super) text: &'r mut String,
    /// Where the texts of the record's values begin in `text`.
    pub(super) start: usize,
}

impl Encoder<'_> {
    pub(super) fn push(&mut self, field: Field, value: &Value<'_>) {
        let (kind, word) = match value {
            Value::Bool(bool) => (BOOL, u64::from(*bool)),
            Value::Int(int) => (INT, int.cast_unsigned()),
            Value::Float(float) => (FLOAT, float.to_bits()),
            Value::Text(text) => (TEXT, self.push_text(text)),
            Value::Nested(json) => (NESTED, self.push_text(json)),
        };
        self.fields.push(kind << FIELD_BITS | field.0);
        self.words.push(word);
    }

    /// Appends a text; returns its beginning and, in the upper half, its end, counted from `start`.
    fn push_text(&mut self, text: &str) -> u64 {
        let begin = self.text.len() - self.start;
        self.text.push_str(text);
        begin as u64 | ((begin + text.len()) as u64) << 32
    }
}

impl<'b> EncodedValues<'b> {
    /// Value of a field, if the record carries it.
    pub fn get(&self, field: Field) -> Option<Value<'b>> {
        self.at(self.fields.iter().position(|number| field_of(*number) == field)?)
    }

    /// Whether a list or an object is among the values.
    pub fn has_nested(&self) -> bool {
        self.fields.iter().any(|number| number >> FIELD_BITS == NESTED)
    }

    /// Values in the order they were pushed; ends early where the arrays are inconsistent.
    pub fn iter(self) -> impl Iterator<Item = (Field, Value<'b>)> {
        let fields = self.fields.iter().map(|number| field_of(*number));
        fields.enumerate().map_while(move |(i, field)| Some((field, self.at(i)?)))
    }

    /// Text from the beginning in a word to the end in its upper half.
    fn text_at(self, word: u64) -> Option<&'b str> {
        self.text.get(word as u32 as usize..(word >> 32) as usize)
    }

    /// Value at position `i`.
    fn at(&self, i: usize) -> Option<Value<'b>> {
        let word = *self.words.get(i)?;
        Some(match *self.fields.get(i)? >> FIELD_BITS {
            BOOL => Value::Bool(word != 0),
            INT => Value::Int(word.cast_signed()),
            FLOAT => Value::Float(f64::from_bits(word)),
            TEXT => Value::Text(self.text_at(word)?.into()),
            NESTED => Value::Nested(self.text_at(word)?.into()),
            _ => return None,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value<'static>> {
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_map(Value::Float),
            ".{0,12}".prop_map(|text| Value::Text(text.into())),
            ".{0,12}".prop_map(|text| Value::Nested(text.into())),
        ]
    }

    proptest! {
        #[test]
        fn each_value_is_found_by_its_field(
            before in ".{0,5}",
            values in prop::collection::btree_map(0..1u32 << FIELD_BITS, value(), 0..12),
            other in 0..1u32 << FIELD_BITS,
        ) {
            let (mut fields, mut words, mut text) = (vec![], vec![], before.clone());
            let start = before.len();
            let mut encoder = Encoder { fields: &mut fields, words: &mut words, text: &mut text, start };
            values.iter().for_each(|(field, value)| encoder.push(Field(*field), value));
            let encoded = EncodedValues { fields: &fields, words: &words, text: &text[start..] };
            for field in values.keys().copied().chain([other]) {
                prop_assert_eq!(encoded.get(Field(field)), values.get(&field).cloned());
            }
            let read: Vec<_> = encoded.iter().map(|(field, value)| (field.0, value)).collect();
            prop_assert_eq!(read, values.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn inconsistent_arrays_give_absent_values(
            fields in prop::collection::vec((0..6u32, 0..6u32), 0..8),
            words in prop::collection::vec(prop_oneof![any::<u64>(), (0..9u64, 0..9u64).prop_map(|(a, b)| a | b << 32)], 0..8),
            text in "[a重]{0,5}",
        ) {
            let fields: Vec<u32> = fields.into_iter().map(|(kind, field)| kind << FIELD_BITS | field).collect();
            let encoded = EncodedValues { fields: &fields, words: &words, text: &text };
            prop_assert!(encoded.iter().count() <= fields.len().min(words.len()));
            for field in 0..4 {
                let at = fields.iter().position(|number| field_of(*number) == Field(field));
                let value = encoded.get(Field(field));
                prop_assert!(value.is_none() || at.is_some_and(|at| at < words.len() && fields[at] >> FIELD_BITS <= NESTED));
            }
        }
    }
}
