//! A rule as the register keeps it, and as every checkpoint stores it.
//!
//! After a restart the very rules that made the state are in force before the source of rules is read; what
//! the source has otherwise is then a change like any other.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Published;
use crate::document::lifecycle::RunState;

/// A rule with all that a restart needs to go on with it.
///
/// Of a rule that is out of force (retired or quarantined) only the numbers are kept, so that none is used
/// twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The rule as it is in force. Out of force: its id, and its last version, publish instant and lineage.
    pub published: Published,
    /// The document as the source gave it, its crowd included; empty once retired.
    pub document: String,
    /// Whether it is in force.
    pub in_force: bool,
    /// Why it was quarantined, if it is.
    pub quarantined: Option<String>,
    /// Why the breaker paused it, if it did.
    pub broken: Option<String>,
    /// Number of pauses it has had, the current one included.
    pub pauses: u64,
}

impl Remembered {
    /// How the engine takes it; `None` once it is retired.
    pub fn state(&self) -> Option<RunState> {
        match self {
            Remembered { quarantined: Some(_), .. } => Some(RunState::Quarantined),
            Remembered { in_force: false, .. } => None,
            Remembered { published: Published { pause: Some(_), .. }, .. } => Some(RunState::Paused),
            _ => Some(RunState::Live),
        }
    }

    /// The instant it was first published, unix ms; `None` once it is retired, as the next publish is then
    /// its first.
    pub fn publish(&self) -> Option<i64> {
        (!self.document.is_empty()).then_some(self.published.publish)
    }

    /// Takes it out of force. Only its numbers are kept: its crowds may be large, and it may never come back.
    pub(super) fn put_out_of_force(&mut self) {
        let Published { rule_id, version, publish, lineage, .. } = self.published.clone();
        self.published = Published {
            rule_id,
            version,
            publish,
            lineage,
            document: String::new(),
            crowd: None,
            pause: None,
            skipped: BTreeSet::new(),
            departed: Vec::new(),
            scripts: BTreeMap::new(),
        };
        (self.in_force, self.quarantined, self.broken, self.pauses) = (false, None, None, 0);
    }
}
