//! Filters: the events a step, a condition or a trigger is about.
//!
//! A [`Filter`] is a set of event ids and a conjunction of predicates. [`Filter::matches`] checks one filter
//! against one event and is the reference semantics. [`Index`] holds many filters and finds all that match an
//! event, at a cost that follows the filters that match, not those there are:
//!
//! 1. the event id selects a table;
//! 2. in the table each filter is registered under *one* of its predicates, the most selective: the hash of a
//!    value it must equal, an Aho-Corasick automaton of texts, an interval tree of numbers, or a set of
//!    regular expressions; a filter that has none of these is a candidate for every event of the table;
//! 3. the remaining predicates of a candidate are checked, each distinct predicate at most once per event.
//!
//! An operator is an [`Op`](crate::document::predicate::Op) of the document. `compile` checks its value,
//! `predicate` evaluates it on an event; [`profile`] checks and evaluates the same operators on the tags of a
//! user's profile. `access` knows only operators that a table can look up; for others the filter is a
//! candidate by its other predicates.
//!
//! **Invariant**: the index finds exactly the filters for which [`Filter::matches`] is true.
//!
//! - `compile`: document to predicates
//! - `predicate`: the predicates and their evaluation
//! - `compare`, `number`: equality and order of values
//! - `access`: choice of the probes of a filter
//! - `index`: the index
//! - `table`: the filters of one event id
//! - `equal`, `interval`, `texts`: the lookups of a table
//! - `profile`: queries on profiles

mod access;
mod compare;
mod compile;
mod equal;
mod index;
mod interval;
mod number;
mod predicate;
pub mod profile;
mod table;
mod texts;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::index::{Index, Scratch};
use self::predicate::Predicate;
use crate::{
    document::{fault::Fault, spec},
    model::{
        event::Event,
        field::{Field, Fields},
    },
};

/// A compiled filter. It refers to properties by their positions in the `Fields` it was compiled with.
///
/// ```
/// use strateye_operators::{
///     filter::{Faulted, Filter},
///     model::{decode::Decoder, field::Fields},
/// };
///
/// let mut fields = Fields::default();
/// let document = r#"{"id": "search", "where": [{"property": "keyword", "op": "contains", "value": "民宿"}]}"#;
/// let event_filter = serde_json::from_str(document)?;
/// let filter = Filter::compile(&event_filter, &mut fields).map_err(|fault| fault.to_string())?;
///
/// let record = r#"{"event_id": "search", "event_time": 1, "guid": 7, "properties": {"keyword": "重庆民宿"}}"#;
/// let event = Decoder::default().decode(&fields, record.as_bytes())?;
/// assert!(filter.matches(&event, &mut Faulted::default()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Filter {
    ids: Arc<[Box<str>]>,
    conjuncts: Arc<[Conjunct]>,
}

/// A predicate of the conjunction and its JSON text. Equal texts mean equal predicates.
#[derive(Clone, Debug)]
struct Conjunct {
    predicate: Arc<Predicate>,
    spelling: Arc<str>,
}

/// Counts of what went wrong while filters were evaluated.
///
/// The counts indicate bad data, they do not measure it: a filter stops at its first false predicate, and an
/// index looks at a value once for all filters. So an index and a loop over its filters count differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faulted {
    /// Values that are no numbers although a rule compares them with one.
    pub unparsed: u64,
    /// Evaluations of expressions that failed, or gave neither true nor false.
    pub errors: u64,
}

impl Faulted {
    /// Sum of all counts.
    pub fn total(&self) -> u64 {
        self.unparsed + self.errors
    }
}

impl Filter {
    /// Compiles a filter; properties that it reads are added to `fields`.
    ///
    /// # Errors
    /// The first fault, with its path relative to the filter: `where[0].value`.
    pub fn compile(spec: &spec::Filter, fields: &mut Fields) -> Result<Filter, Fault> {
        compile::filter(spec, fields)
    }

    /// The same filter with other field positions: `positions` gives the new one of each field.
    #[must_use]
    pub fn renumbered(&self, positions: &[Field]) -> Filter {
        let conjunct = |c: &Conjunct| Conjunct {
            predicate: Arc::new(c.predicate.renumbered(positions)),
            spelling: Arc::clone(&c.spelling),
        };
        Filter { ids: Arc::clone(&self.ids), conjuncts: self.conjuncts.iter().map(conjunct).collect() }
    }

    /// Whether the event has one of the ids and satisfies all predicates.
    pub fn matches(&self, event: &Event<'_>, faulted: &mut Faulted) -> bool {
        let mut evaluation = predicate::Evaluation::new(event, faulted);
        self.ids.iter().any(|id| **id == *event.event_id())
            && self.conjuncts.iter().all(|c| c.predicate.holds(&mut evaluation))
    }

    /// The event ids, ascending.
    pub fn event_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(AsRef::as_ref)
    }
}
