//! `evaluate`: from routed records and clocks to triggers.
//!
//! The operator only moves data and capabilities; what may be done when is decided by [`Schedule`].

use std::{cell::Cell, mem, rc::Rc, sync::Arc};

use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Stream, StreamVec,
        channels::pact::Pipeline,
        operators::{
            Capability,
            generic::{OutputBuilder, builder_rc::OperatorBuilder},
        },
    },
};

use super::{
    evaluating::{Emitted, Evaluator, RuleFailure},
    route::by_key,
    schedule::{EvaluateGauge, Schedule},
    signal::{Shelf, Signal},
};
use crate::model::{routed::Routed, trigger::Fired};

/// The streams that come out of `evaluate`.
pub struct Evaluated<'s> {
    /// Triggers.
    pub fired: StreamVec<'s, u64, Fired>,
    /// Failures of rules.
    pub failures: StreamVec<'s, u64, RuleFailure>,
}

/// Evaluates routed records, which are exchanged by key on the way in.
pub fn evaluate<'s>(
    routed: Stream<'s, u64, Routed>,
    signals: StreamVec<'s, u64, Signal>,
    clocks: StreamVec<'s, u64, (u32, i64)>,
    shelf: Arc<dyn Shelf>,
    evaluator: Evaluator,
    gauge: Rc<Cell<EvaluateGauge>>,
) -> Evaluated<'s> {
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("evaluate".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let mut routed = builder.new_input(routed, by_key());
    let mut clocks = builder.new_input(clocks, Pipeline);
    let (fired_output, fired) = builder.new_output::<Vec<Fired>>();
    let (failures_output, failures) = builder.new_output::<Vec<RuleFailure>>();
    let mut fired_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Fired>>>::from(fired_output);
    let mut failures_output =
        OutputBuilder::<_, CapacityContainerBuilder<Vec<RuleFailure>>>::from(failures_output);
    let activator = scope.activator_for(builder.operator_info().address);
    builder.build(move |initial| {
        drop(initial);
        let mut schedule = Schedule::<[Capability<u64>; 2]>::new(evaluator, shelf);
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
            let mut emit = |emitted: &mut Emitted, at: &[Capability<u64>; 2]| {
                if !emitted.triggers.is_empty() {
                    let triggers = emitted.triggers.drain(..).map(Fired::from);
                    fired_output.session(&at[0]).give_iterator(triggers);
                }
                if !emitted.failures.is_empty() {
                    let failures = mem::take(&mut emitted.failures).into_values();
                    failures_output.session(&at[1]).give_iterator(failures);
                }
            };
            let routed_reached = |epoch: u64| !frontiers[1].less_than(&epoch);
            let all_passed = |epoch: u64| !frontiers.iter().any(|f| f.less_equal(&epoch));
            if schedule.work(&routed_reached, &all_passed, &mut emit) {
                activator.activate();
            }
            gauge.set(schedule.gauge());
        }
    });
    Evaluated { fired, failures }
}
