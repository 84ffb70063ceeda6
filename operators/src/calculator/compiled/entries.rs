//! Entries of constant arrays and maps, characters of texts, and bits of integers.

use super::{
    any::Table,
    fault::Fault,
    held::{Held, View},
    kind::Kind,
};

/// The character of a text, or the bit of an integer, at a position; from the end if it is below 0.
///
/// # Errors
/// If there is none, or the value has no parts.
pub(super) fn part(of: View<'_>, by: View<'_>) -> Result<Held<'static>, Fault> {
    match (of, by) {
        (View::Text(text), View::Int(at)) => character(text, at).map(Held::Char).ok_or_else(|| {
            let held = match text.chars().count() {
                0 => "string is empty".to_owned(),
                1 => "only 1 character in string".to_owned(),
                n => format!("only {n} characters in string"),
            };
            Fault::Message(format!("String index {at} out of bounds: {held}"))
        }),
        (View::Int(int), View::Int(at)) => match position(at, 64) {
            Some(bit) => Ok(Held::Bool(int >> bit & 1 == 1)),
            None => {
                Err(Fault::Message(format!("Bit-field index {at} out of bounds: only 64 bits in bit-field")))
            }
        },
        (View::Text(_) | View::Int(_), by) => Err(mismatch(by.kind(), "i64")),
        (of, by) => {
            let name = |kind: Kind| kind.name();
            let message = format!("Indexer unavailable: {} [{}]", name(of.kind()), name(by.kind()));
            Err(Fault::Message(message))
        }
    }
}

fn character(text: &str, at: i64) -> Option<char> {
    match usize::try_from(at.unsigned_abs()) {
        Ok(ahead) if at >= 0 => text.chars().nth(ahead),
        Ok(behind) => text.chars().rev().nth(behind - 1),
        Err(_) => None,
    }
}

/// Position among some entries; from the end if it is below 0.
fn position(at: i64, number: usize) -> Option<usize> {
    let distance = usize::try_from(at.unsigned_abs()).ok()?;
    if at < 0 { number.checked_sub(distance) } else { Some(distance).filter(|at| *at < number) }
}

impl Table {
    /// The entry at a position of an array, or of a name in a map.
    ///
    /// # Errors
    /// If there is none, or the value is neither.
    pub(super) fn entry(&self, by: View<'_>) -> Result<View<'_>, Fault> {
        match (self, by) {
            (Table::Array(values), View::Int(at)) => {
                let value = position(at, values.len()).and_then(|at| values.get(at));
                value.map(Held::view).ok_or_else(|| outside(at, values.len()))
            }
            (Table::Array(_), by) => Err(mismatch(by.kind(), "i64")),
            (Table::Map(entries), View::Text(name)) => {
                let found = entries.binary_search_by(|(entry, _)| (**entry).cmp(name)).ok();
                let value = found.map(|at| entries[at].1.view());
                value.ok_or_else(|| Fault::Message(format!("Property not found: {name}")))
            }
            (Table::Map(_), by) => Err(mismatch(by.kind(), "string")),
        }
    }
}

#[cold]
fn outside(at: i64, number: usize) -> Fault {
    let held = match number {
        0 => "array is empty".to_owned(),
        1 => "only 1 element in array".to_owned(),
        n => format!("only {n} elements in array"),
    };
    Fault::Message(format!("Array index {at} out of bounds: {held}"))
}

#[cold]
fn mismatch(kind: Kind, expected: &str) -> Fault {
    Fault::Message(format!("Data type incorrect: {} (expecting {expected})", kind.name()))
}
