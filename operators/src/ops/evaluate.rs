//! `evaluate`: from routed records and clocks to triggers.
//!
//! The operator only moves data and capabilities; [`Schedule`] decides what may be done when.

use std::{
    cell::{Cell, RefCell},
    mem,
    rc::Rc,
    sync::Arc,
};

use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Stream, StreamVec,
        channels::pact::{Exchange, Pipeline},
        operators::{
            Capability,
            generic::{OutputBuilderSession, builder_rc::OperatorBuilder},
        },
    },
    progress::frontier::MutableAntichain,
};

use super::{
    emitted::{Emitted, RuleFailure},
    evaluating::{Evaluator, SplitKeys},
    gauge::EvaluateGauge,
    kit::{self, Frontier},
    reload::Bounded,
    route::by_key,
    schedule::{Output, Progress, Schedule, WorkerPlace},
    signal::{Saver, Shelf, Signal, Stored},
};
use crate::model::{
    epoch::Epoch,
    ids::{IngestTime, PartitionId},
    routed::Routed,
    trigger::Fired,
};

/// Output streams of `evaluate`.
pub struct Evaluated<'s> {
    /// Triggers.
    pub fired: StreamVec<'s, Epoch, Fired>,
    /// Failures of rules.
    pub failures: StreamVec<'s, Epoch, RuleFailure>,
}

/// Parts of a worker's `evaluate`.
pub struct EvaluateParts {
    /// Rule books of the process.
    pub shelf: Arc<dyn Shelf>,
    /// Keyed state, still empty.
    pub evaluator: Evaluator,
    /// Receives the parts of checkpoints.
    pub saver: Box<dyn Saver>,
    /// Set to the current figures at every activation.
    pub gauge: Rc<Cell<EvaluateGauge>>,
    /// Bound of the memory of keys; `None` without a bound.
    pub bounded: Option<Bounded>,
    /// Receives the reasons why stored states could not be read and corrections could not be applied.
    pub refused: Rc<RefCell<Vec<String>>>,
    /// Set to the keys found in more than one partition whenever their number has grown.
    pub split: Rc<RefCell<Vec<SplitKeys>>>,
}

/// Evaluates routed records and restores stored state before them; both are exchanged by key on the way in.
pub fn evaluate<'s>(
    routed: Stream<'s, Epoch, Routed>,
    signals: StreamVec<'s, Epoch, Signal>,
    clocks: StreamVec<'s, Epoch, (PartitionId, IngestTime)>,
    stored: StreamVec<'s, Epoch, Stored>,
    parts: EvaluateParts,
) -> Evaluated<'s> {
    let EvaluateParts { shelf, evaluator, saver, gauge, bounded, refused, split } = parts;
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("evaluate".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let mut routed = builder.new_input(routed, by_key());
    let mut clocks = builder.new_input(clocks, Pipeline);
    let mut stored = builder.new_input(stored, Exchange::new(|s: &Stored| s.to));
    let (mut fired_output, fired) = kit::output::<Vec<Fired>>(&mut builder);
    let (mut failures_output, failures) = kit::output::<Vec<RuleFailure>>(&mut builder);
    let place = WorkerPlace { index: scope.index(), peers: scope.peers() };
    if let Some(bounded) = &bounded {
        let address = builder.operator_info().address.to_vec();
        bounded.loader.wakes(scope.worker().sync_activator_for(address));
    }
    let activator = scope.activator_for(builder.operator_info().address);
    builder.build(move |initial| {
        drop(initial);
        let mut schedule = Schedule::<Capabilities>::new(evaluator, shelf, saver, place);
        if let Some(bounded) = bounded {
            schedule.bound(bounded);
        }
        move |frontiers| {
            signals.for_each(|_, signals| signals.drain(..).for_each(|signal| schedule.signal(&signal)));
            routed.for_each(|time, batch| {
                schedule.wait(*time.time(), [time.retain(0), time.retain(1)], mem::take(batch));
            });
            clocks.for_each(|time, clocks| {
                schedule.add_clocks(*time.time(), || [time.retain(0), time.retain(1)], clocks);
            });
            stored.for_each(|_, batch| schedule.restore(batch.drain(..)));
            let mut sessions =
                Sessions { fired: fired_output.activate(), failures: failures_output.activate() };
            if schedule.work(progress(frontiers), &mut sessions) {
                activator.activate();
            }
            refused.borrow_mut().append(&mut schedule.take_refused());
            if let Some(keys) = schedule.take_split() {
                split.replace(keys);
            }
            gauge.set(schedule.gauge());
        }
    });
    Evaluated { fired, failures }
}

/// Capabilities of the outputs for triggers and failures.
type Capabilities = [Capability<Epoch>; 2];

/// Progress according to the frontiers of the inputs, in the order in which `evaluate` adds them.
fn progress(frontiers: &[MutableAntichain<Epoch>]) -> Progress {
    let [_signals, routed, _clocks, stored] = [0, 1, 2, 3].map(|input| Frontier::from(&frontiers[input]));
    Progress { routed, stored, slowest: Frontier::slowest(frontiers) }
}

/// Output sessions of one activation.
struct Sessions<'o> {
    fired: OutputBuilderSession<'o, Epoch, CapacityContainerBuilder<Vec<Fired>>>,
    failures: OutputBuilderSession<'o, Epoch, CapacityContainerBuilder<Vec<RuleFailure>>>,
}

impl Output<Capabilities> for Sessions<'_> {
    fn send(&mut self, fired: &mut Vec<Fired>, emitted: &mut Emitted, at: &Capabilities) {
        if !fired.is_empty() {
            self.fired.session(&at[0]).give_iterator(fired.drain(..));
        }
        if !emitted.failures.is_empty() {
            let failures = mem::take(&mut emitted.failures).into_values();
            self.failures.session(&at[1]).give_iterator(failures);
        }
    }
}
