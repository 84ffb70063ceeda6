//! Statements of calculators that fail whenever they are reached.
//!
//! A document with such a statement is not published. A rule that is in force already stays in force: it was
//! published by a release that did not find the statement, and its calls fail where they always did.

use serde_json::Value as Json;

use super::join;
use crate::{
    calculator::Program,
    document::{
        fault::{Fault, Faults},
        span::Span,
        spec::Calculator,
    },
    rule::plan::RulePlan,
};

/// Path of the script of the condition at `path`, or of the params if the script is not in the document.
pub(super) fn script_path(path: &str, calculator: &Calculator) -> String {
    let part = match calculator {
        Calculator::Own(_) => "calculator.script",
        Calculator::Named(_) => "params",
    };
    join(path, part)
}

/// First such statement of the calculator of the condition at `path`.
pub(super) fn fault(path: &str, calculator: &Calculator, program: &Program) -> Option<Fault> {
    let first = program.faults().first()?;
    Some(Fault { path: script_path(path, calculator), message: first.to_string() })
}

/// Fault of an action whose `max_age` is no duration.
fn max_age_fault(action: &Json) -> Option<Fault> {
    let max_age = action.get("max_age")?;
    let message = match max_age.as_str().map(Span::parse) {
        Some(Ok(_)) => return None,
        Some(Err(message)) => message,
        None => format!("{max_age} is not a duration; write a text, such as \"15m\""),
    };
    Some(Fault { path: "action.max_age".to_owned(), message })
}

impl RulePlan {
    /// Checks that no calculator has statements that fail whenever they are reached, and that `max_age` of the
    /// action is a duration.
    ///
    /// # Errors
    /// The first such statement of each calculator, and the `max_age`.
    pub fn check_statements(&self) -> Result<(), Faults> {
        let conditions = self.conditions.iter().zip(&self.spec.conditions).enumerate();
        let faults = conditions.filter_map(|(i, (condition, spec))| {
            fault(&format!("conditions[{i}]"), &spec.calculator, &condition.program)
        });
        let faults: Vec<Fault> = faults.chain(max_age_fault(&self.spec.action)).collect();
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use crate::{
        calculator::Execution,
        document::spec::Rule,
        model::field::Fields,
        rule::{
            compile::{compile, compile_with},
            programs::{Calculators, Programs},
        },
    };

    /// A rule whose second calculator fails if it is reached; its `when` is `when`.
    fn rule(when: &str) -> Arc<Rule> {
        let script = "fn init(params) { #{ n: 0 } }
            fn on_event(state, event, params) { if event.p == 9 { state.n += \"x\"; } true }
            fn outputs(state, params, now) { #{ value: state.n } }";
        let condition =
            |id: &str, calculator| json!({"id": id, "calculator": calculator, "event": {"id": "A"}});
        let document = json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "when": when,
            "conditions": [condition("a", json!("count")), condition("b", json!({"script": script}))]});
        Arc::new(Rule::parse(&document.to_string()).unwrap())
    }

    #[test]
    fn a_max_age_that_is_no_duration_is_a_fault_of_a_publish() {
        for (max_age, expected) in [
            (json!("15m"), None),
            (json!("soon"), Some("`soon` is not a duration")),
            (json!(15), Some("write a text")),
        ] {
            let action = json!({"channel": "coupon", "max_age": max_age});
            let document = json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "action": action});
            let spec = Arc::new(Rule::parse(&document.to_string()).unwrap());
            let faults = compile(spec, 0, &mut Fields::default(), &()).err();
            let fault = faults.map(|faults| (faults.0[0].path.clone(), faults.0[0].message.clone()));
            assert_eq!(fault.is_some(), expected.is_some(), "{max_age}");
            if let (Some((path, message)), Some(expected)) = (fault, expected) {
                assert!(path == "action.max_age" && message.contains(expected), "{path}: {message}");
            }
        }
    }

    #[test]
    fn a_statement_that_never_works_is_a_fault_of_a_publish_and_not_of_a_plan() {
        for execution in [Execution::Compiled, Execution::Interpreted] {
            let calculators = Calculators { scripts: &(), execution, programs: &Programs::default() };
            let rule = rule("a.value > 0 && b.value == 0");
            let plan = compile_with(&calculators, Arc::clone(&rule), 0, &mut Fields::default()).unwrap();
            let faults = plan.check_statements().unwrap_err();
            assert_eq!(faults.0.len(), 1);
            assert_eq!(faults.0[0].path, "conditions[1].calculator.script");
            assert!(faults.0[0].message.starts_with("line 2, column "), "{faults}");
            assert_eq!(compile(rule, 0, &mut Fields::default(), &()).unwrap_err(), faults);
        }
    }

    #[test]
    fn it_is_told_together_with_the_other_faults() {
        let faults = compile(rule("c.value > 0"), 0, &mut Fields::default(), &()).unwrap_err();
        let paths: Vec<_> = faults.0.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["when", "conditions[1].calculator.script"]);
    }
}
