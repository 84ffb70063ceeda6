//! The state fields of a key, as calculators reach them.

use super::words::is_word;
use crate::{
    calculator::{
        Aggregate, Cell,
        aggregate::{Summary, fold::NotFoldable},
    },
    model::value::Value,
};

/// State fields by position. The kinds are those that the program's `init` gave them; compiled code asks for
/// no other.
pub trait Slots {
    /// The field as a word: an integer, true or false as 1 or 0, or the bits of a float.
    fn word(&self, slot: u8) -> i64;
    /// Sets a field that is a word.
    fn set_word(&mut self, slot: u8, word: i64);
    /// Loads the first `to.len()` fields that are words, in their order.
    fn load(&self, to: &mut [i64]);
    /// Stores the first `from.len()` fields that are words, in their order.
    fn store(&mut self, from: &[i64]);
    /// The field as a text; empty if it is none.
    fn text(&self, slot: u8) -> &str;
    /// Sets a field that is a text.
    fn set_text(&mut self, slot: u8, text: &str);
    /// The single figure of an aggregate at `now`, unix ms; `None` if the field has none.
    fn at(&self, slot: u8, now: i64) -> Option<i64>;
    /// Content of an aggregate at `now`, unix ms; `None` if the field is none.
    fn summary(&self, slot: u8, now: i64) -> Option<Summary<'_>>;
    /// Counts an event at `time` in an aggregate; `now` is the ingest time, both unix ms.
    fn count(&mut self, slot: u8, time: i64, now: i64);
    /// Folds a value at `time` into an aggregate; `now` is the ingest time, both unix ms.
    ///
    /// # Errors
    /// If the aggregate can't fold the value; it is unchanged.
    fn fold(&mut self, slot: u8, value: Option<&Value<'_>>, time: i64, now: i64) -> Result<(), NotFoldable>;
    /// The field's value.
    fn cell(&self, slot: u8) -> Cell;
    /// Sets a field to a value of its kind.
    fn set_cell(&mut self, slot: u8, cell: Cell);
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

    fn load(&self, to: &mut [i64]) {
        let words = (0..).zip(self).filter(|(_, cell)| is_word(cell));
        to.iter_mut().zip(words).for_each(|(to, (slot, _))| *to = self.word(slot));
    }

    fn store(&mut self, from: &[i64]) {
        let slots: Vec<u8> =
            (0..).zip(&*self).filter(|(_, cell)| is_word(cell)).map(|(slot, _)| slot).collect();
        from.iter().zip(slots).for_each(|(from, slot)| self.set_word(slot, *from));
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

    fn at(&self, slot: u8, now: i64) -> Option<i64> {
        aggregate(self, slot).and_then(|aggregate| aggregate.at(now))
    }

    fn summary(&self, slot: u8, now: i64) -> Option<Summary<'_>> {
        aggregate(self, slot).map(|aggregate| aggregate.summary(now))
    }

    fn count(&mut self, slot: u8, time: i64, now: i64) {
        if let Some(Cell::Aggregate(aggregate)) = self.get_mut(usize::from(slot)) {
            aggregate.count(time, now);
        }
    }

    fn fold(&mut self, slot: u8, value: Option<&Value<'_>>, time: i64, now: i64) -> Result<(), NotFoldable> {
        match self.get_mut(usize::from(slot)) {
            Some(Cell::Aggregate(aggregate)) => aggregate.fold(value, time, now),
            _ => Ok(()),
        }
    }

    fn cell(&self, slot: u8) -> Cell {
        self[usize::from(slot)].clone()
    }

    fn set_cell(&mut self, slot: u8, cell: Cell) {
        self[usize::from(slot)] = cell;
    }
}

fn aggregate(cells: &[Cell], slot: u8) -> Option<&Aggregate> {
    match cells.get(usize::from(slot)) {
        Some(Cell::Aggregate(aggregate)) => Some(aggregate),
        _ => None,
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
        assert_eq!((cells.text(3), cells.text(0), cells.at(0, 0)), ("bc", "", None));
    }
}
