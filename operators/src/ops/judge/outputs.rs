//! Outputs of conditions, as `met` and `when` read them.

use super::{Judge, runner};
use crate::{
    calculator::outputs::Outputs,
    expression::Operand,
    rule::met::{OutputPlan, Read},
};

impl Judge<'_> {
    pub(super) fn value(&mut self, condition: usize, output: &OutputPlan, now: i64) -> Option<f64> {
        number(&self.read(condition, output, now))
    }

    /// An output of a condition at `now`; absent if the script fails.
    pub(super) fn read(&mut self, condition: usize, output: &OutputPlan, now: i64) -> Operand<'static> {
        let plan = self.plan;
        let known = self.outputs.get(condition).is_some_and(Option::is_some);
        match output.read {
            Read::Direct(direct) => {
                return direct.value(&self.state.fields(plan, condition), now).into_owned();
            }
            Read::Alone(position) if !known => {
                let program = &plan.conditions[condition].program;
                match program.output(&mut self.state.fields(plan, condition), now, position) {
                    Ok(value) => return value.into_owned(),
                    Err(error) => {
                        self.failed(Some(condition), &error.to_string());
                        *self.cached(condition) = Some(Outputs::default());
                    }
                }
            }
            Read::Alone(_) | Read::Together => {}
        }
        self.output(condition, now).get(&output.name)
    }

    /// The outputs of a condition, if they have been computed.
    fn cached(&mut self, condition: usize) -> &mut Option<Outputs> {
        if self.outputs.is_empty() {
            self.outputs.resize_with(self.plan.conditions.len(), || None);
        }
        &mut self.outputs[condition]
    }

    /// A condition's outputs at `now`; empty if the script fails.
    pub(super) fn output(&mut self, condition: usize, now: i64) -> &Outputs {
        if self.cached(condition).is_none() {
            let plan = self.plan;
            let mut fields = self.state.fields(plan, condition);
            let runner = runner(plan, self.workings.runners, condition);
            let made = runner.outputs(&plan.conditions[condition].program, &mut fields, now);
            let made = made.unwrap_or_else(|error| {
                self.failed(Some(condition), &error.to_string());
                Outputs::default()
            });
            *self.cached(condition) = Some(made);
        }
        self.cached(condition).get_or_insert_default()
    }
}

/// An output as a number.
pub(in crate::ops) fn number(output: &Operand<'_>) -> Option<f64> {
    match output {
        Operand::Int(i) => Some(*i as f64),
        Operand::Float(f) => Some(*f),
        _ => None,
    }
}

/// Whether a count of completions is greater after an occurrence than before.
pub(in crate::ops) fn has_grown(before: Option<f64>, after: Option<f64>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => after > before,
        (before, after) => before.is_none() && after.is_some_and(|after| after > 0.0),
    }
}
