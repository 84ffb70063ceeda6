//! Folding of events into conditions, and running of their timers.

use super::{
    super::lists::{fold_list, is_nested},
    Judge, RuleEvent, runner,
};
use crate::{
    calculator::{CallError, FoldInput},
    model::{field::Field, guid::Guid},
    rule::{book::Target, plan::Lists},
    state::Armed,
};

impl Judge<'_> {
    /// Folds an event into every condition it matches. Returns whether it also is the trigger event.
    pub(super) fn fold(&mut self, targets: &[Target], event: &RuleEvent<'_>) -> bool {
        let mut used_up = None;
        for target in targets {
            let Target::Condition { condition, step, .. } = *target else { return true };
            let condition = usize::from(condition);
            let plan = &self.plan.conditions[condition];
            if used_up == Some(condition) || !plan.window.folds(event.time, event.now, plan.steps) {
                continue;
            }
            let input = FoldInput { time: event.time, now: event.now, step: usize::from(step) };
            let timer = self.state.timer(self.plan, condition);
            let values =
                plan.inputs.iter().map(|f| event.values.iter().find(|(field, _)| field == f).map(|(_, v)| v));
            let mut fields = self.state.fields_mut(self.plan, condition);
            let runner = runner(self.plan, self.workings.runners, condition);
            let folds_lists = event.has_nested && plan.lists != Lists::Absent;
            let nested = plan.inputs.first().filter(|_| folds_lists);
            let nested = nested
                .and_then(|field| event.values.iter().find(|(own, value)| own == field && is_nested(value)));
            let folded = match nested {
                None => runner.on_event(&plan.program, &mut fields, input, values),
                Some((_, nested)) => fold_list(plan.lists, nested, |value| {
                    // A calculator that folds lists reads one property.
                    runner.on_event(&plan.program, &mut fields, input, std::iter::once(value))
                }),
            };
            match folded {
                Ok(used) => {
                    self.workings.counts.folded += 1;
                    used_up = used.then_some(condition);
                }
                Err(CallError::NotFolded(_)) => self.workings.counts.not_folded += 1,
                Err(CallError::Failed(error)) => self.failed(Some(condition), &error.to_string()),
            }
            self.arm_if_changed(condition, timer, |action| armed_by(event, action));
        }
        false
    }

    /// Runs an armed timer. A timer whose deadline excludes it from counting is dropped.
    pub(super) fn run_out(&mut self, condition: usize, armed: &Armed) {
        let deadline = armed.deadline;
        let plan = &self.plan.conditions[condition];
        let counts = self.plan.active(deadline) && plan.window.counts(deadline);
        self.end_timer(condition, armed, counts);
    }

    /// Ends an armed timer: with a call of `on_timer` if it `counts`, else of `on_timer_dropped`.
    pub(super) fn end_timer(&mut self, condition: usize, armed: &Armed, counts: bool) {
        let deadline = armed.deadline;
        let plan = &self.plan.conditions[condition];
        let mut fields = self.state.fields_mut(self.plan, condition);
        let runner = runner(self.plan, self.workings.runners, condition);
        let result = if counts {
            self.workings.counts.timers += 1;
            runner.on_timer(&plan.program, &mut fields, deadline)
        } else {
            runner.on_timer_dropped(&plan.program, &mut fields, deadline)
        };
        self.state.disarm(condition);
        match result {
            // Such a timer would be due again and again without end.
            Ok(()) if self.state.timer(self.plan, condition).is_some_and(|timer| timer <= deadline) => {
                self.state.clear_timer(self.plan, condition);
                let how =
                    "sets a timer that is not after the one that ran out; set it to a later time than `now`";
                self.failed(Some(condition), &format!("`on_timer` {how}, or clear it"));
            }
            Ok(()) => self.arm_if_changed(condition, None, |_| armed.clone()),
            Err(error) => self.failed(Some(condition), &error.to_string()),
        }
    }

    /// Arms or disarms a condition's timer if the script has changed it from `before`; `cause` receives the
    /// fields whose values are to be kept.
    fn arm_if_changed(
        &mut self,
        condition: usize,
        before: Option<i64>,
        cause: impl FnOnce(&[Field]) -> Armed,
    ) {
        if self.plan.conditions[condition].program.timer().is_none() {
            return;
        }
        match self.state.timer(self.plan, condition) {
            after if after == before => {}
            Some(deadline) => {
                self.state.arm(condition, Armed { deadline, ..cause(&self.plan.action_fields) });
            }
            None => self.state.disarm(condition),
        }
    }
}

/// Timer set by an event, its deadline not filled in yet; keeps the values of the fields in `kept`.
fn armed_by(event: &RuleEvent<'_>, kept: &[Field]) -> Armed {
    let values = event.values.iter().filter(|(field, _)| kept.contains(field));
    Armed {
        deadline: 0,
        partition: event.partition,
        offset: event.offset,
        event_id: event.event_id.into(),
        event_time: event.event_time,
        guid: event.guid.map(Guid::to_owned),
        values: values.map(|(field, value)| (*field, value.clone().into_owned())).collect(),
    }
}
