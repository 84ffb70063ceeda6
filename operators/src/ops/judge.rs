//! One rule, one key, one happening: fold it, then say whether the rule fires.
//!
//! Order, as `SEMANTICS.md` says: what `when` was before, the folding, what it is after, the limit, the reset.

use crate::{
    calculator::{CallError, Cell, FoldInput, Runner, outputs::Outputs},
    document::spec::Limit,
    expression::Operand,
    model::{
        field::Field,
        ids::{Offset, PartitionId},
        value::Value,
    },
    rule::{
        book::Target,
        plan::{RulePlan, TriggerPlan},
    },
    state::{Armed, RuleState},
};

/// What evaluating has counted, all since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluateCounts {
    /// Routed records evaluated.
    pub records: u64,
    /// Calls of `on_event` that folded.
    pub folded: u64,
    /// Values that a calculator could not take.
    pub not_folded: u64,
    /// Events ignored because they were older than a rule's `late`.
    pub late: u64,
    /// Firings barred because the rule was not live yet, or paused.
    pub sealed: u64,
    /// Firings barred by a limit.
    pub limited: u64,
    /// Timers that ran out.
    pub timers: u64,
    /// Calls and expressions that failed.
    pub failed: u64,
    /// Triggers emitted.
    pub triggers: u64,
}

impl EvaluateCounts {
    /// Records, calls and timers: what evaluation has cost so far, roughly.
    pub fn work(&self) -> u64 {
        self.records + self.folded + self.not_folded + self.failed + self.timers
    }
}

/// An event as a rule sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'r> {
    pub(super) now: i64,
    pub(super) time: i64,
    pub(super) partition: PartitionId,
    pub(super) offset: Offset,
    pub(super) guid: Option<u64>,
    pub(super) event_id: &'r str,
    pub(super) event_time: i64,
    pub(super) values: &'r [(Field, Value<'r>)],
}

/// `when` before a happening, as far as the trigger asks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    held: Option<bool>,
    value: Option<f64>,
}

/// A rule's state and workings during one happening.
pub(super) struct Judge<'j> {
    pub(super) plan: &'j RulePlan,
    pub(super) state: &'j mut RuleState,
    pub(super) runners: &'j mut [Option<Runner>],
    pub(super) counts: &'j mut EvaluateCounts,
    /// Messages of what failed.
    pub(super) failures: &'j mut Vec<String>,
    /// Outputs at the instant last asked for, per condition.
    pub(super) outputs: Vec<Option<Outputs>>,
}

/// The working maps of a condition, made when first needed.
fn runner<'r>(plan: &RulePlan, runners: &'r mut [Option<Runner>], condition: usize) -> &'r mut Runner {
    runners[condition].get_or_insert_with(|| Runner::new(&plan.conditions[condition].program))
}

impl Judge<'_> {
    /// Forgets outputs, since state or time have changed.
    fn changed(&mut self) {
        self.outputs.iter_mut().for_each(|o| *o = None);
    }

    fn failed(&mut self, condition: Option<usize>, message: &str) {
        self.counts.failed += 1;
        let place = condition.map_or_else(|| "when".to_owned(), |c| self.plan.conditions[c].id.clone());
        self.failures.push(format!("{place}: {message}"));
    }

    /// A condition's outputs at `now`; empty if the script fails.
    fn output(&mut self, condition: usize, now: i64) -> &Outputs {
        if self.outputs[condition].is_none() {
            let plan = &self.plan.conditions[condition];
            let cells = &mut self.state.cells[plan.cells.clone()];
            let made = runner(self.plan, self.runners, condition).outputs(&plan.program, cells, now);
            let made = made.unwrap_or_else(|error| {
                self.failed(Some(condition), &error.to_string());
                Outputs::default()
            });
            self.outputs[condition] = Some(made);
        }
        self.outputs[condition].get_or_insert_default()
    }

    fn met(&mut self, condition: usize, now: i64) -> bool {
        let plan = self.plan;
        let Some(met) = &plan.conditions[condition].met else { return false };
        let outputs = self.output(condition, now);
        match met.expression.holds(&mut |slot| outputs.get(&met.outputs[slot])) {
            Ok(met) => met,
            Err(error) => {
                self.failed(Some(condition), &format!("met: {error}"));
                false
            }
        }
    }

    /// Whether `when` holds at `now`.
    pub(super) fn holds(&mut self, now: i64) -> bool {
        let plan = self.plan;
        let Some(when) = &plan.when else {
            return (0..plan.conditions.len()).all(|c| self.met(c, now));
        };
        let holds = when.expression.holds(&mut |slot| match &when.slots[slot] {
            (condition, None) => Operand::Bool(self.met(*condition, now)),
            (condition, Some(output)) => self.output(*condition, now).get(output),
        });
        holds.unwrap_or_else(|error| {
            self.failed(None, &error.to_string());
            false
        })
    }

    /// What has to be known before folding at `now`.
    pub(super) fn before(&mut self, now: i64) -> Before {
        let before = match self.plan.trigger {
            TriggerPlan::Event(_) => Before::default(),
            TriggerPlan::Satisfied => {
                let edge = self.edge();
                let ask = edge.is_none() || self.plan.slides;
                Before { held: Some(edge.unwrap_or(true) && (!ask || self.holds(now))), value: None }
            }
            TriggerPlan::Each(condition) => Before { held: None, value: self.value(condition, now) },
        };
        self.changed();
        before
    }

    /// Whether `when` held at the last touch; `None` for a key that was not judged under this edit of the rule.
    fn edge(&self) -> Option<bool> {
        let (edited, held) = self.state.extra.as_deref()?.edge?;
        (edited == self.plan.edited).then_some(held)
    }

    fn value(&mut self, condition: usize, now: i64) -> Option<f64> {
        match self.output(condition, now).get("value") {
            Operand::Int(i) => Some(i as f64),
            Operand::Float(f) => Some(f),
            _ => None,
        }
    }

    /// Folds an event into every condition it matches. True if it also is the trigger event.
    pub(super) fn fold(&mut self, targets: &[Target], seen: &Seen<'_>) -> bool {
        let mut used_up = None;
        for target in targets {
            let Target::Condition { condition, step, .. } = *target else { return true };
            let condition = usize::from(condition);
            let plan = &self.plan.conditions[condition];
            if used_up == Some(condition) || !plan.window.folds(seen.time, seen.now, plan.steps) {
                continue;
            }
            let input = FoldInput { time: seen.time, now: seen.now, step: usize::from(step) };
            let timer = self.timer(condition);
            let values =
                plan.inputs.iter().map(|f| seen.values.iter().find(|(field, _)| field == f).map(|(_, v)| v));
            self.state.dirty |= 1 << condition;
            let cells = &mut self.state.cells[plan.cells.clone()];
            match runner(self.plan, self.runners, condition).on_event(&plan.program, cells, input, values) {
                Ok(used) => {
                    self.counts.folded += 1;
                    used_up = used.then_some(condition);
                }
                Err(CallError::NotFolded(_)) => self.counts.not_folded += 1,
                Err(CallError::Failed(error)) => self.failed(Some(condition), &error.to_string()),
            }
            self.keep_timer(condition, timer, |action| Armed {
                condition,
                deadline: 0,
                partition: seen.partition,
                offset: seen.offset,
                event_id: seen.event_id.into(),
                event_time: seen.event_time,
                guid: seen.guid,
                values: seen
                    .values
                    .iter()
                    .filter(|(f, _)| action.contains(f))
                    .map(|(f, v)| (*f, v.clone().into_owned()))
                    .collect(),
            });
        }
        false
    }

    /// The condition's timer: a deadline, or -1.
    fn timer(&self, condition: usize) -> i64 {
        match self.plan.timer(condition).map(|t| &self.state.cells[t]) {
            Some(Cell::Int(deadline)) => *deadline,
            _ => -1,
        }
    }

    /// Brings the armed timers in line with the script's, which stood at `before`.
    fn keep_timer(&mut self, condition: usize, before: i64, cause: impl FnOnce(&[Field]) -> Armed) {
        let after = self.timer(condition);
        if after == before {
            return;
        }
        let plan = self.plan;
        let armed = &mut self.state.extra_mut().armed;
        armed.retain(|a| a.condition != condition);
        if after >= 0 {
            armed.push(Armed { deadline: after, ..cause(&plan.action_fields) });
        }
    }

    /// Runs an armed timer out. A timer that may not count, because of its deadline, is dropped.
    pub(super) fn run_out(&mut self, armed: &Armed) {
        let (condition, deadline) = (armed.condition, armed.deadline);
        let plan = &self.plan.conditions[condition];
        let counts = self.plan.active(deadline) && plan.window.folds(deadline, deadline, plan.steps);
        self.end_timer(armed, counts);
    }

    /// Lets go of an armed timer that came due while its time did not count.
    pub(super) fn drop_timer(&mut self, armed: &Armed) {
        self.end_timer(armed, false);
    }

    fn end_timer(&mut self, armed: &Armed, counts: bool) {
        let (condition, deadline) = (armed.condition, armed.deadline);
        let plan = &self.plan.conditions[condition];
        self.state.dirty |= 1 << condition;
        let cells = &mut self.state.cells[plan.cells.clone()];
        let runner = runner(self.plan, self.runners, condition);
        let result = if counts {
            self.counts.timers += 1;
            runner.on_timer(&plan.program, cells, deadline)
        } else {
            runner.on_timer_dropped(&plan.program, cells, deadline)
        };
        self.state.extra_mut().armed.retain(|a| a.condition != condition);
        match result {
            // It would come due again and again without an end.
            Ok(()) if (0..=deadline).contains(&self.timer(condition)) => {
                if let Some(timer) = self.plan.timer(condition) {
                    self.state.cells[timer] = Cell::Int(-1);
                }
                let how =
                    "sets a timer that is not after the one that ran out; set it to a later time than `now`";
                self.failed(Some(condition), &format!("`on_timer` {how}, or clear it"));
            }
            Ok(()) => self.keep_timer(condition, -1, |_| armed.clone()),
            Err(error) => self.failed(Some(condition), &error.to_string()),
        }
    }

    /// Whether the rule fires after folding at `now`, the limit not yet asked. Remembers the edge.
    pub(super) fn fires(&mut self, before: Before, trigger_event: bool, now: i64) -> bool {
        self.changed();
        match self.plan.trigger {
            TriggerPlan::Event(_) => trigger_event && self.holds(now),
            TriggerPlan::Satisfied => {
                let holds = self.holds(now);
                self.remember_edge(holds);
                holds && before.held != Some(true)
            }
            TriggerPlan::Each(condition) => {
                let grown = match (before.value, self.value(condition, now)) {
                    (Some(before), Some(after)) => after > before,
                    (before, after) => before.is_none() && after.is_some_and(|a| a > 0.0),
                };
                grown && self.holds(now)
            }
        }
    }

    pub(super) fn remember_edge(&mut self, holds: bool) {
        self.state.extra_mut().edge = Some((self.plan.edited, holds));
    }

    /// Whether the limit allows a firing at `at`; if so it is noted.
    pub(super) fn allowed(&mut self, at: i64) -> bool {
        let Some(Limit { times, per }) = self.plan.limit() else { return true };
        let firings = &mut self.state.extra_mut().firings;
        while let (Some(per), Some(first)) = (per, firings.front())
            && *first <= at - per.0
        {
            firings.pop_front();
        }
        if firings.len() >= times as usize {
            self.counts.limited += 1;
            return false;
        }
        firings.push_back(at);
        true
    }

    /// All conditions' outputs at `now`.
    pub(super) fn values(&mut self, now: i64) -> serde_json::Map<String, serde_json::Value> {
        let all = 0..self.plan.conditions.len();
        all.map(|c| (self.plan.conditions[c].id.clone(), self.output(c, now).json().into())).collect()
    }

    /// Starts all conditions anew.
    pub(super) fn reset(&mut self, now: i64) {
        self.state.cells = self.plan.initial.iter().cloned().collect();
        self.state.dirty_all();
        if let Some(extra) = self.state.extra.as_deref_mut() {
            extra.armed.clear();
        }
        self.changed();
        if matches!(self.plan.trigger, TriggerPlan::Satisfied) {
            let holds = self.holds(now);
            self.remember_edge(holds);
        }
    }
}
