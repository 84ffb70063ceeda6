//! Succession: what a version of a rule takes over from the one before: its number, lineage, departures.

use crate::{
    document::put::Put,
    rule::{
        crowd::{Crowd, Departed},
        lineage::{Lineage, Successor},
        plan::RulePlan,
        remembered::Remembered,
    },
};

/// Version of a put: the store's own, unless a former version with another document has that number or a
/// higher one.
pub(super) fn version(former: Option<&Remembered>, put: &Put) -> u64 {
    let stored = put.version.unwrap_or(0);
    let Some(former) = former else { return stored.max(1) };
    let last = former.published.version;
    let retired = former.publish().is_none();
    if is_of(former, put) {
        stored.max(last)
    } else if stored > last || (retired && stored > 0) {
        stored
    } else {
        last + 1
    }
}

/// Whether the document of a rule is that of the put.
pub(super) fn is_of(rule: &Remembered, put: &Put) -> bool {
    rule.document == Some(put.document.digest())
}

/// Lineage of the next version. A rule that is out of force keeps no state; the states of one that is new begin above
/// `left`, the highest number of rules that have left.
pub(super) fn lineage(former: Option<&Remembered>, successor: &Successor<'_>, left: u64) -> Lineage {
    let Successor { plan, version, .. } = *successor;
    match former {
        None => Lineage { last: left, ..Lineage::default() }.anew(plan, version),
        Some(former) if !former.in_force => former.published.lineage.anew(plan, version),
        Some(former) => former.published.next_lineage(successor),
    }
}

/// Whether a put edits the rule: changes its document or its crowd.
pub(super) fn edits(former: Option<&Remembered>, put: &Put, crowd: Option<&Crowd>) -> bool {
    former.is_none_or(|former| !is_of(former, put) || former.published.crowd.as_ref() != crowd)
}

/// People who have left the crowd of a rule when it becomes `crowd`. State that is not keyed by user is never
/// dropped for them.
pub(super) fn departed(
    former: Option<&Remembered>,
    crowd: Option<&Crowd>,
    plan: &RulePlan,
    now: i64,
) -> Vec<Departed> {
    let Some(former) = former.filter(|former| former.in_force) else { return Vec::new() };
    let (before, departed) = (former.published.crowd.as_ref(), &former.published.departed);
    if plan.guid_in_key().is_some() && before != crowd {
        Departed::after(departed, before, crowd, now)
    } else {
        departed.clone()
    }
}
