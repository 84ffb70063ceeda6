//! The walk over a usual record, from one expected name to the next.
//!
//! Invariant: `None` means that something is not understood here, in a valid record or not; a value means
//! that [`Decoder`](super::Decoder) reads the same.
//!
//! All steps are inlined into the two loops over members: calls would cost an eighth of the time of a record.

use std::borrow::Cow;

use super::{
    names::{Names, Place},
    number::Number,
    text,
};
use crate::model::value::Value;

/// Deepest nesting of arrays and objects that are passed here.
const MAX_DEPTH: u8 = 8;

/// A position in a record.
#[derive(Clone)]
pub(super) struct Walk<'a> {
    record: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// The beginning of `record`.
    pub(super) fn new(record: &'a str) -> Self {
        Walk { record, at: 0 }
    }

    /// Whether nothing is left.
    pub(super) fn at_end(&self) -> bool {
        self.at == self.record.len()
    }

    /// What lies between this and a later position.
    pub(super) fn until(&self, later: &Walk<'a>) -> &'a str {
        self.record.get(self.at..later.at).unwrap_or_default()
    }

    /// The text in quotes, without escapes, that is next.
    pub(super) fn next_text(mut self) -> Option<&'a str> {
        self.text()
    }

    fn rest(&self) -> &'a [u8] {
        self.record.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next byte; 0, which occurs in no record, at the end.
    fn peek(&self) -> u8 {
        self.record.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    /// Passes `text`, which has to be next.
    #[inline(always)]
    fn pass(&mut self, text: &[u8]) -> Option<()> {
        self.rest().starts_with(text).then(|| self.at += text.len())
    }

    /// Passes a space, if one is next.
    #[inline(always)]
    fn pass_space(&mut self) {
        if self.peek() == b' ' {
            seldom();
            self.at += 1;
        }
    }

    /// Passes `null`, if it is next. Returns whether it was.
    pub(super) fn pass_null(&mut self) -> bool {
        self.pass(b"null").is_some()
    }

    /// Passes the beginning of an object. Returns whether it has members.
    pub(super) fn open(&mut self) -> Option<bool> {
        self.pass(b"{")?;
        let empty = self.peek() == b'}';
        self.at += usize::from(empty);
        Some(!empty)
    }

    /// Passes what is behind a member of an object. Returns whether another member follows.
    #[inline(always)]
    pub(super) fn more(&mut self) -> Option<bool> {
        let byte = self.peek();
        self.at += 1;
        match byte {
            b',' => {
                self.pass_space();
                Some(true)
            }
            b'}' => Some(false),
            _ => None,
        }
    }

    /// Passes a name and its colon. Returns its meaning, from `meaning` if it is not one of `names`.
    #[inline(always)]
    pub(super) fn name<T: Copy>(
        &mut self,
        names: &mut Names<T>,
        place: &mut Place,
        meaning: impl FnOnce(&str) -> T,
    ) -> Option<T> {
        let meaning = if let Some((len, meaning)) = names.expected(place, self.rest()) {
            self.at += len;
            meaning
        } else {
            let name = self.text()?;
            self.pass(b":")?;
            names.learn(place, name, meaning)
        };
        self.pass_space();
        Some(meaning)
    }

    /// Passes a value. Returns it if it is a scalar; `Some(None)` is `null`, an array or an object.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Option<Option<Value<'a>>> {
        match self.peek() {
            b'[' | b'{' => self.pass_nested(MAX_DEPTH).map(|()| None),
            _ => self.scalar(),
        }
    }

    /// Passes an array or object in which at most `depth` levels nest.
    #[cold]
    fn pass_nested(&mut self, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let end = if self.peek() == b'{' { b'}' } else { b']' };
        self.at += 1;
        if self.peek() == end {
            self.at += 1;
            return Some(());
        }
        loop {
            if end == b'}' {
                self.text()?;
                self.pass(b":")?;
                self.pass_space();
            }
            match self.peek() {
                b'[' | b'{' => self.pass_nested(depth)?,
                _ => drop(self.scalar()?),
            }
            let byte = self.peek();
            self.at += 1;
            match byte {
                b',' => self.pass_space(),
                byte if byte == end => return Some(()),
                _ => return None,
            }
        }
    }

    /// Passes a scalar. Returns its value: `Some(None)` is `null`. What is none is not understood.
    #[inline(always)]
    pub(super) fn scalar(&mut self) -> Option<Option<Value<'a>>> {
        Some(match self.peek() {
            b'"' => Some(Value::Text(Cow::Borrowed(self.text()?))),
            b'-' | b'0'..=b'9' => {
                let Number { value, end } = Number::read(self.record.as_bytes(), self.at)?;
                self.at = end;
                Some(value)
            }
            b't' => self.pass(b"true").map(|()| Some(Value::Bool(true)))?,
            b'f' => self.pass(b"false").map(|()| Some(Value::Bool(false)))?,
            b'n' => self.pass(b"null").map(|()| None)?,
            _ => return None,
        })
    }

    /// Passes a text in quotes, without escapes.
    #[inline(always)]
    fn text(&mut self) -> Option<&'a str> {
        if self.peek() != b'"' {
            return None;
        }
        let start = self.at + 1;
        let end = text::end(self.record.as_bytes(), start)?;
        self.at = end + 1;
        self.record.get(start..end)
    }
}

/// Marks a branch that is seldom taken. Without it, the compiler computes the position behind from the
/// condition, and each step in a record has to wait for that.
#[cold]
#[inline(always)]
pub(super) fn seldom() {}
