//! Choices that make a random script. The first choice of each kind is the simplest, so that a failing script
//! shrinks to a simple one.

use proptest::prelude::*;

/// Kind of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Float,
    Truth,
    Text,
    /// Of any kind, known only when it runs.
    Any,
}

pub(super) const KINDS: [Kind; 5] = [Kind::Int, Kind::Float, Kind::Truth, Kind::Text, Kind::Any];

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Event,
    Timer,
    Outputs,
    /// A function of the script's own.
    Own,
}

/// A function in the making.
pub(super) struct Draw<'d> {
    choices: &'d mut dyn Iterator<Item = u16>,
    pub(super) place: Place,
    /// Variables in scope, with whether they may be assigned to.
    pub(super) variables: Vec<(String, Kind, bool)>,
    declared: usize,
}

impl<'d> Draw<'d> {
    pub(super) fn new(choices: &'d mut dyn Iterator<Item = u16>, place: Place) -> Self {
        Draw { choices, place, variables: Vec::new(), declared: 0 }
    }

    /// A number below `n`; 0 once the choices are used up.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::from(self.choices.next().unwrap_or(0)) % n
    }

    pub(super) fn one<'o>(&mut self, of: &[&'o str]) -> &'o str {
        of[self.below(of.len())]
    }

    pub(super) fn kind(&mut self) -> Kind {
        KINDS[self.below(KINDS.len())]
    }

    /// A new name.
    pub(super) fn name(&mut self) -> String {
        self.declared += 1;
        format!("x{}", self.declared)
    }

    /// A variable of a kind, one that may be assigned to if asked so.
    pub(super) fn variable(&mut self, kind: Kind, assigned: bool) -> Option<String> {
        let fits = |(_, of, changes): &&(String, Kind, bool)| *of == kind && (*changes || !assigned);
        let fitting: Vec<_> = self.variables.iter().filter(fits).map(|(name, ..)| name.clone()).collect();
        if fitting.is_empty() { None } else { Some(fitting[self.below(fitting.len())].clone()) }
    }

    /// Draws a part that has a scope of its own.
    pub(super) fn scoped<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.variables.len();
        let drawn = part(self);
        self.variables.truncate(before);
        drawn
    }
}

pub(super) fn choices() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 100..1_200)
}
