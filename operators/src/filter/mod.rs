//! Filters: which events a step, a condition or a trigger is about.
//!
//! A [`Filter`] is event ids and predicates that must all hold. [`Filter::matches`] looks at one filter and one event;
//! it is the reference. [`Index`] holds many filters and finds all that match an event, so that an event's cost follows
//! the filters it matches, not the filters there are:
//!
//! 1. the event id picks a table;
//! 2. in the table each filter waits at *one* place, that of its most selective predicate: the hash of a value it
//!    wants equal, an Aho-Corasick automaton of the texts it wants contained, an interval a number must lie in, a set
//!    of regular expressions; or on the list of those that have none of these;
//! 3. a filter that the event's values hit there has its other predicates checked, each at most once per event,
//!    however many filters share it.
//!
//! [`profile`] asks the same questions of a user's profile.

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
    model::{event::Event, field::Fields},
};

/// A compiled filter. It knows properties by their positions in the `Fields` it was compiled with.
#[derive(Clone, Debug)]
pub struct Filter {
    ids: Arc<[Box<str>]>,
    conjuncts: Arc<[Conjunct]>,
}

/// A predicate that must hold, and its spelling: two of the same spelling are the same predicate.
#[derive(Clone, Debug)]
struct Conjunct {
    predicate: Arc<Predicate>,
    spelling: Arc<str>,
}

/// What went wrong while filters looked at events, counted.
///
/// The counts are signs of bad data, not measures of it: a filter stops at its first predicate that is false, and an
/// index looks at a value once for all filters. So an index and a loop over its filters count differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faulted {
    /// Values that a rule compares with a number and that are none.
    pub unparsed: u64,
    /// Expressions that had no result, or one that is neither true nor false.
    pub errors: u64,
}

impl Faulted {
    /// All counts together.
    pub fn total(&self) -> u64 {
        self.unparsed + self.errors
    }
}

impl Filter {
    /// Compiles a filter, adding the properties it reads to `fields`.
    ///
    /// # Errors
    /// The first fault, with its path relative to the filter: `where[0].value`.
    pub fn compile(spec: &spec::Filter, fields: &mut Fields) -> Result<Filter, Fault> {
        compile::filter(spec, fields)
    }

    /// Whether the event matches.
    pub fn matches(&self, event: &Event<'_>, faulted: &mut Faulted) -> bool {
        let mut look = predicate::Look::new(event, faulted);
        self.ids.iter().any(|id| **id == *event.event_id())
            && self.conjuncts.iter().all(|c| c.predicate.holds(&mut look))
    }

    /// The event ids it is about.
    pub fn event_ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(AsRef::as_ref)
    }
}
