//! The state fields of a key, as compiled code reaches them.

use crate::calculator::{Aggregate, Cell};

/// State fields by position. The kinds are those that the program's `init` gave them; the code asks for no
/// other.
pub(in crate::calculator) trait Slots {
    /// The field as a word: an integer, true or false as 1 or 0, or the bits of a float.
    fn word(&self, slot: u8) -> i64;
    /// Sets a field that is a word.
    fn set_word(&mut self, slot: u8, word: i64);
    /// The field as a text; empty if it is none.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests have fields that are texts"))]
    fn text(&self, slot: u8) -> &str;
    /// Sets a field that is a text.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests have fields that are texts"))]
    fn set_text(&mut self, slot: u8, text: &str);
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
            Some(Cell::Float(f)) => f.to_bits().cast_signed(),
            _ => 0,
        }
    }

    fn set_word(&mut self, slot: u8, word: i64) {
        match self.get_mut(usize::from(slot)) {
            Some(Cell::Int(i)) => *i = word,
            Some(Cell::Bool(b)) => *b = word != 0,
            Some(Cell::Float(f)) => *f = f64::from_bits(word.cast_unsigned()),
            _ => {}
        }
    }

    fn text(&self, slot: u8) -> &str {
        match self.get(usize::from(slot)) {
            Some(Cell::Text(text)) => text,
            _ => "",
        }
    }

    fn set_text(&mut self, slot: u8, text: &str) {
        if let Some(Cell::Text(held)) = self.get_mut(usize::from(slot))
            && **held != *text
        {
            *held = text.into();
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

#[cfg(test)]
mod tests {
    use super::Slots;
    use crate::calculator::Cell;

    #[test]
    fn fields_are_read_as_they_were_set() {
        let mut cells = [Cell::Int(1), Cell::Bool(false), Cell::Float(0.5), Cell::Text("a".into())];
        let words = [i64::MIN, 1, (-2.25f64).to_bits().cast_signed(), 0];
        for (slot, word) in (0u8..).zip(words) {
            cells.set_word(slot, word);
            cells.set_text(slot, "bc");
            assert_eq!(cells.word(slot), word);
        }
        let set = [Cell::Int(i64::MIN), Cell::Bool(true), Cell::Float(-2.25), Cell::Text("bc".into())];
        assert_eq!(cells, set);
        assert_eq!((cells.text(3), cells.text(0), cells.aggregate(0)), ("bc", "", None));
    }
}
