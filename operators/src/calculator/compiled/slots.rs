//! The state fields of a key, as compiled code reaches them.

use crate::calculator::{Aggregate, Cell};

/// State fields by position. The kinds are those that the program's `init` gave them; the code asks for no
/// other.
pub(in crate::calculator) trait Slots {
    /// The field as a word: an integer, or true or false as 1 or 0.
    fn word(&self, slot: u8) -> i64;
    /// Sets a field that is a word.
    fn set_word(&mut self, slot: u8, word: i64);
    /// The field as an aggregate; `None` if it is none.
    fn aggregate(&self, slot: u8) -> Option<&Aggregate>;
    /// The field as an aggregate, to fold into.
    fn aggregate_mut(&mut self, slot: u8) -> Option<&mut Aggregate>;
}

impl Slots for [Cell] {
    fn word(&self, slot: u8) -> i64 {
        match self.get(usize::from(slot)) {
            Some(Cell::Int(i)) => *i,
            Some(Cell::Bool(b)) => i64::from(*b),
            _ => 0,
        }
    }

    fn set_word(&mut self, slot: u8, word: i64) {
        match self.get_mut(usize::from(slot)) {
            Some(Cell::Int(i)) => *i = word,
            Some(Cell::Bool(b)) => *b = word != 0,
            _ => {}
        }
    }

    fn aggregate(&self, slot: u8) -> Option<&Aggregate> {
        match self.get(usize::from(slot)) {
            Some(Cell::Aggregate(aggregate)) => Some(aggregate),
            _ => None,
        }
    }

    fn aggregate_mut(&mut self, slot: u8) -> Option<&mut Aggregate> {
        match self.get_mut(usize::from(slot)) {
            Some(Cell::Aggregate(aggregate)) => Some(aggregate),
            _ => None,
        }
    }
}
