//! The golden cases and the random strategies publish only rules that the engine accepts.

use std::sync::Arc;

use operators::document::spec::Rule;
use operators::model::field::Fields;
use operators::rule::compile::compile;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;
use strateye_tests::golden;
use strateye_tests::random::{BASE, rule};

/// Why the engine refuses a rule; `None` if it does not.
fn refusal(rule: &Json) -> Option<String> {
    let spec = match Rule::parse(&rule.to_string()) {
        Ok(spec) => spec,
        Err(faults) => return Some(format!("{faults}\n  {rule}")),
    };
    let compiled = compile(Arc::new(spec), BASE, &mut Fields::default(), &());
    compiled.err().map(|faults| format!("{faults}\n  {rule}"))
}

#[test]
fn golden_rules_are_valid() {
    let cases = golden::cases();
    let refusals: Vec<String> = cases
        .iter()
        .flat_map(|case| {
            case.rules.iter().filter_map(|rule| Some(format!("{}: {}", case.name, refusal(rule)?)))
        })
        .collect();
    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
}

#[test]
fn random_rules_are_valid() {
    let mut runner = TestRunner::deterministic();
    let strategy = rule();
    let refusals: Vec<String> =
        (0..500).filter_map(|_| refusal(&strategy.new_tree(&mut runner).unwrap().current())).collect();
    assert!(
        refusals.is_empty(),
        "{} of 500:\n{}",
        refusals.len(),
        refusals[..refusals.len().min(10)].join("\n")
    );
}
