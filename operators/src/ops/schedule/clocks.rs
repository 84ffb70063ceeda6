//! Ingest clocks, applied epoch by epoch, and the timers that they make due.

use std::ops::RangeInclusive;

use super::{Output, SLICE, Schedule};
use crate::{
    model::{
        epoch::Epoch,
        ids::{IngestTime, PartitionId},
    },
    ops::{emitted::Emitted, kit::Frontier, reload::Reloads},
};

/// Bounds of the number of places swept per epoch.
const SWEEP: RangeInclusive<usize> = 64..=2_000;
/// Number of epochs within which all keys are swept, unless there are too many of them.
const ROUND: usize = 1_000;

/// Clocks that arrived at an epoch, with its capabilities.
pub(super) struct ClocksOf<C> {
    capability: C,
    clocks: Vec<(PartitionId, IngestTime)>,
}

/// Whether timers due by a clock are left.
enum Advanced {
    /// Timers in memory are left: the slice is used up.
    MoreInMemory,
    /// Timers of evicted keys are left: too many keys are being reloaded.
    MoreEvicted,
    /// All due timers have run.
    All,
}

impl<C: Clone> Schedule<C> {
    /// Adds clocks of `epoch`; `capability` is called for the first ones.
    pub(in crate::ops) fn add_clocks(
        &mut self,
        epoch: Epoch,
        capability: impl FnOnce() -> C,
        clocks: &mut Vec<(PartitionId, IngestTime)>,
    ) {
        let of = || ClocksOf { capability: capability(), clocks: Vec::new() };
        self.clocks.entry(epoch).or_insert_with(of).clocks.append(clocks);
    }

    /// Applies the clocks of epochs that all inputs have passed, and runs the timers they make due. Returns
    /// false if timers are left to run at once.
    pub(super) fn apply_clocks(&mut self, slowest: Frontier, output: &mut impl Output<C>) -> bool {
        let barrier = self.next_barrier();
        while let Some(entry) = self.clocks.first_entry() {
            let epoch = *entry.key();
            // A barrier that waits for keys holds back later timers, as it does records.
            let held = epoch >= barrier || self.waiting.iter().any(|waiting| waiting.epoch <= epoch);
            if held || !slowest.has_passed(epoch) {
                break;
            }
            let mut of = entry.remove();
            for (partition, clock) in of.clocks.drain(..) {
                self.applied.advance(partition, clock);
            }
            match self.advance(&of.capability, output) {
                Advanced::All => {}
                left => {
                    self.clocks.insert(epoch, of);
                    return matches!(left, Advanced::MoreEvicted);
                }
            }
            self.evaluator.sweep((self.evaluator.keys() / ROUND).clamp(*SWEEP.start(), *SWEEP.end()));
            self.evict(*SWEEP.end());
        }
        true
    }

    /// Runs timers below the least clock of all partitions, as many as one slice allows.
    fn advance(&mut self, capability: &C, output: &mut impl Output<C>) -> Advanced {
        let Some((partition, clock)) = self.applied.least() else { return Advanced::All };
        (self.gauge.clock, self.gauge.held_back_by) = (clock, Some(partition));
        let Schedule { evaluator, reloads, emissions, .. } = self;
        let mut emitted = Emitted::default();
        let all_run = evaluator.advance(clock.0, SLICE, &mut emitted);
        emissions.send(&mut emitted, capability, output);
        let mut due = Vec::new();
        let room = reloads.as_ref().map_or(usize::MAX, Reloads::room);
        let all_woken = evaluator.wake(clock.0, room, &mut due);
        if let Some(reloads) = reloads {
            due.into_iter().for_each(|key| reloads.wake(key, capability, |key| evaluator.wanted(key)));
        }
        match (all_run, all_woken) {
            (false, _) => Advanced::MoreInMemory,
            // The rest follows when some of those keys are reloaded.
            (true, false) => Advanced::MoreEvicted,
            (true, true) => Advanced::All,
        }
    }
}
