//! Compilation of a condition: its calculator, filters, window and `met`.

use xxhash_rust::xxh3::xxh3_128;

use super::{
    Compiler, join, position,
    statements::{self, script_path},
};
use crate::{
    calculator::{
        Program,
        aggregate::{Cut, Sliding},
    },
    document::spec::{self, Window},
    expression::Expression,
    filter::Filter,
    rule::{
        met::{Met, OutputPlan},
        params::{self, Resolved},
        plan::{ConditionPlan, WindowPlan},
        programs::Calculators,
    },
};

const MAX_STEPS: usize = 16;

impl Compiler<'_> {
    /// Compiles the condition at `path` of a rule published at `publish` (unix ms).
    /// `None` if it has a fault that keeps the rest of it from being looked at.
    pub(super) fn condition(
        &mut self,
        spec: &spec::Condition,
        path: &str,
        publish: i64,
        key_by: &spec::KeyBy,
    ) -> Option<ConditionPlan> {
        let resolved = match params::resolve(spec, self.calculators.scripts) {
            Ok(resolved) => resolved,
            Err(faults) => {
                faults.into_iter().for_each(|f| self.fault(join(path, &f.path), f.message));
                return None;
            }
        };
        let filters = self.filters(spec, path);
        let window = self.window(spec, path, publish);
        let steps = resolved.steps.then_some(filters.len());
        let (script, params) = (&resolved.script, &resolved.params);
        let Calculators { execution, programs, .. } = self.calculators;
        let program = match programs.compile(execution, script, params, (window.cut(), steps)) {
            Ok(program) => program,
            Err(error) => {
                self.fault(script_path(path, &spec.calculator), error.to_string());
                return None;
            }
        };
        self.statements.extend(statements::fault(path, &spec.calculator, &program));
        Some(ConditionPlan {
            id: spec.id.clone(),
            inputs: program.inputs().0.iter().map(|name| self.fields.intern(name)).collect(),
            met: self.met(spec, path, &program),
            hash: identity(spec, key_by, &resolved, window),
            lists: resolved.lists,
            steps: resolved.steps,
            filters,
            window,
            program,
        })
    }

    /// Filters of the event, or of the steps.
    fn filters(&mut self, spec: &spec::Condition, path: &str) -> Vec<Filter> {
        match (&spec.event, &spec.steps) {
            (Some(event), None) => self.filter(event, &format!("{path}.event")).into_iter().collect(),
            (None, Some(steps)) => {
                if steps.is_empty() || steps.len() > MAX_STEPS {
                    self.fault(format!("{path}.steps"), format!("write 1 to {MAX_STEPS} steps"));
                }
                let each = steps.iter().enumerate();
                each.filter_map(|(i, step)| self.filter(step, &format!("{path}.steps[{i}]"))).collect()
            }
            _ => Vec::new(),
        }
    }

    fn window(&mut self, spec: &spec::Condition, path: &str, publish: i64) -> WindowPlan {
        match &spec.window {
            None => WindowPlan::Since(publish),
            Some(Window::Sliding(span)) => WindowPlan::Sliding(Sliding::new(span.0)),
            Some(Window::This(period)) => WindowPlan::Calendar(period.calendar()),
            Some(Window::Fixed { from, until }) => {
                let from = from.map_or(i64::MIN, |e| e.resolve(publish));
                let until = until.map_or(i64::MAX, |e| e.resolve(publish));
                if from >= until {
                    self.fault(format!("{path}.window"), "`until` must lie after `from`");
                }
                WindowPlan::Fixed { from, until }
            }
        }
    }

    fn met(&mut self, spec: &spec::Condition, path: &str, program: &Program) -> Option<Met> {
        let text = spec.met.as_deref().or_else(|| params::default_met(&spec.calculator))?;
        let mut outputs: Vec<OutputPlan> = Vec::new();
        let known = program.output_names();
        let resolved = Expression::compile(text, &mut |name, output| {
            if output.is_some() || !known.iter().any(|k| **k == *name) {
                return Err(format!("there is no output `{name}`; this calculator has {}", known.join(" ")));
            }
            Ok(position(&mut outputs, OutputPlan::new(name, program)))
        });
        match resolved {
            Ok(expression) => Some(Met::new(expression, outputs)),
            Err(error) => {
                self.fault(format!("{path}.met"), error.to_string());
                None
            }
        }
    }
}

/// Hash of everything that decides how a condition folds: stored state belongs to it, so its text must stay
/// as it is, that of the `Debug` forms included.
fn identity(spec: &spec::Condition, key_by: &spec::KeyBy, resolved: &Resolved, window: WindowPlan) -> u128 {
    let span = match window.cut() {
        Some(Cut::Sliding(sliding)) => Some(sliding.span()),
        _ => None,
    };
    let fixed = format!("{:?}", spec.window.as_ref().map(|_| window).filter(|_| span.is_none()));
    let identity = format!(
        "{}\0{}\0{}\0{}\0{key_by:?}\0{span:?}\0{fixed}",
        spec.id,
        resolved.identity,
        serde_json::to_string(&spec.event).unwrap_or_default(),
        serde_json::to_string(&spec.steps).unwrap_or_default(),
    );
    xxh3_128(identity.as_bytes())
}
