//! The judge: one rule, one key, one occurrence: an event is folded or a timer runs, then the rule fires or
//! not.
//!
//! The order is that of `SEMANTICS.md`: `when` before the occurrence, the [folding], `when` after it, then
//! [firing]: the limit and the reset. `when` reads [outputs].

mod firing;
mod folding;
mod outputs;

use self::firing::Why;
pub(super) use self::outputs::{has_grown, number};
use super::{emitted::Emitted, gauge::EvaluateCounts, lapsed::is_lapsed};
use crate::{
    calculator::{Runner, outputs::Outputs},
    expression::Operand,
    model::{
        field::Field,
        guid::Guid,
        ids::{Offset, PartitionId},
        value::Value,
    },
    rule::{
        book::Target,
        plan::{RulePlan, TriggerPlan},
        verdict::{Answers, Question},
    },
    state::{Armed, RuleState},
};

/// An event that concerns a rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuleEvent<'r> {
    /// Ingest time, unix ms; not below that of the key's earlier events.
    pub(super) now: i64,
    /// Time at which the event counts, unix ms: its own, or `now` if that lies too far ahead.
    pub(super) time: i64,
    /// Its own time, unix ms.
    pub(super) event_time: i64,
    /// Wall clock when the source read it, unix µs.
    pub(super) seen: u64,
    /// Its partition.
    pub(super) partition: PartitionId,
    /// Its offset in the partition.
    pub(super) offset: Offset,
    /// Its user.
    pub(super) guid: Option<Guid<'r>>,
    /// Its id.
    pub(super) event_id: &'r str,
    /// Its values that filters, calculators and actions read.
    pub(super) values: &'r [(Field, Value<'r>)],
    /// Whether a list or an object is among them.
    pub(super) has_nested: bool,
}

/// Value of `when` before an occurrence, as far as the trigger needs it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    held: Option<bool>,
    value: Option<f64>,
}

/// Resources of a judge besides plan and state.
pub(super) struct Workings<'j> {
    /// Interpreters of the rule's conditions, made when first needed.
    pub(super) runners: &'j mut [Option<Runner>],
    /// Counts of the worker.
    pub(super) counts: &'j mut EvaluateCounts,
    /// Receives triggers and failures.
    pub(super) out: &'j mut Emitted,
}

/// A rule and its state of a key during one occurrence.
pub(super) struct Judge<'j> {
    plan: &'j RulePlan,
    key: &'j str,
    state: RuleState<'j>,
    workings: Workings<'j>,
    /// Outputs per condition at the instant last evaluated, since the last change of state; empty before any
    /// is asked for.
    outputs: Vec<Option<Outputs>>,
}

impl<'j> Judge<'j> {
    /// Makes the judge of a rule for a key; `state` is brought up to `plan`.
    pub(super) fn new(
        plan: &'j RulePlan,
        key: &'j str,
        state: RuleState<'j>,
        workings: Workings<'j>,
    ) -> Self {
        Judge { plan, key, state, workings, outputs: Vec::new() }
    }

    /// Folds an event into the conditions that `targets` name, and fires if the rule does.
    pub(super) fn event(&mut self, targets: &[Target], event: &RuleEvent<'_>) {
        let before = self.before(event.now);
        let trigger_event = self.fold(targets, event);
        self.folded(before, trigger_event, event);
    }

    /// Judges an event that is folded: fires if the rule does. `before` is what [`Judge::before`] returned
    /// when it was not folded. Returns whether the state may be as new now, or have another timer.
    pub(super) fn folded(&mut self, before: Before, trigger_event: bool, event: &RuleEvent<'_>) -> bool {
        let (plan, now) = (self.plan, event.now);
        let fires = self.fires(before, trigger_event, now);
        if fires {
            self.fire(&Why::Event(event), now);
        }
        self.state.touch(plan, now);
        let history = now < plan.publish && plan.fires_at_publish();
        if history {
            self.state.judge_at_publish();
        }
        fires || history
    }

    /// Fires the rule for an event that is folded, and whose touch is recorded.
    pub(super) fn fire_for(&mut self, event: &RuleEvent<'_>) {
        self.fire(&Why::Event(event), event.now);
    }

    /// Runs whatever is due at `deadline`: the earliest armed timer or, if the key is to be judged then, the
    /// rule's publish.
    pub(super) fn timer(&mut self, deadline: i64) {
        let plan = self.plan;
        if let Some((condition, armed)) = self.armed_at(deadline) {
            // A key's time never goes back: a timer that a late event set is judged at the key's last touch.
            let now = deadline.max(self.state.touched());
            let before = self.before(now);
            self.run_out(condition, &armed);
            if plan.active(deadline) && self.fires(before, false, now) {
                self.fire(&Why::Timer(condition, &armed), now);
            }
        } else if self.state.is_judged_at_publish() && deadline == plan.publish - 1 {
            self.state.judged_at_publish();
            // An edit may have moved publish to an instant before events that are already folded.
            let now = plan.publish.max(self.state.touched());
            let counts = plan.fires_at_publish() && !is_lapsed(plan, &self.state, self.key, now);
            if counts && plan.active(now) && self.holds(now) {
                self.state.set_edge(plan.edited, true);
                self.fire(&Why::Publish, now);
            }
        }
    }

    /// Drops whatever is due at `deadline` in the snapshot of a pause: timers due during a pause neither fire
    /// nor, if the pause is skipped, count.
    pub(super) fn skip_timer(&mut self, deadline: i64) {
        if let Some((condition, armed)) = self.armed_at(deadline) {
            self.end_timer(condition, &armed, false);
        }
        if deadline == self.plan.publish - 1 {
            self.state.judged_at_publish();
        }
    }

    /// Armed timer that is due at `deadline`, with its condition.
    fn armed_at(&self, deadline: i64) -> Option<(usize, Armed)> {
        self.state.armed_at(deadline).map(|(condition, armed)| (condition, armed.clone()))
    }

    /// All conditions' outputs at `now`, by condition id.
    pub(super) fn values(&mut self, now: i64) -> serde_json::Map<String, serde_json::Value> {
        let all = 0..self.plan.conditions.len();
        all.map(|c| (self.plan.conditions[c].id.clone(), self.output(c, now).json().into())).collect()
    }

    /// Evaluates `when` before folding at `now`, as far as the trigger needs it.
    pub(super) fn before(&mut self, now: i64) -> Before {
        let before = match self.plan.trigger {
            TriggerPlan::Event(_) => Before::default(),
            TriggerPlan::Satisfied => {
                let edge = self.state.edge(self.plan.edited);
                let ask = edge.is_none() || self.plan.slides;
                Before { held: Some(edge.unwrap_or(true) && (!ask || self.holds(now))), value: None }
            }
            TriggerPlan::Each { condition, ref value } => {
                Before { held: None, value: self.value(condition, value, now) }
            }
        };
        self.forget_outputs();
        before
    }

    /// Whether the rule fires after folding at `now`, apart from its limit. Records the edge.
    fn fires(&mut self, before: Before, trigger_event: bool, now: i64) -> bool {
        self.forget_outputs();
        match self.plan.trigger {
            TriggerPlan::Event(_) => trigger_event && self.holds(now),
            TriggerPlan::Satisfied => {
                let holds = self.holds(now);
                self.state.set_edge(self.plan.edited, holds);
                holds && before.held != Some(true)
            }
            TriggerPlan::Each { condition, ref value } => {
                has_grown(before.value, self.value(condition, value, now)) && self.holds(now)
            }
        }
    }

    /// Whether `when` holds at `now`.
    pub(super) fn holds(&mut self, now: i64) -> bool {
        let (plan, state) = (self.plan, &mut self.state);
        if let Some(verdict) = &plan.verdict {
            let ask = |c: usize, question: &Question| question.answer(&state.part(c, question.shape()), now);
            return verdict.holds(&mut Answers::default(), ask);
        }
        let Some(when) = &plan.when else {
            return (0..plan.conditions.len()).all(|c| self.met(c, now));
        };
        let holds = when.expression.holds(&mut |slot| match &when.slots[slot] {
            (condition, None) => Operand::Bool(self.met(*condition, now)),
            (condition, Some(output)) => self.read(*condition, output, now),
        });
        holds.unwrap_or_else(|error| {
            self.failed(None, &error.to_string());
            false
        })
    }

    fn met(&mut self, condition: usize, now: i64) -> bool {
        let plan = self.plan;
        let Some(met) = &plan.conditions[condition].met else { return false };
        if let Some((output, threshold)) = &met.threshold {
            return threshold.holds(&output.value(&self.state.fields(plan, condition), now));
        }
        // Outputs that fail are a failure even if the expression reads none.
        if plan.conditions[condition].program.outputs_can_fail() {
            self.output(condition, now);
        }
        match met.expression.holds(&mut |slot| self.read(condition, &met.outputs[slot], now)) {
            Ok(met) => met,
            Err(error) => {
                self.failed(Some(condition), &format!("met: {error}"));
                false
            }
        }
    }

    /// Discards cached outputs, since state or time have changed.
    fn forget_outputs(&mut self) {
        self.outputs.clear();
    }

    fn failed(&mut self, condition: Option<usize>, message: &str) {
        self.workings.counts.failed += 1;
        let place = condition.map_or("when", |c| &self.plan.conditions[c].id);
        self.workings.out.fail(self.plan.id(), format!("{place}: {message}"));
    }
}

/// Interpreter of a condition, made when first needed.
fn runner<'r>(plan: &RulePlan, runners: &'r mut [Option<Runner>], condition: usize) -> &'r mut Runner {
    runners[condition].get_or_insert_with(|| Runner::new(&plan.conditions[condition].program))
}
