//! Removals: what no manifest lists any more, until it may be removed from the store.
//!
//! It decides without side effects: no store, no thread, no clock. The [keeper](super::keeper) carries out its
//! decisions.
//!
//! **Invariants**
//! - What commit n unlists is removed only once n can't be lost any more. In a store with one log that is at
//!   once: whoever loses the commit loses the removal, too. In a store with many logs a fail-over may lose the
//!   last commits and keep removals, so these wait for [`REMOVED_AFTER`] and for [`COMMITS`] later commits.
//! - A name that is listed again meanwhile is not removed.
//! - Removals in progress are forgotten with the process: what is left is garbage at the next start.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use operators::model::ids::CheckpointNumber;

use super::ledger::LISTED_AFTER;

/// Time after which a commit counts as safe in a store with many logs.
pub(super) const REMOVED_AFTER: Duration = LISTED_AFTER;
/// Commits after which it does, at least.
pub(super) const COMMITS: u64 = 5;

/// What a commit has made superfluous.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Superfluous {
    /// Names of blobs that its manifest does not list.
    pub(super) blobs: Vec<String>,
    /// Position up to which it includes corrections.
    pub(super) corrections: Option<String>,
}

/// What waits for its removal, in the order of the commits.
#[derive(Debug)]
pub(super) struct Removals {
    one_log: bool,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: CheckpointNumber,
    since: Instant,
    superfluous: Superfluous,
}

impl Removals {
    pub(super) fn new(one_log: bool) -> Self {
        Removals { one_log, waiting: VecDeque::new() }
    }

    /// Records what commit `number` has made superfluous.
    pub(super) fn add(&mut self, number: CheckpointNumber, superfluous: Superfluous, now: Instant) {
        if superfluous != Superfluous::default() {
            self.waiting.push_back(Waiting { number, since: now, superfluous });
        }
    }

    /// Takes what may be removed after the commit of checkpoint `last`, except the blobs that are `listed`.
    pub(super) fn take_due(
        &mut self,
        last: CheckpointNumber,
        now: Instant,
        listed: impl Fn(&str) -> bool,
    ) -> Superfluous {
        let mut due = Superfluous::default();
        let one_log = self.one_log;
        let is_due = |first: &Waiting| {
            let is_old = now.saturating_duration_since(first.since) >= REMOVED_AFTER;
            one_log || (is_old && last.0 >= first.number.0.saturating_add(COMMITS))
        };
        while self.waiting.front().is_some_and(is_due)
            && let Some(first) = self.waiting.pop_front()
        {
            due.blobs.extend(first.superfluous.blobs.into_iter().filter(|name| !listed(name)));
            due.corrections = first.superfluous.corrections.or(due.corrections);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superfluous(blobs: &[&str], corrections: Option<&str>) -> Superfluous {
        let blobs = blobs.iter().map(|name| (*name).to_owned()).collect();
        Superfluous { blobs, corrections: corrections.map(str::to_owned) }
    }

    fn two_commits(one_log: bool, begun: Instant) -> Removals {
        let mut removals = Removals::new(one_log);
        removals.add(CheckpointNumber(7), superfluous(&["a", "b"], Some("1-0")), begun);
        removals.add(CheckpointNumber(8), superfluous(&["c"], None), begun + Duration::from_secs(1));
        removals
    }

    #[test]
    fn with_one_log_everything_is_removed_behind_its_commit() {
        let begun = Instant::now();
        let due = two_commits(true, begun).take_due(CheckpointNumber(8), begun, |_| false);
        assert_eq!(due, superfluous(&["a", "b", "c"], Some("1-0")));
    }

    #[test]
    fn with_many_logs_only_what_time_and_later_commits_have_made_safe() {
        let begun = Instant::now();
        let mut removals = two_commits(false, begun);
        let mut due = |last, after: Duration| {
            removals.take_due(CheckpointNumber(last), begun + after, |name| name == "b")
        };
        let nothing = Superfluous::default();
        assert_eq!(due(1_000, REMOVED_AFTER - Duration::from_millis(1)), nothing, "too early");
        assert_eq!(due(11, REMOVED_AFTER), nothing, "too few commits");
        assert_eq!(due(12, REMOVED_AFTER), superfluous(&["a"], Some("1-0")), "`b` is listed again");
        assert_eq!(due(13, REMOVED_AFTER), nothing);
        assert_eq!(due(13, REMOVED_AFTER + Duration::from_secs(1)), superfluous(&["c"], None));
    }
}
