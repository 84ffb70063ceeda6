//! Figures of `evaluate`.

use crate::model::{
    epoch::Epoch,
    ids::{BookGeneration, IngestTime, PartitionId},
};

/// Counts of evaluation since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluateCounts {
    /// Routed records evaluated.
    pub records: u64,
    /// Calls of `on_event` that folded.
    pub folded: u64,
    /// Values that a calculator could not take.
    pub not_folded: u64,
    /// Events ignored because they were older than a rule's `late`.
    pub late: u64,
    /// Events ignored by a rule because their message was there before.
    pub duplicates: u64,
    /// Firings suppressed because the rule was not live yet, or paused.
    pub sealed: u64,
    /// Firings barred by a limit.
    pub limited: u64,
    /// Timers that ran out.
    pub timers: u64,
    /// Calls and expressions that failed.
    pub failed: u64,
    /// Triggers emitted.
    pub triggers: u64,
}

impl EvaluateCounts {
    /// Records, calls and timers: the approximate cost of evaluating so far.
    pub fn work(&self) -> u64 {
        self.records + self.folded + self.not_folded + self.failed + self.timers
    }
}

/// State of a worker's `evaluate` at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvaluateGauge {
    /// Counts since the start.
    pub counts: EvaluateCounts,
    /// Keys in memory.
    pub keys: usize,
    /// Conditions of which keys in memory have a state.
    pub conditions: usize,
    /// Bytes of waiting routed records.
    pub waiting_bytes: usize,
    /// The applied clock.
    pub clock: IngestTime,
    /// Partition that holds back the clock.
    pub held_back_by: Option<PartitionId>,
    /// Generation of the book in force.
    pub generation: BookGeneration,
    /// Epoch at which it took force.
    pub since_epoch: Epoch,
    /// States restored from the last checkpoint.
    pub restored: u64,
    /// Stored states that could not be read.
    pub unreadable: u64,
    /// Whether stored state is still being restored.
    pub restoring: bool,
    /// Approximate bytes of keys and states in memory; 0 without a bound.
    pub state_bytes: usize,
    /// Number of evicted keys.
    pub evicted_keys: usize,
    /// Keys reloaded into memory.
    pub reloads: u64,
    /// Records waiting for their keys to be reloaded.
    pub reload_waiting: usize,
}
