//! Filters: the events a step, a condition or a trigger is about.
//!
//! A [`Filter`] is a set of event ids and a conjunction of predicates. [`Filter::matches`] checks one filter
//! against one event and is the reference semantics. [`Index`] holds many filters and finds all that match an
//! event, at a cost that follows the distinct filters that match, not the filters there are:
//!
//! 1. the event id selects the *units*: filters with equal predicates are one unit;
//! 2. each field of the event has a mask of the units that its value does not rule out, and the masks are
//!    ANDed. A number that is only compared with numbers finds its mask by thresholds; any other value is
//!    asked once and its mask is learned, in a bounded memory per worker;
//! 3. where there are many units, those that a rare value decides have no bit in the masks: they wait at that
//!    value;
//! 4. predicates that depend on several fields, and expressions, are checked on the units that are left, each
//!    distinct predicate at most once per event.
//!
//! An operator is an [`Op`](crate::document::predicate::Op) of the document. `compile` checks its value,
//! `predicate` evaluates it on an event; [`profile`] checks and evaluates the same operators on the tags of a
//! user's profile. `steps` knows the operators that thresholds answer, `access` those that a lookup answers
//! for all filters at once; others are evaluated when a value is learned.
//!
//! **Invariant**: the index finds exactly the filters for which [`Filter::matches`] is true.
//!
//! - `compile`: document to predicates
//! - `predicate`: the predicates and their evaluation
//! - `elements`: predicates on the elements of a list
//! - `compare`: equality and order of values
//! - `read`: comparisons that say what values are read as; `version`: version numbers
//! - `index`: the index
//! - `access`: whether a filter has a bit or waits; the probes of its predicates
//! - `block`: units of one event id; `requirement`: what they require of a field
//! - `field_index`: the masks of a field; `steps`: by thresholds; `values`: by values, which are `learned`
//! - `lookup`: what a value that is not learned yet hits, by `equal` and `texts`
//! - `profile`: queries on profiles

mod access;
mod block;
mod compare;
mod compile;
mod elements;
mod equal;
mod field_index;
mod index;
mod learned;
mod lookup;
mod predicate;
pub mod profile;
mod read;
mod requirement;
mod steps;
mod texts;
mod values;
mod version;

#[cfg(test)]
mod tests;

use std::{cmp::Ordering, sync::Arc};

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
/// let record = r#"{"event_id": "search", "event_time": 1766000000123, "guid": 7, "properties": {"keyword": "重庆民宿"}}"#;
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
        self.ids.iter().any(|id| **id == *compile::EVERY_EVENT || **id == *event.event_id())
            && self.conjuncts.iter().all(|c| c.predicate.holds(&mut evaluation))
    }

    /// Orders filters by their event ids, then by what they say.
    pub fn order(&self, other: &Filter) -> Ordering {
        self.ids.cmp(&other.ids).then_with(|| self.spellings().cmp(other.spellings()))
    }

    fn spellings(&self) -> impl Iterator<Item = &str> {
        self.conjuncts.iter().map(|conjunct| &*conjunct.spelling)
    }

    /// The event ids, ascending; only `*` if the filter is on every event.
    pub fn event_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(AsRef::as_ref)
    }
}
