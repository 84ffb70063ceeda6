//! Ingest clocks, applied epoch by epoch, and the timers that they make due.

use std::ops::RangeInclusive;

use super::{Output, SLICE, Schedule};
use crate::{
    model::ids::{IngestTime, PartitionId},
    ops::{emitted::Emitted, kit::Frontier, reload::Reloads},
};

/// Least and most places for keys that are swept per epoch.
const SWEEP: RangeInclusive<usize> = 64..=2_000;
/// Epochs within which all keys are swept, if there are few enough.
const ROUND: usize = 1_000;

/// Clocks that arrived at an epoch.
pub(super) struct ClocksOf<C> {
    capability: C,
    clocks: Vec<(PartitionId, IngestTime)>,
}

/// Whether timers are left that are due by a clock.
enum Advanced {
    /// In memory: the worker has done its share for now.
    MoreInMemory,
    /// Out of memory: too many keys are being reloaded.
    MoreEvicted,
    /// All have run.
    All,
}

impl<C: Clone> Schedule<C> {
    /// Adds clocks of `epoch`; `capability` is asked for at the first ones.
    pub(in crate::ops) fn add_clocks(
        &mut self,
        epoch: u64,
        capability: impl FnOnce() -> C,
        clocks: &mut Vec<(PartitionId, IngestTime)>,
    ) {
        let of = || ClocksOf { capability: capability(), clocks: Vec::new() };
        self.clocks.entry(epoch).or_insert_with(of).clocks.append(clocks);
    }

    /// Applies the clocks of epochs that all inputs have passed, and runs the timers they make due. False if
    /// some are left to run at once.
    pub(super) fn apply_clocks(&mut self, slowest: Frontier, output: &mut impl Output<C>) -> bool {
        let barrier = self.next_barrier();
        while let Some(entry) = self.clocks.first_entry() {
            let epoch = *entry.key();
            // A barrier that waits for keys holds back the timers behind it, as it does records.
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
            // There is more to do once some of them are back.
            (true, false) => Advanced::MoreEvicted,
            (true, true) => Advanced::All,
        }
    }
}
