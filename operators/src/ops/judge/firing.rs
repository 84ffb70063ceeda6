//! Firing: the limit, the trigger, the reset.

use super::{Judge, RuleEvent};
use crate::{
    model::{
        field::Field,
        guid::{Guid, OwnedGuid},
        trigger::Cause,
        value::Value,
    },
    rule::{
        plan::{RulePlan, TriggerPlan},
        trigger_line::{Firing, TriggerLine},
    },
    state::Armed,
};

/// Occurrence that makes a rule fire.
pub(super) enum Why<'w> {
    /// An event.
    Event(&'w RuleEvent<'w>),
    /// A timer of a condition that ran out.
    Timer(usize, &'w Armed),
    /// The rule's publish.
    Publish,
}

impl Judge<'_> {
    /// Fires the rule at `at` (unix ms), unless publish, pause or limit forbid it.
    pub(super) fn fire(&mut self, why: &Why<'_>, at: i64) {
        let (plan, key) = (self.plan, self.key);
        if plan.sealed(at) {
            self.workings.counts.sealed += 1;
            return;
        }
        if plan.limit.is_some_and(|limit| !self.state.try_fire(limit, at)) {
            self.workings.counts.limited += 1;
            return;
        }
        self.workings.counts.triggers += 1;
        let cause = why.cause(plan);
        let firing = Firing { plan, key, cause, guid: why.guid(), at, seen: why.seen() };
        let mut line = TriggerLine::begin(&firing);
        for condition in 0..plan.conditions.len() {
            line.values(self.output(condition, at));
        }
        let event_values = why.values();
        let value = |field: Field| event_values.iter().find(|(f, _)| *f == field).map(|(_, value)| value);
        self.workings.out.triggers.push(line.end(&value));
        if plan.spec.reset {
            self.reset(at);
        }
    }

    /// Resets all conditions to their initial state.
    fn reset(&mut self, now: i64) {
        self.state.reset_conditions();
        self.forget_outputs();
        if matches!(self.plan.trigger, TriggerPlan::Satisfied) {
            let holds = self.holds(now);
            self.state.set_edge(self.plan.edited, holds);
        }
    }
}

impl<'w> Why<'w> {
    fn cause<'c>(&'c self, plan: &'c RulePlan) -> Option<Cause<'c>> {
        Some(match self {
            Why::Event(event) => Cause {
                partition: event.partition,
                offset: event.offset,
                event_id: event.event_id.into(),
                event_time: event.event_time,
                condition: None,
                deadline: None,
            },
            Why::Timer(condition, armed) => Cause {
                partition: armed.partition,
                offset: armed.offset,
                event_id: (&*armed.event_id).into(),
                event_time: armed.event_time,
                condition: Some((&*plan.conditions[*condition].id).into()),
                deadline: Some(armed.deadline),
            },
            Why::Publish => return None,
        })
    }

    /// User of the causing event.
    fn guid(&self) -> Option<Guid<'_>> {
        match self {
            Why::Event(event) => event.guid,
            Why::Timer(_, armed) => armed.guid.as_ref().map(OwnedGuid::as_guid),
            Why::Publish => None,
        }
    }

    /// Wall clock when the source read the event, unix µs; 0 for timers and publish.
    fn seen(&self) -> u64 {
        match self {
            Why::Event(event) => event.seen,
            Why::Timer(..) | Why::Publish => 0,
        }
    }

    /// Values of the causing event.
    fn values(&self) -> &'w [(Field, Value<'w>)] {
        match self {
            Why::Event(event) => event.values,
            Why::Timer(_, armed) => &armed.values,
            Why::Publish => &[],
        }
    }
}
