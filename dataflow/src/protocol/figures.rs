//! Figures reported with a worker's counters: of checkpoints, of rules, of sinks, and the distribution of
//! latency.
//!
//! **Limits**: at most [`NAMED`] rules are named; the others count as [`OTHER`], so that neither a message to
//! the supervisor nor a page of metrics grows with the number of rules.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use operators::model::ids::CheckpointNumber;
use serde::{Deserialize, Serialize};
use sinks::{BreakerState, SpoolStats};

/// Upper bound of the rules that figures name.
pub const NAMED: usize = 1_000;
/// Name for the rules beyond that bound.
pub const OTHER: &str = "other";
/// Interval at which the states of rules are sent again, in case a message was lost.
const AGAIN: Duration = Duration::from_secs(10);

/// Upper bounds of the latency's buckets, seconds; one more bucket takes longer latencies.
pub const LATENCY_BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// Distribution of latency since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyBuckets {
    /// Number of triggers in each bucket; not cumulative.
    pub counts: [u64; LATENCY_BOUNDS.len() + 1],
    /// Sum of the latencies, µs.
    pub sum_us: u64,
}

impl LatencyBuckets {
    /// Counts a latency, in µs.
    pub fn record(&mut self, us: u64) {
        let seconds = us as f64 / 1e6;
        let bucket = LATENCY_BOUNDS.partition_point(|bound| seconds > *bound);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum_us += us;
    }
}

/// Counts by rule, for at most [`NAMED`] rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByRule(pub BTreeMap<String, u64>);

impl ByRule {
    /// Adds to a rule's count.
    pub fn add(&mut self, rule_id: &str, count: u64) {
        if let Some(known) = self.0.get_mut(rule_id) {
            *known += count;
            return;
        }
        let name = if self.0.len() < NAMED { rule_id } else { OTHER };
        *self.0.entry(name.to_owned()).or_default() += count;
    }
}

/// Figures of the checkpoints, from process 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointFigures {
    /// Number of the last one, including those of earlier runs.
    pub number: CheckpointNumber,
    /// Checkpoints made since the start.
    pub made: u64,
    /// Time since the last one, or since the start if none was made, ms.
    pub age_ms: u64,
    /// Time from the barrier of the last one to its end, ms.
    pub took_ms: u64,
    /// Bytes of the blobs of the last one.
    pub bytes: u64,
    /// Checkpoints that are not compacted yet.
    pub unfolded: u64,
    /// The last one whose triggers are published, if triggers wait for checkpoints.
    pub published: Option<CheckpointNumber>,
}

/// Figures of a sink of triggers, since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkFigures {
    /// Index among the sinks, and kind, such as `1-webhook`.
    pub sink: String,
    /// Triggers accepted and not acknowledged.
    pub queued: u64,
    /// Triggers delivered.
    pub delivered: u64,
    /// Attempts to deliver a trigger after the first one.
    pub retried: u64,
    /// Triggers given up and written to its dead-letter file.
    pub dead: u64,
    /// Those of them that became too old.
    pub expired: u64,
    /// Triggers refused for good.
    pub failed: u64,
    /// Its spool, if it has one.
    pub spool: Option<SpoolFigures>,
}

/// Figures of a sink's spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolFigures {
    /// State of the breaker: 0 closed, 1 half open, 2 open.
    pub breaker: u64,
    /// Triggers in the spool.
    pub triggers: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// 1 if it takes no more, so that triggers are held back.
    pub full: u64,
}

impl From<SpoolStats> for SpoolFigures {
    fn from(stats: SpoolStats) -> Self {
        let breaker = match stats.breaker {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        SpoolFigures { breaker, triggers: stats.triggers, bytes: stats.bytes, full: stats.full.into() }
    }
}

/// Figures of the rules, from process 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleNumbers {
    /// Rules that run.
    pub live: u64,
    /// Rules that are paused, by people or by the breaker.
    pub paused: u64,
    /// Rules that were stopped for their own faults.
    pub quarantined: u64,
    /// Documents refused since the start.
    pub rejections: u64,
    /// Rules quarantined since the start.
    pub quarantines: u64,
    /// Rules paused by the breaker since the start.
    pub breaks: u64,
    /// The rules; those that are not live come first, if there are more than may be named.
    pub each: Vec<RuleFigure>,
}

/// A rule by name, with its state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleFigure {
    /// The rule's id.
    pub rule_id: String,
    /// Its version.
    pub version: u64,
    /// Its state, as it is stored: `live`, `paused` or `quarantined`.
    pub state: String,
}

/// Counts and states of rules, written by the rules feed and read by worker 0; a handle to shared content.
#[derive(Clone, Debug, Default)]
pub struct RuleBoard(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    numbers: RuleNumbers,
    /// When they were last taken, unless they have changed since.
    taken: Option<Instant>,
}

impl RuleBoard {
    /// Records a change of the numbers of rules.
    pub fn note(&self, what: impl FnOnce(&mut RuleNumbers)) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut noted.numbers);
        noted.taken = None;
    }

    /// Records all rules.
    pub fn note_all(&self, rules: impl Iterator<Item = RuleFigure>) {
        let (mut running, mut each): (Vec<_>, Vec<_>) = rules.partition(|rule| rule.state == "live");
        let count = |wanted: &str| each.iter().filter(|rule| rule.state == wanted).count() as u64;
        let (live, paused, quarantined) = (running.len() as u64, count("paused"), count("quarantined"));
        each.sort_unstable();
        running.sort_unstable();
        each.extend(running);
        each.truncate(NAMED);
        self.note(|numbers| {
            (numbers.live, numbers.paused, numbers.quarantined) = (live, paused, quarantined);
            numbers.each = each;
        });
    }

    /// The numbers, if they have changed since they were last taken, or if that was [`AGAIN`] ago.
    pub fn take_update(&self) -> Option<RuleNumbers> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.taken.is_some_and(|taken| taken.elapsed() < AGAIN) {
            return None;
        }
        noted.taken = Some(Instant::now());
        Some(noted.numbers.clone())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let mut buckets = LatencyBuckets::default();
        [0, 1_000, 1_001, 60_000_000, 60_000_001].into_iter().for_each(|us| buckets.record(us));
        assert_eq!((buckets.counts[0], buckets.counts[1]), (2, 1));
        assert_eq!((buckets.counts[13], buckets.counts[14]), (1, 1));
        assert_eq!(buckets.sum_us, 120_002_002);
    }

    #[test]
    fn rules_beyond_those_that_may_be_named_are_counted_together() {
        let mut counts = ByRule::default();
        for rule in 0..NAMED + 5 {
            counts.add(&format!("r{rule}"), 1);
        }
        counts.add("r0", 2);
        counts.add(&format!("r{NAMED}"), 3);
        assert_eq!(counts.0.len(), NAMED + 1);
        assert_eq!((counts.0["r0"], counts.0[OTHER]), (3, 8));
    }

    #[test]
    fn rules_that_do_not_run_are_named_first_and_an_update_is_taken_once() {
        let board = RuleBoard::default();
        let ids: Vec<String> = (0..NAMED).map(|i| format!("a{i:04}")).collect();
        let rule = |rule_id: &str, version, state: &str| RuleFigure {
            rule_id: rule_id.to_owned(),
            version,
            state: state.to_owned(),
        };
        let live = ids.iter().map(|id| rule(id, 1, "live"));
        board.note_all(live.chain([rule("z", 7, "quarantined"), rule("y", 2, "paused")]));
        let update = board.take_update().unwrap();
        assert_eq!((update.live, update.paused, update.quarantined), (1_000, 1, 1));
        assert_eq!(update.each.len(), NAMED);
        assert_eq!(update.each[1], rule("z", 7, "quarantined"));
        assert_eq!(board.take_update(), None);
        board.note(|numbers| numbers.breaks += 1);
        assert_eq!(board.take_update().unwrap().breaks, 1);
    }
}
