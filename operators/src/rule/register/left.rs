//! Rules that have left: retired ones are forgotten, so what is remembered does not grow with all that ever were.
//!
//! A retired rule is remembered with the set that retires it, by which its status is recorded, also after a restart; it
//! leaves with the next one. Its states are dropped, in memory and in the store, but not at once. So of all that have
//! left the highest number is kept, as that of a rule called [`LEFT`], and the states of a rule that is new begin above
//! it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::rule::{change::Published, lineage::Lineage, remembered::Remembered};

/// Id under which the number is remembered; no rule has it, as ids begin with a letter or a digit.
pub(super) const LEFT: &str = "@left";

/// Highest number that a rule that has left may have used.
pub(super) fn highest(left: Option<&Remembered>) -> u64 {
    left.map_or(0, |left| left.published.lineage.last)
}

/// Whether a rule leaves once its retirement has been in a set.
pub(super) fn leaves(rule: &Remembered) -> bool {
    rule.publish().is_none() && rule.published.rule_id != LEFT
}

/// What is remembered of the rules that have left, when `rule` does too.
pub(super) fn with(left: Option<&Remembered>, rule: &Remembered) -> Remembered {
    let lineage = &rule.published.lineage;
    let last = highest(left).max(lineage.last).max(rule.published.version);
    Remembered {
        published: Published {
            rule_id: LEFT.to_owned(),
            version: last,
            document: Arc::default(),
            crowd: None,
            publish: 0,
            pause: None,
            skipped: BTreeSet::new(),
            lineage: Lineage { last, ..Lineage::default() },
            departed: Vec::new(),
            scripts: BTreeMap::new(),
        },
        document: None,
        in_force: false,
        quarantined: None,
        broken: None,
        pauses: 0,
    }
}
