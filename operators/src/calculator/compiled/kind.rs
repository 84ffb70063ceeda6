//! Kinds of values, and sets of them.

use crate::calculator::Cell;

/// Kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unit,
    Bool,
    Int,
    Float,
    Char,
    Text,
}

impl Kind {
    const ALL: [Kind; 6] = [Kind::Unit, Kind::Bool, Kind::Int, Kind::Float, Kind::Char, Kind::Text];

    /// Kind of the values of a state field; `None` for an aggregate.
    pub(super) fn of_cell(cell: &Cell) -> Option<Kind> {
        match cell {
            Cell::Bool(_) => Some(Kind::Bool),
            Cell::Int(_) => Some(Kind::Int),
            Cell::Float(_) => Some(Kind::Float),
            Cell::Text(_) => Some(Kind::Text),
            Cell::Aggregate(_) => None,
        }
    }

    /// Its name in messages of the interpreter.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Unit => "()",
            Kind::Bool => "bool",
            Kind::Int => "i64",
            Kind::Float => "f64",
            Kind::Char => "char",
            Kind::Text => "string",
        }
    }

    /// Its name in the signature of a function that the interpreter doesn't find.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Kind::Text => "&str | ImmutableString | String",
            kind => kind.name(),
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Kind::Int | Kind::Float)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NONE: Kinds = Kinds(0);
    /// Kinds of a property: any but a character.
    pub(super) const INPUT: Kinds = Kinds(0b10_1111);

    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 >> kind as u8 & 1 == 1
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub(super) fn with(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// Whether all are in the other set.
    pub(super) fn within(self, other: Kinds) -> bool {
        self.0 & !other.0 == 0
    }

    /// The kind if it is the only one.
    pub(super) fn only(self) -> Option<Kind> {
        (self.0.count_ones() == 1).then(|| Kind::ALL[self.0.trailing_zeros() as usize])
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Kind> + Clone {
        Kind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl From<Kind> for Kinds {
    fn from(kind: Kind) -> Self {
        Kinds(1 << kind as u8)
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Kinds::default(), |all, kind| all.with(kind.into()))
    }
}
