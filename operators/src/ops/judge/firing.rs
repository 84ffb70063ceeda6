//! Firing: the limit, the trigger, the reset.

use super::{Judge, RuleEvent};
use crate::{
    document::spec::KeyBy,
    model::{
        field::Field,
        key,
        trigger::{Cause, Trigger},
        value::Value,
    },
    rule::plan::TriggerPlan,
    state::Armed,
};

/// Occurrence that makes a rule fire.
pub(super) enum Why<'w> {
    /// An event.
    Event(&'w RuleEvent<'w>),
    /// A timer that ran out.
    Timer(&'w Armed),
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
        if plan.limit().is_some_and(|limit| !self.state.try_fire(limit, at)) {
            self.workings.counts.limited += 1;
            return;
        }
        self.workings.counts.triggers += 1;
        let values = self.values(at);
        let (cause, shown) = (self.cause(why), key::show(&plan.key, key));
        let event_values = why.values();
        let value = |field: Field| event_values.iter().find(|(f, _)| *f == field).map(|(_, value)| value);
        self.workings.out.triggers.push(Trigger {
            trigger_id: Trigger::id(plan.id(), key, cause.as_ref()),
            rule_id: plan.id().to_owned(),
            name: plan.spec.name.clone(),
            version: plan.version,
            key_by: match &plan.spec.key_by {
                KeyBy::One(field) => field.as_str().into(),
                KeyBy::Tuple(fields) => fields.clone().into(),
            },
            guid: why.guid().or_else(|| plan.key.guid(&shown)),
            key: shown,
            cause,
            fired_at: at,
            values,
            held_out: key::held_out(plan.id(), key, plan.spec.holdout),
            action: plan.action.render(&value),
            seen: why.seen(),
        });
        if plan.spec.reset {
            self.reset(at);
        }
    }

    fn cause(&self, why: &Why<'_>) -> Option<Cause> {
        Some(match why {
            Why::Event(event) => Cause {
                partition: event.partition,
                offset: event.offset,
                event_id: event.event_id.to_owned(),
                event_time: event.event_time,
                condition: None,
                deadline: None,
            },
            Why::Timer(armed) => Cause {
                partition: armed.partition,
                offset: armed.offset,
                event_id: armed.event_id.to_string(),
                event_time: armed.event_time,
                condition: Some(self.plan.conditions[armed.condition].id.clone()),
                deadline: Some(armed.deadline),
            },
            Why::Publish => return None,
        })
    }

    /// Resets all conditions to their initial state.
    fn reset(&mut self, now: i64) {
        self.state.reset_conditions(self.plan);
        self.forget_outputs();
        if matches!(self.plan.trigger, TriggerPlan::Satisfied) {
            let holds = self.holds(now);
            self.state.set_edge(self.plan.edited, holds);
        }
    }
}

impl<'w> Why<'w> {
    /// User of the causing event.
    fn guid(&self) -> Option<u64> {
        match self {
            Why::Event(event) => event.guid,
            Why::Timer(armed) => armed.guid,
            Why::Publish => None,
        }
    }

    /// Wall clock when the source read the event, unix µs; 0 for timers and publish.
    fn seen(&self) -> u64 {
        match self {
            Why::Event(event) => event.seen,
            Why::Timer(_) | Why::Publish => 0,
        }
    }

    /// Values of the causing event.
    fn values(&self) -> &'w [(Field, Value<'w>)] {
        match self {
            Why::Event(event) => event.values,
            Why::Timer(armed) => &armed.values,
            Why::Publish => &[],
        }
    }
}
