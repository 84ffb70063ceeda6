//! What a version of a rule takes over from the one before it: its number, its lineage, its departures.

use crate::{
    document::put::Put,
    rule::{
        crowd::{Crowd, Departed},
        lineage::Lineage,
        plan::RulePlan,
        remembered::Remembered,
    },
};

/// The version of a put: the store's own, unless a former version with another document has that number or a
/// higher one.
pub(super) fn version(former: Option<&Remembered>, put: &Put) -> u64 {
    let stored = put.version.unwrap_or(0);
    let Some(former) = former else { return stored.max(1) };
    let last = former.published.version;
    let retired = former.publish().is_none();
    if former.document == put.document {
        stored.max(last)
    } else if stored > last || (retired && stored > 0) {
        stored
    } else {
        last + 1
    }
}

/// Where the state of the next version begins. Of a rule that is out of force nothing goes on.
pub(super) fn lineage(
    former: Option<&Remembered>,
    put: &Put,
    crowd: Option<&Crowd>,
    plan: &RulePlan,
) -> Lineage {
    let version = version(former, put);
    match former {
        None => Lineage::first(plan, version),
        Some(former) if !former.in_force => former.published.lineage.anew(plan, version),
        Some(former) => {
            let edited = former.document != put.document || former.published.crowd.as_ref() != crowd;
            former.published.next_lineage(plan, version, edited)
        }
    }
}

/// The people who have left the crowd of a rule, once it is `crowd`. State that is not kept by user has none
/// to drop.
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
