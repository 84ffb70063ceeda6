//! Stall: a dataflow without progress makes the cluster restart, unless it waits for something outside.
//!
//! A worker that restores stored state, or whose store is away, reports it at every epoch; a full sink shows
//! in its gauge. Both hold back the frontier of the whole cluster, so worker 0, which receives all reports,
//! alone decides.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use operators::{model::epoch::Epoch, ops::Signal};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{ProbeHandle, StreamVec, channels::pact::Pipeline, operators::generic::Operator},
    progress::Antichain,
};

use crate::protocol::report::Report;

/// Time without progress after which the dataflow counts as stalled.
const STANDS_AFTER: Duration = Duration::from_secs(30);
/// Validity of a report of waiting: only a dataflow that is alive brings the next.
const REPORT_LASTS: Duration = Duration::from_secs(5);

/// Time of the last report of a worker that it waits.
pub type Waits = Rc<Cell<Option<Instant>>>;

/// Reports at every epoch that this worker is `waiting`, while it is.
pub fn waits<'s>(
    signals: StreamVec<'s, Epoch, Signal>,
    waiting: impl Fn() -> bool + 'static,
) -> StreamVec<'s, Epoch, Report> {
    signals.unary::<CapacityContainerBuilder<Vec<Report>>, _, _, _>(Pipeline, "control.waits", |_, _| {
        move |input, output| {
            input.for_each(|time, words| {
                if waiting() && words.iter().any(|word| matches!(word, Signal::Epoch(_))) {
                    output.session(&time).give(Report::Waits);
                }
            });
        }
    })
}

/// Observer of the frontier.
pub(super) struct Stall {
    frontier: Antichain<Epoch>,
    moved: Instant,
    waits: Waits,
}

impl Stall {
    /// Starts observing now.
    pub(super) fn new(waits: Waits) -> Self {
        Stall { frontier: Antichain::new(), moved: Instant::now(), waits }
    }

    /// Whether the frontier has moved lately, or a worker waits; `full` is whether a sink is full.
    pub(super) fn is_alive(&mut self, probe: &ProbeHandle<Epoch>, full: bool, now: Instant) -> bool {
        let moves = probe.with_frontier(|frontier| {
            let moves = *frontier != *self.frontier.borrow();
            if moves {
                self.frontier = frontier.to_owned();
            }
            moves
        });
        let said = self.waits.get().is_some_and(|at| now.saturating_duration_since(at) < REPORT_LASTS);
        if moves || said || full {
            self.moved = now;
        }
        now.saturating_duration_since(self.moved) < STANDS_AFTER
    }
}

#[cfg(test)]
mod tests {
    use timely::dataflow::operators::{Input, Probe};

    use super::*;

    #[test]
    fn only_what_stands_still_for_no_reason_counts_as_dead() {
        timely::execute_directly(|worker| {
            let (mut input, probe) = worker.dataflow::<Epoch, _, _>(|scope| {
                let (input, stream) = scope.new_input::<Vec<()>>();
                (input, stream.probe().0)
            });
            let waits = Waits::default();
            let mut stall = Stall::new(Rc::clone(&waits));
            let begun = Instant::now();
            let at = |seconds| begun + Duration::from_secs(seconds);
            assert!(stall.is_alive(&probe, false, at(1)));
            assert!(stall.is_alive(&probe, false, at(30)));
            assert!(!stall.is_alive(&probe, false, at(31)), "nothing moves");
            input.advance_to(Epoch(1));
            worker.step_while(|| probe.less_than(&Epoch(1)));
            assert!(stall.is_alive(&probe, false, at(40)));
            waits.set(Some(at(68)));
            assert!(stall.is_alive(&probe, false, at(72)), "a worker waits");
            assert!(stall.is_alive(&probe, false, at(101)));
            assert!(!stall.is_alive(&probe, false, at(102)), "its last report is old");
            assert!(stall.is_alive(&probe, true, at(110)), "a sink is full");
            assert!(stall.is_alive(&probe, false, at(139)));
            assert!(!stall.is_alive(&probe, false, at(140)));
        });
    }
}
