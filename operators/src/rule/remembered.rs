//! What is known of each rule, and what a restart must know of it again.
//!
//! It is part of every checkpoint: after a restart the very rules that made the state are in force before the source of rules is
//! read, and whatever it says differently is then a change like any other.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Published;

/// A rule as the feed knows it. Of one that is retired or quarantined its numbers are remembered, so that none of them is used twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The rule as it is in force; of another one the id, the version, the publish and the lineage that it had last.
    pub published: Published,
    /// The document as the source gave it, its crowd included; empty once retired.
    pub document: String,
    /// Whether it is in force.
    pub in_force: bool,
    /// Why it was stopped, if it was for its own faults.
    pub quarantined: Option<String>,
    /// Why the breaker paused it, if it did.
    pub broken: Option<String>,
    /// How many pauses it has had.
    pub pauses: u64,
}

impl Remembered {
    /// Lets go of all that only a rule in force needs: its crowds may be large, and it may never come back.
    pub fn forget(&mut self) {
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
        (self.broken, self.pauses) = (None, 0);
    }
}
