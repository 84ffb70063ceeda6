//! `evaluate`: from routed records and clocks to triggers.
//!
//! **Invariants**
//! - A record of epoch t is evaluated once `Epoch(t)` was heard here, so every switch up to t is known; the sender may
//!   have heard it sooner.
//! - A switch at epoch s is a barrier: records of s and later wait, in their order, until the frontier of routed records
//!   has reached s; then the book changes and they go on. Else nothing waits.
//! - Clocks told at epoch e are applied when all frontiers have passed e, so every record that bears on a timer was
//!   evaluated before it runs. The clock is the least of all partitions'.
//! - Capabilities are held for waiting records and clocks only. What waits is bounded by how far sources read ahead.

use std::{
    cell::Cell, collections::BTreeMap, collections::HashMap, collections::VecDeque, mem, rc::Rc, sync::Arc,
};

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
    judge::EvaluateCounts,
    route::by_key,
    signal::{Shelf, Signal, Switch},
};
use crate::model::{routed::Routed, trigger::Fired};

/// Records and calls after which the worker lets others work, and shows that it is alive.
const SLICE: u64 = 4_096;
/// Keys looked at per epoch for state that can go.
const SWEEP: usize = 2_000;

/// What an `evaluate` shows of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvaluateGauge {
    /// What was counted.
    pub counts: EvaluateCounts,
    /// Keys remembered.
    pub keys: usize,
    /// Bytes of routed records that wait.
    pub waiting_bytes: usize,
    /// The applied clock, unix ms.
    pub clock: i64,
    /// The partition that holds it back.
    pub held_back_by: Option<u32>,
    /// Generation of the book in force.
    pub generation: u64,
    /// Epoch at which it took force.
    pub since_epoch: u64,
}

/// The streams that come out of `evaluate`.
pub struct Evaluated<'s> {
    /// Triggers.
    pub fired: StreamVec<'s, u64, Fired>,
    /// Failures of rules.
    pub failures: StreamVec<'s, u64, RuleFailure>,
}

/// Clocks told at an epoch: partition and clock.
type Told = ([Capability<u64>; 2], Vec<(u32, i64)>);

struct Waiting {
    capability: [Capability<u64>; 2],
    batch: Routed,
    /// Records of it that are evaluated.
    done: usize,
}

/// Evaluates routed records, which are exchanged by key on the way in.
pub fn evaluate<'s>(
    routed: Stream<'s, u64, Routed>,
    signals: StreamVec<'s, u64, Signal>,
    clocks: StreamVec<'s, u64, (u32, i64)>,
    shelf: Arc<dyn Shelf>,
    mut evaluator: Evaluator,
    gauge: Rc<Cell<EvaluateGauge>>,
) -> Evaluated<'s> {
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("evaluate".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let mut routed = builder.new_input(routed, by_key());
    let mut clocks = builder.new_input(clocks, Pipeline);
    let (fired_output, fired_stream) = builder.new_output::<Vec<Fired>>();
    let (failures_output, failures_stream) = builder.new_output::<Vec<RuleFailure>>();
    let mut fired_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Fired>>>::from(fired_output);
    let mut failures_output =
        OutputBuilder::<_, CapacityContainerBuilder<Vec<RuleFailure>>>::from(failures_output);
    let activator = scope.activator_for(builder.operator_info().address);
    builder.build(move |initial| {
        drop(initial);
        let mut waiting: VecDeque<Waiting> = VecDeque::new();
        let mut told: BTreeMap<u64, Told> = BTreeMap::new();
        let mut partitions: HashMap<u32, i64> = HashMap::new();
        let mut switches: VecDeque<Switch> = VecDeque::new();
        let mut announced = None;
        let mut shown = EvaluateGauge::default();
        move |frontiers| {
            signals.for_each(|_, words| {
                for word in words.drain(..) {
                    match word {
                        Signal::Epoch(epoch) => announced = Some(epoch),
                        Signal::Switch { generation, at } => switches.push_back(Switch { generation, at }),
                        Signal::Prepare(_) => {}
                    }
                }
            });
            routed.for_each(|time, batch| {
                shown.waiting_bytes += batch.bytes();
                waiting.push_back(Waiting {
                    capability: [time.retain(0), time.retain(1)],
                    batch: mem::take(batch),
                    done: 0,
                });
            });
            clocks.for_each(|time, clocks| {
                let entry = told
                    .entry(*time.time())
                    .or_insert_with(|| ([time.retain(0), time.retain(1)], Vec::new()));
                entry.1.append(clocks);
            });
            let mut fired_output = fired_output.activate();
            let mut failures_output = failures_output.activate();
            let mut emit = |emitted: &mut Emitted, capability: &[Capability<u64>; 2]| {
                if !emitted.triggers.is_empty() {
                    fired_output
                        .session(&capability[0])
                        .give_iterator(emitted.triggers.drain(..).map(Fired::from));
                }
                if !emitted.failures.is_empty() {
                    failures_output
                        .session(&capability[1])
                        .give_iterator(mem::take(&mut emitted.failures).into_values());
                }
            };
            let mut emitted = Emitted::default();
            // Records as far as they may go, then the switch that held back the rest, and so on.
            let enough = evaluator.counts().work() + SLICE;
            loop {
                let barrier = switches.front().map_or(u64::MAX, |s| s.at);
                let mut next = 0;
                while let Some(first) = waiting.get_mut(next)
                    && evaluator.counts().work() < enough
                {
                    let epoch = *first.capability[0].time();
                    if announced.is_none_or(|a| epoch > a) || epoch >= barrier {
                        next += 1;
                        continue;
                    }
                    while first.done < first.batch.len() && evaluator.counts().work() < enough {
                        // What does not hold together comes from no peer of ours; see `wire`.
                        if let Some(record) = first.batch.get(first.done) {
                            evaluator.record(&record, &mut emitted);
                        }
                        first.done += 1;
                    }
                    emit(&mut emitted, &first.capability);
                    if first.done == first.batch.len() {
                        shown.waiting_bytes -= first.batch.bytes();
                        waiting.remove(next);
                    }
                }
                if evaluator.counts().work() >= enough {
                    activator.activate();
                    break;
                }
                let Some(switch) = switches.front().copied() else { break };
                let reached =
                    announced.is_some_and(|a| a >= switch.at) && !frontiers[1].less_than(&switch.at);
                let Some(applied) = shelf.applied(switch.generation).filter(|_| reached) else { break };
                evaluator.install(Arc::clone(&applied.book));
                (shown.generation, shown.since_epoch) = (switch.generation, switch.at);
                switches.pop_front();
            }
            while let Some(mut entry) = told.first_entry() {
                if frontiers.iter().any(|f| f.less_equal(entry.key()))
                    || waiting.iter().any(|w| w.capability[0].time() <= entry.key())
                {
                    break;
                }
                let (capability, clocks) = entry.get_mut();
                for (partition, clock) in clocks.drain(..) {
                    let known = partitions.entry(partition).or_insert(i64::MIN);
                    *known = (*known).max(clock);
                }
                if let Some((partition, clock)) = partitions.iter().min_by_key(|(_, c)| **c) {
                    (shown.clock, shown.held_back_by) = (*clock, Some(*partition));
                    let done = evaluator.advance(*clock, SLICE, &mut emitted);
                    emit(&mut emitted, capability);
                    if !done {
                        activator.activate();
                        break;
                    }
                }
                entry.remove();
                evaluator.sweep(SWEEP);
            }
            shown.counts = evaluator.counts();
            shown.keys = evaluator.keys();
            gauge.set(shown);
        }
    });
    Evaluated { fired: fired_stream, failures: failures_stream }
}
