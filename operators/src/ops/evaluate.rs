//! `evaluate`: from routed records and clocks to triggers.
//!
//! The operator only moves data and capabilities; what may be done when is decided by [`Schedule`].

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
            generic::{OutputBuilder, builder_rc::OperatorBuilder},
        },
    },
};

use super::{
    evaluating::{Emitted, Evaluator, RuleFailure, SplitKeys},
    reload::Bounded,
    route::by_key,
    schedule::{EvaluateGauge, Schedule},
    signal::{Saver, Shelf, Signal, Stored},
};
use crate::model::{
    ids::{IngestTime, PartitionId},
    routed::Routed,
    trigger::Fired,
};

/// The streams that come out of `evaluate`.
pub struct Evaluated<'s> {
    /// Triggers.
    pub fired: StreamVec<'s, u64, Fired>,
    /// Failures of rules.
    pub failures: StreamVec<'s, u64, RuleFailure>,
}

/// What evaluating works with.
pub struct Workings {
    /// The process's books.
    pub shelf: Arc<dyn Shelf>,
    /// Keyed state, empty.
    pub evaluator: Evaluator,
    /// Takes checkpoints.
    pub saver: Box<dyn Saver>,
    /// Shows what happens.
    pub gauge: Rc<Cell<EvaluateGauge>>,
    /// Bounds the memory of keys, if it is to be bounded.
    pub bounded: Option<Bounded>,
    /// Takes what could not be done, in words.
    pub refused: Rc<RefCell<Vec<String>>>,
    /// Shows keys found in more than one partition.
    pub split: Rc<RefCell<Vec<SplitKeys>>>,
}

/// Evaluates routed records, which are exchanged by key on the way in, as is stored state, which comes before them.
pub fn evaluate<'s>(
    routed: Stream<'s, u64, Routed>,
    signals: StreamVec<'s, u64, Signal>,
    clocks: StreamVec<'s, u64, (PartitionId, IngestTime)>,
    stored: StreamVec<'s, u64, Stored>,
    workings: Workings,
) -> Evaluated<'s> {
    let Workings { shelf, evaluator, saver, gauge, bounded, refused, split } = workings;
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("evaluate".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let mut routed = builder.new_input(routed, by_key());
    let mut clocks = builder.new_input(clocks, Pipeline);
    let mut stored = builder.new_input(stored, Exchange::new(|s: &Stored| s.to));
    let (fired_output, fired) = builder.new_output::<Vec<Fired>>();
    let (failures_output, failures) = builder.new_output::<Vec<RuleFailure>>();
    let mut fired_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Fired>>>::from(fired_output);
    let mut failures_output =
        OutputBuilder::<_, CapacityContainerBuilder<Vec<RuleFailure>>>::from(failures_output);
    let place = (scope.index(), scope.peers());
    if let Some(bounded) = &bounded {
        let address = builder.operator_info().address.to_vec();
        bounded.loader.wakes(scope.worker().sync_activator_for(address));
    }
    let activator = scope.activator_for(builder.operator_info().address);
    builder.build(move |initial| {
        drop(initial);
        let mut schedule = Schedule::<[Capability<u64>; 2]>::new(evaluator, shelf, saver, place);
        if let Some(bounded) = bounded {
            schedule.bound(bounded);
        }
        move |frontiers| {
            signals.for_each(|_, words| words.drain(..).for_each(|word| schedule.hear(&word)));
            routed.for_each(|time, batch| {
                schedule.hold(*time.time(), [time.retain(0), time.retain(1)], mem::take(batch));
            });
            clocks.for_each(|time, clocks| {
                schedule.tell(*time.time(), || [time.retain(0), time.retain(1)], clocks);
            });
            let mut fired_output = fired_output.activate();
            let mut failures_output = failures_output.activate();
            stored.for_each(|_, batch| schedule.restore(batch.drain(..)));
            let mut emit = |fired: &mut Vec<Fired>, emitted: &mut Emitted, at: &[Capability<u64>; 2]| {
                if !fired.is_empty() {
                    fired_output.session(&at[0]).give_iterator(fired.drain(..));
                }
                if !emitted.failures.is_empty() {
                    let failures = mem::take(&mut emitted.failures).into_values();
                    failures_output.session(&at[1]).give_iterator(failures);
                }
            };
            let routed_reached = |epoch: u64| !frontiers[1].less_than(&epoch);
            let all_passed = |epoch: u64| !frontiers.iter().any(|f| f.less_equal(&epoch));
            if schedule.work(&routed_reached, &all_passed, frontiers[3].is_empty(), &mut emit) {
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
