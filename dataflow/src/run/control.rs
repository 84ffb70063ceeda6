//! `control`: the clock of the cluster, and the switch of rule books. Works on worker 0, is silent elsewhere.
//!
//! **Protocol of a change.** One at a time: `Prepare` is broadcast; every worker has its process make the book off-thread and
//! answers `Ready`; when all have, `Switch` is broadcast for the epoch two ahead of the last announced; when the
//! dataflow has completed that epoch, the change is in force on all workers and the next one may begin.
//!
//! **Invariants.** Epochs ascend. Between `Switch { at }` and `Epoch(at)` lies exactly one other epoch. A capability is held
//! for the last epoch announced only. No event is read before the first change is in force (`events` sees to it).

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
    ops::{Signal, evaluating::RuleFailure},
    rule::book::ChangeSet,
};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        ProbeHandle, Scope, StreamVec,
        operators::{generic::operator::source, vec::Broadcast},
    },
};

use super::report::Report;

/// What control tells the rules feed.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A change set is in force on all workers.
    InForce {
        /// Its generation.
        generation: u64,
        /// First epoch it holds for.
        epoch: u64,
        /// Rules that did not compile after all.
        rejected: Vec<(String, String)>,
    },
    /// Calls of a rule failed.
    Failed(RuleFailure),
}

/// What control works with; there is one, on worker 0.
pub struct Control {
    /// Change sets to be put in force.
    pub changes: mpsc::Receiver<ChangeSet>,
    /// Where to say what became of them.
    pub effects: mpsc::Sender<Effect>,
    /// Length of an epoch.
    pub epoch: Duration,
    /// Set when the cluster is to end.
    pub stopping: Arc<AtomicBool>,
}

/// Words of workers that have arrived at worker 0.
pub type Mailbox = Rc<RefCell<Vec<Report>>>;

struct Change {
    generation: u64,
    ready: usize,
    rejected: Vec<(String, String)>,
    at: Option<u64>,
}

/// The words of worker 0, on all workers.
pub fn signals<'s>(
    scope: Scope<'s, u64>,
    control: Option<Control>,
    mailbox: Mailbox,
    probe: ProbeHandle<u64>,
) -> StreamVec<'s, u64, Signal> {
    let peers = scope.peers();
    source::<_, CapacityContainerBuilder<Vec<Signal>>, _, _>(scope, "control", move |capability, info| {
        let activator = scope.activator_for(Rc::clone(&info.address));
        let mut capability = control.is_some().then_some(capability);
        let (mut epoch, mut next) = (0u64, Instant::now());
        let (mut ended, mut last) = (0, None);
        let mut change: Option<Change> = None;
        move |output| {
            let (Some(control), Some(held)) = (control.as_ref(), capability.as_mut()) else { return };
            let now = Instant::now();
            if now >= next {
                epoch += 1;
                held.downgrade(&epoch);
                output.session(&*held).give(Signal::Epoch(epoch));
                next = now + control.epoch;
            }
            for report in mailbox.borrow_mut().drain(..) {
                match (report, change.as_mut()) {
                    (Report::Ready { generation, rejected }, Some(change))
                        if generation == change.generation =>
                    {
                        change.ready += 1;
                        change.rejected = rejected;
                    }
                    (Report::Ready { .. }, _) => {}
                    (Report::Ended, _) => ended += 1,
                    // The feed lives as long as this process.
                    (Report::Failed(failure), _) => drop(control.effects.send(Effect::Failed(failure))),
                }
            }
            match change.as_mut() {
                None => {
                    if let Ok(set) = control.changes.try_recv() {
                        change = Some(Change {
                            generation: set.generation,
                            ready: 0,
                            rejected: Vec::new(),
                            at: None,
                        });
                        output.session(&*held).give(Signal::Prepare(Arc::new(set)));
                    }
                }
                Some(Change { at: None, ready, generation, .. }) if *ready == peers => {
                    let at = epoch + 2;
                    output.session(&*held).give(Signal::Switch { generation: *generation, at });
                    if let Some(change) = change.as_mut() {
                        change.at = Some(at);
                    }
                }
                Some(Change { at: Some(at), generation, rejected, .. })
                    if epoch >= *at && !probe.less_equal(at) =>
                {
                    let effect = Effect::InForce {
                        generation: *generation,
                        epoch: *at,
                        rejected: std::mem::take(rejected),
                    };
                    let _ = control.effects.send(effect);
                    change = None;
                }
                Some(_) => {}
            }
            if ended == peers {
                // What was read last is evaluated, and its failures are told, once the epoch of the last word is complete.
                let last = *last.get_or_insert(epoch);
                if !probe.less_equal(&last) && change.is_none() {
                    capability = None;
                    return;
                }
            }
            if control.stopping.load(Ordering::SeqCst) {
                capability = None;
                return;
            }
            activator.activate_after(next.saturating_duration_since(Instant::now()).min(control.epoch));
        }
    })
    .broadcast()
}
