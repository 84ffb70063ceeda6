//! State fields as words, the form in which they are kept in memory.
//!
//! A field of a fixed size takes words of its own: one for a boolean, an integer or a float, five for
//! statistics, four for a [sliding count](sliding). Other values are objects, kept in [`Objects`], and the word
//! is an object's number.
//!
//! **Invariants**
//! - The number 0 stands for the value that `init` gave the field. So initial words name no object, and a
//!   state for which nothing was folded has none.
//! - Any other number is in the words of one state only. Who drops words [frees](Shape::free) their objects,
//!   and who copies words [copies](Shape::copy) them too.

mod objects;
mod shape;
mod sliding;
mod stats;

use std::borrow::Cow;

use self::shape::{Kind, write_plain};
pub use self::{objects::Objects, shape::Shape, sliding::SlidingCount};
use super::{
    Aggregate, Cell,
    aggregate::{Summary, fold::NotFoldable},
    cell::CellRef,
    compiled::Slots,
};
use crate::model::{number::Number, value::Value};

/// Fields of one state of a key.
#[derive(Debug)]
pub struct Fields<'f> {
    shape: &'f Shape,
    words: &'f mut [u64],
    objects: &'f mut Objects,
}

impl<'f> Fields<'f> {
    /// The fields of these words, which have `shape`.
    pub fn new(shape: &'f Shape, words: &'f mut [u64], objects: &'f mut Objects) -> Self {
        Fields { shape, words, objects }
    }

    /// Whether all have their first values.
    pub fn are_initial(&self) -> bool {
        self.shape.is_initial(self.words, self.objects)
    }

    /// The sliding count in a field at `now`, unix ms; `None` if the field is none, or one of so many events
    /// that it is an object.
    #[inline]
    pub fn sliding(&self, slot: u8, now: i64) -> Option<SlidingCount> {
        match self.kind(slot) {
            (Kind::Sliding(cut), at) if sliding::object(&self.words[at..]).is_none() => {
                Some(sliding::at(&self.words[at..], cut, now))
            }
            _ => None,
        }
    }

    fn kind(&self, slot: u8) -> (Kind, usize) {
        self.shape.kind(slot)
    }

    /// The aggregate that a field names, or its first value.
    fn aggregate(&self, slot: u8) -> Option<&Aggregate> {
        let (kind, at) = self.kind(slot);
        let named = || self.objects.aggregate(kind.number(&self.words[at..]));
        match kind {
            Kind::Sliding(_) => named(),
            Kind::Aggregate => named().or_else(|| match self.shape.initial().get(usize::from(slot)) {
                Some(Cell::Aggregate(first)) => Some(first),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Changes an aggregate that is an object; one with its first value becomes an object.
    fn change<T>(&mut self, slot: u8, change: impl FnOnce(&mut Aggregate) -> T) -> Option<T> {
        let (kind, at) = self.kind(slot);
        let own = &self.words[at..];
        let number = match (kind, kind.number(own)) {
            (Kind::Aggregate, 0) => {
                let first = self.aggregate(slot)?.clone();
                self.objects.add_aggregate(first)
            }
            (Kind::Sliding(cut), 0) => {
                let window = sliding::window(own, cut);
                self.objects.add_aggregate(Aggregate::Count(window))
            }
            (_, number) => number,
        };
        kind.name(&mut self.words[at..], number);
        self.objects.change(number, change)
    }

    /// The field's value.
    fn value(&self, slot: u8) -> CellRef<'_> {
        let (kind, at) = self.kind(slot);
        let word = self.words[at];
        let first = || CellRef::from(&self.shape.initial()[usize::from(slot)]);
        match kind {
            Kind::Bool => CellRef::Bool(word != 0),
            Kind::Int => CellRef::Int(word as i64),
            Kind::Float => CellRef::Float(f64::from_bits(word)),
            Kind::Stats => CellRef::Aggregate(Cow::Owned(Aggregate::Stats(stats::read(&self.words[at..])))),
            Kind::Sliding(cut) if sliding::object(&self.words[at..]).is_none() => {
                let window = sliding::window(&self.words[at..], cut);
                CellRef::Aggregate(Cow::Owned(Aggregate::Count(window)))
            }
            Kind::Text => self.objects.text(word).map_or_else(first, CellRef::Text),
            Kind::Aggregate | Kind::Sliding(_) => {
                let held = self.objects.aggregate(kind.number(&self.words[at..]));
                held.map_or_else(first, |held| CellRef::Aggregate(Cow::Borrowed(held)))
            }
        }
    }

    /// Values of all fields, in their order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = CellRef<'_>> {
        (0..self.shape.len()).map(|slot| self.value(slot as u8))
    }

    /// Sets all fields.
    pub fn set_cells(&mut self, cells: Vec<Cell>) {
        cells.into_iter().enumerate().for_each(|(slot, cell)| self.set_cell(slot as u8, cell));
    }
}

/// Copies as many words as both have. Most calculators have three or four, for which a call that copies would
/// be slower.
#[inline(always)]
fn copy<A: Copy, B: Copy>(from: &[A], to: &mut [B], word: impl Fn(A) -> B) {
    let number = from.len().min(to.len());
    match (from.first_chunk::<4>(), to.first_chunk_mut::<4>()) {
        (Some(from), Some(to)) if number == 4 => *to = from.map(word),
        _ => match (from.first_chunk::<3>(), to.first_chunk_mut::<3>()) {
            (Some(from), Some(to)) if number == 3 => *to = from.map(word),
            _ => to.iter_mut().zip(from).for_each(|(to, from)| *to = word(*from)),
        },
    }
}

impl Slots for Fields<'_> {
    #[inline(always)]
    fn word(&self, slot: u8) -> i64 {
        self.words[self.shape.start(slot)] as i64
    }

    #[inline(always)]
    fn set_word(&mut self, slot: u8, word: i64) {
        self.words[self.shape.start(slot)] = word as u64;
    }

    #[inline(always)]
    fn load(&self, to: &mut [i64]) {
        copy(self.words, to, |word| word.cast_signed());
    }

    #[inline(always)]
    fn store(&mut self, from: &[i64]) {
        copy(from, self.words, |word| word.cast_unsigned());
    }

    fn text(&self, slot: u8) -> &str {
        match self.value(slot) {
            CellRef::Text(text) => text,
            _ => "",
        }
    }

    fn set_text(&mut self, slot: u8, text: &str) {
        if self.text(slot) != text {
            self.set_cell(slot, Cell::Text(text.into()));
        }
    }

    fn at(&self, slot: u8, now: i64) -> Option<i64> {
        match self.sliding(slot, now) {
            Some(count) => Some(count.inside),
            None => self.aggregate(slot).and_then(|aggregate| aggregate.at(now)),
        }
    }

    fn summary(&self, slot: u8, now: i64) -> Option<Summary<'_>> {
        match self.kind(slot) {
            (Kind::Stats, at) => Some(Summary::Stats(stats::read(&self.words[at..]))),
            (Kind::Sliding(_), _) => Some(Summary::None),
            _ => self.aggregate(slot).map(|aggregate| aggregate.summary(now)),
        }
    }

    fn count(&mut self, slot: u8, time: i64, now: i64) {
        if let (Kind::Sliding(cut), at) = self.kind(slot)
            && sliding::object(&self.words[at..]).is_none()
            && sliding::count(&mut self.words[at..], cut, time, now)
        {
            return;
        }
        self.change(slot, |aggregate| aggregate.count(time, now));
    }

    fn fold(&mut self, slot: u8, value: Option<&Value<'_>>, time: i64, now: i64) -> Result<(), NotFoldable> {
        if let (Kind::Stats, at) = self.kind(slot) {
            let number = value.and_then(Number::of).ok_or(NotFoldable)?;
            let mut held = stats::read(&self.words[at..]);
            held.add(number);
            stats::write(&mut self.words[at..], &held);
            return Ok(());
        }
        self.change(slot, |aggregate| aggregate.fold(value, time, now)).unwrap_or(Ok(()))
    }

    fn cell(&self, slot: u8) -> Cell {
        self.value(slot).into()
    }

    fn set_cell(&mut self, slot: u8, cell: Cell) {
        let (kind, at) = self.kind(slot);
        let own = &mut self.words[at..];
        let former = kind.number(own);
        let is_first = self.shape.initial()[usize::from(slot)] == cell;
        match (kind, cell) {
            (Kind::Text | Kind::Aggregate, _) if is_first => own[0] = 0,
            (Kind::Text, Cell::Text(text)) => own[0] = self.objects.add_text(text),
            (Kind::Aggregate, Cell::Aggregate(aggregate)) => own[0] = self.objects.add_aggregate(*aggregate),
            (Kind::Sliding(_), Cell::Aggregate(aggregate)) => {
                let words = match &*aggregate {
                    Aggregate::Count(window) => sliding::words(window),
                    _ => None,
                };
                let words = words.unwrap_or_else(|| sliding::named(self.objects.add_aggregate(*aggregate)));
                own[..sliding::WIDTH].copy_from_slice(&words);
            }
            (_, cell) => write_plain(kind, own, &cell),
        }
        if former != 0 {
            self.objects.remove(kind, former);
        }
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
