//! Shape: kinds and first values of a program's fields, and the words that they take.

use super::{Objects, sliding, stats};
use crate::calculator::{Aggregate, Cell, aggregate::Cut};

/// How a field is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Float,
    Stats,
    /// A sliding count; an object if it needs more room.
    Sliding(Cut),
    /// A text, by number.
    Text,
    /// An aggregate, by number.
    Aggregate,
}

impl Kind {
    fn of(cell: &Cell) -> Self {
        match cell {
            Cell::Bool(_) => Kind::Bool,
            Cell::Int(_) => Kind::Int,
            Cell::Float(_) => Kind::Float,
            Cell::Text(_) => Kind::Text,
            Cell::Aggregate(aggregate) => match &**aggregate {
                Aggregate::Stats(_) => Kind::Stats,
                Aggregate::Count(window) if window.is_empty() => Kind::Sliding(window.cut()),
                _ => Kind::Aggregate,
            },
        }
    }

    fn width(self) -> usize {
        match self {
            Kind::Stats => stats::WIDTH,
            Kind::Sliding(_) => sliding::WIDTH,
            _ => 1,
        }
    }
}

impl Kind {
    /// Whether the value itself is a word.
    fn is_word(self) -> bool {
        matches!(self, Kind::Bool | Kind::Int | Kind::Float)
    }

    /// Whether its words can name an object.
    fn names(self) -> bool {
        matches!(self, Kind::Sliding(_) | Kind::Text | Kind::Aggregate)
    }

    /// Number of the object that words name; 0 if they name none.
    pub(super) fn number(self, words: &[u64]) -> u64 {
        match self {
            Kind::Text | Kind::Aggregate => words[0],
            Kind::Sliding(_) => sliding::object(words).unwrap_or(0),
            Kind::Bool | Kind::Int | Kind::Float | Kind::Stats => 0,
        }
    }

    /// Has words name an object.
    pub(super) fn name(self, words: &mut [u64], number: u64) {
        match self {
            Kind::Sliding(_) => words[..sliding::WIDTH].copy_from_slice(&sliding::named(number)),
            _ => words[0] = number,
        }
    }
}

/// Kinds and first values of a program's fields.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Kind and first word of each field.
    fields: Box<[(Kind, u16)]>,
    initial: Box<[Cell]>,
    /// Words of the first values.
    words: Box<[u64]>,
    /// Whether words can name objects.
    names: bool,
}

impl Shape {
    /// The shape of fields with these first values. Those that are words come first.
    pub fn new(initial: Vec<Cell>) -> Self {
        let mut fields: Box<[_]> = initial.iter().map(|cell| (Kind::of(cell), 0)).collect();
        let mut words = Vec::new();
        for first in [true, false] {
            let own = fields.iter_mut().zip(&initial).filter(|((kind, _), _)| kind.is_word() == first);
            for ((kind, start), cell) in own {
                let at = words.len();
                *start = at as u16;
                words.resize(at + kind.width(), 0);
                write_plain(*kind, &mut words[at..], cell);
            }
        }
        let names = fields.iter().any(|(kind, _)| kind.names());
        Shape { fields, initial: initial.into(), words: words.into(), names }
    }

    /// First values of the fields.
    pub fn initial(&self) -> &[Cell] {
        &self.initial
    }

    /// Words of the first values.
    pub fn initial_words(&self) -> &[u64] {
        &self.words
    }

    /// Number of words.
    pub fn width(&self) -> usize {
        self.words.len()
    }

    /// Frees the objects that words name.
    #[inline]
    pub fn free(&self, words: &[u64], objects: &mut Objects) {
        if self.names {
            self.free_objects(words, objects);
        }
    }

    fn free_objects(&self, words: &[u64], objects: &mut Objects) {
        for (kind, number) in self.objects(words) {
            objects.remove(kind, number);
        }
    }

    /// Copies the objects that words name, so that the words name the copies.
    pub fn copy(&self, words: &mut [u64], objects: &mut Objects) {
        for (kind, at) in &self.fields {
            let own = &mut words[usize::from(*at)..];
            let number = kind.number(own);
            if number != 0 {
                kind.name(own, objects.copy(*kind, number));
            }
        }
    }

    /// Objects that words name.
    fn objects(&self, words: &[u64]) -> impl Iterator<Item = (Kind, u64)> {
        let named = self.fields.iter().map(|(kind, at)| (*kind, kind.number(&words[usize::from(*at)..])));
        named.filter(|(_, number)| *number != 0)
    }

    /// Number of fields.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Kind and first word of a field.
    pub(super) fn kind(&self, slot: u8) -> (Kind, usize) {
        self.fields.get(usize::from(slot)).map_or((Kind::Int, 0), |(kind, at)| (*kind, usize::from(*at)))
    }

    /// First word of a field. Slots in a program's code are those of its shape.
    #[inline(always)]
    pub(super) fn start(&self, slot: u8) -> usize {
        usize::from(self.fields[usize::from(slot)].1)
    }

    /// Whether words stand for the first values.
    #[inline]
    pub fn is_initial(&self, words: &[u64], objects: &Objects) -> bool {
        words.iter().eq(&*self.words) || self.names && self.objects_are_initial(words, objects)
    }

    fn objects_are_initial(&self, words: &[u64], objects: &Objects) -> bool {
        self.fields.iter().enumerate().all(|(slot, (kind, at))| {
            let (own, first) = (&words[usize::from(*at)..], &self.initial[slot]);
            let word = kind.number(own);
            match kind {
                Kind::Text => {
                    objects.text(word).is_none_or(|text| matches!(first, Cell::Text(t) if **t == *text))
                }
                Kind::Sliding(_) if word == 0 => own[0] == 0,
                Kind::Aggregate | Kind::Sliding(_) => objects
                    .aggregate(word)
                    .is_none_or(|aggregate| matches!(first, Cell::Aggregate(a) if **a == *aggregate)),
                Kind::Bool | Kind::Int | Kind::Float | Kind::Stats => {
                    let own = usize::from(*at)..usize::from(*at) + kind.width();
                    words[own.clone()] == self.words[own]
                }
            }
        })
    }
}

/// Writes the words of a value that has words of its own.
pub(super) fn write_plain(kind: Kind, words: &mut [u64], cell: &Cell) {
    match cell {
        Cell::Bool(b) => words[0] = u64::from(*b),
        Cell::Int(i) => words[0] = *i as u64,
        Cell::Float(f) => words[0] = f.to_bits(),
        Cell::Aggregate(aggregate) => {
            if let (Kind::Stats, Aggregate::Stats(held)) = (kind, &**aggregate) {
                stats::write(words, held);
            }
        }
        Cell::Text(_) => {}
    }
}
