//! Bounded memory of what values of one field mean to the units of a block.
//!
//! **Invariants**
//! - An answer is the one that was given when its value was learned, and is found by that value only: kind
//!   and content are equal.
//! - There are at most as many values as the bound. Once it is reached, everything is forgotten and learning
//!   starts over, which costs little beside the values that had to be learned until then.

use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher as _;

use crate::model::value::Value;

/// Upper bound of the values of one field.
pub(super) const MOST_VALUES: usize = 4_096;
/// Lengths of the backing stores from which on everything is forgotten: 256 KiB each.
const MOST_BYTES: usize = 1 << 18;
const MOST_WORDS: usize = 1 << 15;
const MOST_WAITING: usize = 1 << 16;

/// Answers by value.
#[derive(Clone, Debug)]
pub(super) struct Learned {
    /// Upper bound of the values.
    most: usize,
    hasher: DefaultHashBuilder,
    entries: HashTable<Entry>,
    /// Backing stores of the entries.
    texts: Vec<u8>,
    masks: Vec<u64>,
    waiting: Vec<u32>,
}

/// Meaning of a field's value to the units of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer<'l> {
    /// Bits of the units that the value does not rule out.
    pub(super) mask: &'l [u64],
    /// Units that waited for this value.
    pub(super) waiting: &'l [u32],
    /// Whether the value is no number although one was needed.
    pub(super) unparsed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    key: Key,
    known: Known,
}

/// A value; a text by its range in `texts`.
#[derive(Clone, Copy, Debug)]
enum Key {
    Bool(bool),
    Int(i64),
    /// The bits of a float.
    Float(u64),
    Text(Span),
    Nested(Span),
}

/// An answer, by its ranges in the backing stores.
#[derive(Clone, Copy, Debug)]
struct Known {
    mask: Span,
    waiting: Span,
    unparsed: bool,
}

/// A range of a backing store, which is short enough for 32 bits.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// From `start` to the end of a store.
    fn behind<T>(start: usize, store: &[T]) -> Span {
        Span { start: start as u32, end: store.len() as u32 }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Key {
    fn is(self, value: &Value<'_>, texts: &[u8]) -> bool {
        match (self, value) {
            (Key::Text(span), Value::Text(text)) => texts[span.range()] == *text.as_bytes(),
            (Key::Nested(span), Value::Nested(json)) => texts[span.range()] == *json.as_bytes(),
            (Key::Int(known), Value::Int(int)) => known == *int,
            (Key::Float(known), Value::Float(float)) => known == float.to_bits(),
            (Key::Bool(known), Value::Bool(bool)) => known == *bool,
            _ => false,
        }
    }
}

impl Learned {
    /// Makes an empty memory of at most `most` values.
    pub(super) fn new(most: usize) -> Self {
        Learned {
            most,
            hasher: DefaultHashBuilder::default(),
            entries: HashTable::new(),
            texts: Vec::new(),
            masks: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// The answer for a value. A value that is not known is learned: `ask` appends its mask and the units
    /// that wait for it, and returns whether it is no number where one is needed.
    pub(super) fn answer(
        &mut self,
        value: &Value<'_>,
        ask: impl FnOnce(&mut Vec<u64>, &mut Vec<u32>) -> bool,
    ) -> Answer<'_> {
        let hash = match value {
            Value::Text(text) | Value::Nested(text) => self.hasher.hash_one(text.as_ref()),
            Value::Int(int) => self.hasher.hash_one(int),
            Value::Float(float) => self.hasher.hash_one(float.to_bits()),
            Value::Bool(bool) => self.hasher.hash_one(bool),
        };
        let entry = self.entries.find(hash, |entry| entry.hash == hash && entry.key.is(value, &self.texts));
        let Known { mask, waiting, unparsed } = match entry {
            Some(entry) => entry.known,
            None => self.learn(hash, value, ask),
        };
        Answer { mask: &self.masks[mask.range()], waiting: &self.waiting[waiting.range()], unparsed }
    }

    #[cold]
    fn learn(
        &mut self,
        hash: u64,
        value: &Value<'_>,
        ask: impl FnOnce(&mut Vec<u64>, &mut Vec<u32>) -> bool,
    ) -> Known {
        if self.is_full() {
            self.forget();
        }
        let Learned { entries, texts, masks, waiting, .. } = self;
        let key = match value {
            Value::Bool(bool) => Key::Bool(*bool),
            Value::Int(int) => Key::Int(*int),
            Value::Float(float) => Key::Float(float.to_bits()),
            Value::Text(text) => {
                let start = texts.len();
                texts.extend_from_slice(text.as_bytes());
                Key::Text(Span::behind(start, texts))
            }
            Value::Nested(json) => {
                let start = texts.len();
                texts.extend_from_slice(json.as_bytes());
                Key::Nested(Span::behind(start, texts))
            }
        };
        let (first, waiter) = (masks.len(), waiting.len());
        let unparsed = ask(masks, waiting);
        let (mask, waiting) = (Span::behind(first, masks), Span::behind(waiter, waiting));
        let known = Known { mask, waiting, unparsed };
        entries.insert_unique(hash, Entry { hash, key, known }, |entry| entry.hash);
        known
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= self.most
            || self.texts.len() >= MOST_BYTES
            || self.masks.len() >= MOST_WORDS
            || self.waiting.len() >= MOST_WAITING
    }

    fn forget(&mut self) {
        self.entries.clear();
        self.texts.clear();
        self.masks.clear();
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for a value of an answer with one word and one waiting unit; returns both, and whether it was
    /// learned anew.
    fn ask(learned: &mut Learned, value: &Value<'_>, answer: u64) -> (u64, u32, bool) {
        let mut anew = false;
        let known = learned.answer(value, |masks, waiting| {
            anew = true;
            masks.push(answer);
            waiting.push(answer as u32);
            false
        });
        (known.mask[0], known.waiting[0], anew)
    }

    #[test]
    fn values_are_told_apart_by_kind_and_content() {
        let mut learned = Learned::new(MOST_VALUES);
        let text = |text: &'static str| Value::Text(text.into());
        let values = [
            Value::Int(1),
            Value::Float(1.0),
            Value::Bool(true),
            text("1"),
            text("true"),
            text(""),
            Value::Int(0),
            Value::Float(0.0),
            Value::Bool(false),
        ];
        for (value, answer) in values.iter().zip(0..) {
            assert_eq!(ask(&mut learned, value, answer), (answer, answer as u32, true), "{value:?}");
        }
        for (value, answer) in values.iter().zip(0..) {
            assert_eq!(ask(&mut learned, value, u64::MAX), (answer, answer as u32, false), "{value:?}");
        }
    }

    #[test]
    fn memory_is_bounded_in_values_and_in_bytes() {
        let mut learned = Learned::new(3);
        let anew = |learned: &mut Learned, int| ask(learned, &Value::Int(int), 7).2;
        assert_eq!(
            [1, 2, 3, 1, 4, 1].map(|int| anew(&mut learned, int)),
            [true, true, true, false, true, true]
        );
        let mut learned = Learned::new(MOST_VALUES);
        for length in 0..2_000 {
            ask(&mut learned, &Value::Text("x".repeat(length).into()), 7);
            assert!(learned.texts.len() < MOST_BYTES + 2_000);
        }
    }
}
