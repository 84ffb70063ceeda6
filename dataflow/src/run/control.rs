//! `control`: the clock of the cluster, on worker 0; it also switches rule books and takes checkpoints.
//!
//! On other workers it emits nothing.
//!
//! **Protocol of a change.** One at a time: `Prepare` is broadcast; every worker has its process make the
//! book off-thread and answers `Ready`; when all have, `Switch` is broadcast for the epoch two ahead of the
//! last announced; when the dataflow has completed that epoch, the change is in force on all workers and the
//! next one may begin.
//!
//! **Protocol of a checkpoint**: see [`Taking`](crate::checkpoint::taking::Taking); also one at a time, in
//! parallel to changes.
//!
//! **Invariants.** `Start` is sent first. Epochs ascend. Between a barrier announced for `at` and `Epoch(at)`
//! lies exactly one other epoch. A capability is held for the last epoch announced only. No event is read
//! before the first change is in force (`events` ensures it).

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use operators::{
    model::{
        epoch::Epoch,
        ids::{BookGeneration, Positions},
    },
    ops::{
        Signal, Start,
        read::{BarrierReached, SourceBarrier},
    },
    rule::{register::Ordered, remembered::Remembered},
};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        ProbeHandle, Scope, StreamVec,
        operators::{generic::operator::source, vec::Broadcast},
    },
};

use crate::{
    checkpoint::taking::{Checkpoints, Delivery},
    exit::{ExitHandle, Fatal},
    protocol::report::Report,
    protocol::rules::{Effect, RuleFaults},
    rules::inbox::EffectSender,
};

/// Inputs of `control`; exists once, on worker 0.
pub struct Control {
    /// Checkpoint from which the cluster continues.
    pub start: Arc<Start>,
    /// Change sets to be put in force.
    pub changes: mpsc::Receiver<Ordered>,
    /// Receives the effects of changes.
    pub effects: EffectSender,
    /// Takes checkpoints; `None` if no state is kept.
    pub checkpoints: Option<Checkpoints>,
    /// Progress of the delivery of triggers.
    pub delivery: Rc<dyn Delivery>,
    /// Length of an epoch.
    pub epoch: Duration,
    /// Set when the cluster is to end.
    pub stopping: Arc<AtomicBool>,
}

/// Reports of workers that have arrived at worker 0.
pub type Mailbox = Rc<RefCell<Vec<Report>>>;

/// A change on its way into force.
struct Change {
    generation: BookGeneration,
    ready: usize,
    faults: RuleFaults,
    ordered: Option<(Vec<String>, Arc<Vec<Remembered>>)>,
    at: Option<Epoch>,
    reached: usize,
    /// First offsets after the switch: the positions of open sources, and the starting positions of the
    /// others.
    positions: Positions,
}

/// Workers whose partitions have all ended.
#[derive(Default)]
struct Ended {
    workers: usize,
    /// Last epoch announced when the last of them reported; `None` before.
    at: Option<Epoch>,
}

struct Controlling {
    control: Control,
    peers: usize,
    probe: ProbeHandle<Epoch>,
    epoch: Epoch,
    next: Instant,
    change: Option<Change>,
    /// Workers whose partitions have all ended.
    ended: Ended,
}

/// Stream of the signals of worker 0, on all workers.
pub fn signals<'s>(
    scope: Scope<'s, Epoch>,
    control: Option<Control>,
    mailbox: Mailbox,
    probe: ProbeHandle<Epoch>,
    exit: ExitHandle,
) -> StreamVec<'s, Epoch, Signal> {
    let peers = scope.peers();
    source::<_, CapacityContainerBuilder<Vec<Signal>>, _, _>(scope, "control", move |capability, info| {
        let activator = scope.activator_for(Rc::clone(&info.address));
        let mut work = control.map(|control| {
            let controlling = Controlling {
                control,
                peers,
                probe,
                epoch: Epoch::default(),
                next: Instant::now(),
                change: None,
                ended: Ended::default(),
            };
            (controlling, capability)
        });
        move |output| {
            let Some((controlling, held)) = work.as_mut() else { return };
            let mut words = Vec::new();
            let before = controlling.epoch;
            controlling.tick(&mut words);
            if controlling.epoch > before {
                held.downgrade(&controlling.epoch);
            }
            mailbox.borrow_mut().drain(..).for_each(|report| controlling.receive(report));
            let over = controlling.work(&mut words).unwrap_or_else(|fatal| exit.end(fatal));
            output.session(&*held).give_iterator(words.into_iter());
            let (next, most) = (controlling.next, controlling.control.epoch);
            if over {
                work = None;
                return;
            }
            activator.activate_after(next.saturating_duration_since(Instant::now()).min(most));
        }
    })
    .broadcast()
}

impl Controlling {
    /// Announces the next epoch when it is due.
    fn tick(&mut self, words: &mut Vec<Signal>) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        if self.epoch == Epoch::default() {
            words.push(Signal::Start(Arc::clone(&self.control.start)));
        }
        self.epoch = self.epoch.next();
        words.push(Signal::Epoch(self.epoch));
        self.next = now + self.control.epoch;
    }

    fn receive(&mut self, report: Report) {
        match (report, self.change.as_mut()) {
            (Report::Ready { generation, faults }, Some(change)) if generation == change.generation => {
                change.ready += 1;
                change.faults = faults;
            }
            (
                Report::BarrierReached(BarrierReached {
                    barrier: SourceBarrier::Switch(generation),
                    positions,
                    ..
                }),
                Some(change),
            ) if generation == change.generation => {
                change.reached += 1;
                change.positions.extend(positions);
            }
            (
                Report::Ready { .. }
                | Report::BarrierReached(BarrierReached { barrier: SourceBarrier::Switch(_), .. })
                | Report::Waits,
                _,
            ) => {}
            (Report::Ended, _) => self.ended.workers += 1,
            (Report::Failed(failure), _) => self.control.effects.send(Effect::Failed(failure)),
            (report @ (Report::BarrierReached(_) | Report::Saved { .. }), _) => {
                if let Some(checkpoints) = &mut self.control.checkpoints {
                    checkpoints.receive(report);
                }
            }
        }
    }

    /// Does everything that is due; returns true when all work is done.
    fn work(&mut self, words: &mut Vec<Signal>) -> Result<bool, Fatal> {
        self.changes(words);
        let passed = |epoch: Epoch| !self.probe.less_than(&epoch);
        let ended = self.ended.workers == self.peers;
        if let Some(checkpoints) = &mut self.control.checkpoints {
            checkpoints.work(self.epoch.next_barrier(), self.peers, &passed, ended, words)?;
        }
        if ended {
            // The last reads are evaluated, and their failures reported, once the epoch of the last report is
            // complete.
            let last = *self.ended.at.get_or_insert(self.epoch);
            let saved = self.control.checkpoints.as_ref().is_none_or(Checkpoints::all_saved);
            let delivery = &self.control.delivery;
            if !self.probe.less_equal(&last)
                && self.change.is_none()
                && saved
                && delivery.has_acknowledged(&delivery.accepted())?
            {
                return Ok(true);
            }
        }
        Ok(self.control.stopping.load(Ordering::SeqCst))
    }

    fn changes(&mut self, words: &mut Vec<Signal>) {
        let Some(change) = self.change.as_mut() else {
            if let Ok(Ordered { set, dropped, remembered }) = self.control.changes.try_recv() {
                self.change = Some(Change {
                    generation: set.generation,
                    ready: 0,
                    faults: RuleFaults::default(),
                    ordered: Some((dropped, remembered)),
                    at: None,
                    reached: 0,
                    positions: self.control.start.positions.clone(),
                });
                words.push(Signal::Prepare(Arc::new(set)));
            }
            return;
        };
        match change.at {
            None if change.ready == self.peers => {
                let at = self.epoch.next_barrier();
                words.push(Signal::Switch { generation: change.generation, at });
                change.at = Some(at);
                // Checkpoints announced from now on come after the switch.
                if let (Some(checkpoints), Some((dropped, rules))) =
                    (&mut self.control.checkpoints, change.ordered.take())
                {
                    checkpoints.rules_change(dropped, rules);
                }
            }
            Some(at) if self.epoch >= at && !self.probe.less_equal(&at) && change.reached == self.peers => {
                let effect = Effect::InForce {
                    epoch: at,
                    positions: std::mem::take(&mut change.positions),
                    faults: std::mem::take(&mut change.faults),
                };
                self.control.effects.send(effect);
                self.change = None;
            }
            _ => {}
        }
    }
}
