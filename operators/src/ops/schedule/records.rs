//! Records: evaluated as far as they may go, and those that waited for evicted keys.

use super::{LOOKS, Output, SLICE, Schedule};
use crate::{
    model::{epoch::Epoch, routed::Routed},
    ops::emitted::Emitted,
};

/// Routed records of one epoch.
pub(super) struct Waiting<C> {
    pub(super) epoch: Epoch,
    capability: C,
    batch: Routed,
    /// Number of its records that are evaluated.
    done: usize,
}

impl<C: Clone> Schedule<C> {
    /// Adds routed records of `epoch`.
    pub(in crate::ops) fn wait(&mut self, epoch: Epoch, capability: C, batch: Routed) {
        self.gauge.waiting_bytes += batch.bytes();
        self.waiting.push_back(Waiting { epoch, capability, batch, done: 0 });
    }

    /// Processes reloaded keys, with everything that waited for them. Returns false if the slice was used up.
    pub(super) fn take_reloaded(&mut self, output: &mut impl Output<C>) -> bool {
        let enough = self.evaluator.counts().work() + SLICE;
        for taken in 0..SLICE as usize {
            let used_up = self.evaluator.counts().work() >= enough;
            if used_up || !self.take_next_reloaded(output) {
                self.evict(LOOKS * taken);
                return !used_up;
            }
        }
        false
    }

    /// Processes the next reloaded key; returns false if there is none.
    fn take_next_reloaded(&mut self, output: &mut impl Output<C>) -> bool {
        let Schedule { evaluator, reloads: Some(reloads), emissions, log, .. } = self else { return false };
        let Some((loaded, waiting)) = reloads.next() else { return false };
        let mut emitted = Emitted::default();
        let id = log.note_reload(|refused| evaluator.reload(&loaded, refused));
        for (record, capability) in waiting.records() {
            evaluator.record(&record, &mut emitted);
            emissions.send(&mut emitted, capability, output);
        }
        if let Some(capability) = waiting.due() {
            evaluator.catch_up(id, &mut emitted);
            emissions.send(&mut emitted, capability, output);
        }
        true
    }

    /// Evaluates records that need not wait. Returns false if the slice was used up.
    pub(super) fn evaluate(&mut self, output: &mut impl Output<C>) -> bool {
        let barrier = self.next_barrier();
        let enough = self.evaluator.counts().work() + SLICE;
        let mut emitted = Emitted::default();
        let (mut next, mut seen) = (0, 0);
        let Schedule { evaluator, waiting, reloads, emissions, announced, gauge, .. } = self;
        while let Some(first) = waiting.get_mut(next) {
            if announced.is_none_or(|announced| first.epoch > announced) || first.epoch >= barrier {
                next += 1;
                continue;
            }
            while first.done < first.batch.len() && evaluator.counts().work() < enough && seen < SLICE {
                evaluator.prefetch(&first.batch, first.done);
                // No peer of this build sends an inconsistent record; see `wire`.
                if let Some(record) = first.batch.get(first.done) {
                    match reloads {
                        Some(reloads) if evaluator.is_evicted(record.hash, record.key_group, record.key) => {
                            let at = (first.epoch, &first.capability);
                            reloads.hold(&record, at, |key| evaluator.wanted(key));
                        }
                        _ => evaluator.record(&record, &mut emitted),
                    }
                }
                first.done += 1;
                seen += 1;
            }
            emissions.send(&mut emitted, &first.capability, output);
            if first.done < first.batch.len() {
                self.evict(LOOKS * seen as usize);
                return false;
            }
            gauge.waiting_bytes -= first.batch.bytes();
            waiting.remove(next);
        }
        self.evict(LOOKS * seen as usize);
        true
    }
}
