//! A rule as the register remembers it, and as every checkpoint stores it.
//!
//! After a restart exactly the rules that made the state are in force before the source of rules is read;
//! differences to the source are then changes like any other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::change::Published;
use crate::document::{lifecycle::RunState, text::DocumentDigest};

/// A rule with everything that a restart needs to continue it.
///
/// Of a rule that is out of force (retired or quarantined) only the numbers are kept, so that none is used
/// twice; of all retired ones, soon, only the highest (`register/left.rs`).
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The rule in force. Out of force: its id, and its last version, publish instant and lineage.
    pub published: Published,
    /// Digest of the document as the source gave it, its crowd included; `None` once retired.
    pub document: Option<DocumentDigest>,
    /// Whether the rule is in force.
    pub in_force: bool,
    /// Reason of the quarantine, if the rule is quarantined.
    pub quarantined: Option<String>,
    /// Reason for which the breaker paused the rule, if it did.
    pub broken: Option<String>,
    /// Number of pauses so far, the current one included.
    pub pauses: u64,
}

impl Remembered {
    /// State of the rule in the engine; `None` once it is retired.
    pub fn state(&self) -> Option<RunState> {
        match self {
            Remembered { quarantined: Some(_), .. } => Some(RunState::Quarantined),
            Remembered { in_force: false, .. } => None,
            Remembered { published: Published { pause: Some(_), .. }, .. } => Some(RunState::Paused),
            _ => Some(RunState::Live),
        }
    }

    /// Instant of the first publish, unix ms; `None` once the rule is retired, as the next publish is then
    /// its first.
    pub fn publish(&self) -> Option<i64> {
        self.document.map(|_| self.published.publish)
    }

    /// Takes the rule out of force. Only its numbers are kept: crowds may be large, and the rule may never
    /// return.
    pub(super) fn put_out_of_force(&mut self) {
        let Published { rule_id, version, publish, lineage, .. } = self.published.clone();
        self.published = Published {
            rule_id,
            version,
            publish,
            lineage,
            document: Arc::default(),
            crowd: None,
            pause: None,
            skipped: BTreeSet::new(),
            departed: Vec::new(),
            scripts: BTreeMap::new(),
        };
        (self.in_force, self.quarantined, self.broken, self.pauses) = (false, None, None, 0);
    }
}
