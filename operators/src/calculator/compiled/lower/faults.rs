//! Statements that can never work: they fail whenever they are reached, so they are told when a rule is
//! published.

use std::collections::BTreeMap;

use crate::calculator::{
    ProgramError,
    compiled::{
        kind::{Kind, Kinds},
        place::Place,
        tree::Slot,
    },
};

/// Findings in a function.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<ProgramError>,
    /// Number of assignments to a field, and what is wrong with the last of them.
    assigned: BTreeMap<Slot, (usize, Option<ProgramError>)>,
}

impl Faults {
    /// Records an operator or a function that has no result for any operands of these kinds.
    pub(super) fn without_result(&mut self, name: &str, kinds: &[Kinds], place: Place) {
        // What has no kinds is never reached, and what is always absent is often a param that is left out.
        if kinds.iter().any(|kinds| kinds.within(Kind::Unit.into())) {
            return;
        }
        let kinds: Vec<_> = kinds.iter().map(|kinds| kinds_in_words(*kinds, in_words)).collect();
        let message = format!(
            "`{name}` takes no {}, so this fails whenever it is reached; convert with to_int, to_float or to_string first",
            kinds.join(" with ")
        );
        self.found.push(ProgramError::at(place, message));
    }

    /// Records an assignment of values to a field.
    pub(super) fn assignment(&mut self, slot: Slot, name: &str, (kind, kinds): (Kind, Kinds), place: Place) {
        let takes = |given: Kind| given == kind || given == Kind::Int && kind == Kind::Float;
        let wrong = !kinds.is_empty() && !kinds.iter().any(takes);
        let error = wrong.then(|| {
            let (declared, given) = (with_article(kind), kinds_in_words(kinds, with_article));
            let message = format!(
                "state field `{name}` is {declared} by `init`, so a call fails that gives it {given} here; convert the value first"
            );
            ProgramError::at(place, message)
        });
        let (number, last) = self.assigned.entry(slot).or_default();
        *number += 1;
        *last = error;
    }

    /// Statements that fail whenever they are reached. A field that is assigned to several times may be right
    /// in the end.
    pub(super) fn told(self) -> impl Iterator<Item = ProgramError> {
        let only = |(number, error): (usize, Option<ProgramError>)| error.filter(|_| number == 1);
        self.found.into_iter().chain(self.assigned.into_values().filter_map(only))
    }
}

fn kinds_in_words(kinds: Kinds, word: fn(Kind) -> &'static str) -> String {
    let words: Vec<_> = kinds.iter().map(word).collect();
    words.join(" or ")
}

fn with_article(kind: Kind) -> &'static str {
    match kind {
        Kind::Unit => "an absent value",
        Kind::Bool => "a boolean",
        Kind::Int => "an integer",
        Kind::Float => "a float",
        Kind::Char => "a character",
        Kind::Text => "a string",
    }
}

fn in_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Unit => "absent value",
        Kind::Bool => "boolean",
        Kind::Int => "integer",
        Kind::Float => "float",
        Kind::Char => "character",
        Kind::Text => "string",
    }
}
