//! Users' calculators that misbehave: refused at publish where that is possible, otherwise quarantined alone.

use serde_json::{Value as Json, json};

use crate::scene::Scene;

/// A rule with a script that has `functions` and an `on_event` with `body`.
fn scripted(rule_id: &str, functions: &str, body: &str) -> Json {
    let script = format!(
        "fn init(params) {{ #{{ value: 0, text: \"aa\" }} }}\n{functions}\n\
         fn on_event(state, event, params) {{ {body} }}\n\
         fn outputs(state, params, now) {{ #{{ value: state.value }} }}"
    );
    json!({"rule_id": rule_id, "trigger": {"event": {"id": "A"}}, "conditions": [
        {"id": "c", "calculator": {"script": script}, "event": {"id": "A"}, "met": "value >= 1"}]})
}

/// Fires on every event; its figure is their number.
fn good() -> Json {
    json!({"rule_id": "good", "conditions": [{"id": "c", "calculator": "count", "event": {"id": "A"}}],
        "trigger": {"event": {"id": "A"}}})
}

fn events(count: i64, x: &Json) -> Vec<String> {
    let event = |n: i64| json!({"guid": n % 3 + 1, "event_id": "A", "event_time": 1_790_035_200_000i64 + n, "properties": {"x": x}});
    (0..count).map(|n| event(n).to_string()).collect()
}

#[test]
fn scripts_that_can_never_run_are_refused_with_line_and_reason() {
    let deep = "fn deeper(n) { deeper(n + 1) }";
    let double = "state.text += state.text; ".repeat(12);
    let bad = [
        scripted("allocates", "", &double),
        scripted("assigns", "", "event = 1;"),
        scripted("calls", "", "state.value = system(1);"),
        scripted("divides", "", "state.value = 1 / 0;"),
        scripted("evaluates", "", "eval(\"1\");"),
        scripted("imports", "", "import \"x\" as x;"),
        scripted("loops", "", "loop { state.value += 1; }"),
        scripted("loops-for", "", "for i in 0..1000000000 { state.value += 1; }"),
        scripted("loops-while", "", "while true { state.value += 1; }"),
        scripted("recurses", deep, "state.value = deeper(0);"),
    ];
    let reasons = [
        "too large",
        "`event` can't be assigned to",
        "there is no function `system`",
        "Division by zero",
        "'eval'",
        "'import'",
        "'loop'",
        "'for'",
        "'while'",
        "Stack overflow",
    ];
    let scene = Scene::with(&bad, &events(6, &json!(1)));
    scene.put(&good());
    let replayed = scene.replay(&["--processes", "2"]);
    assert_eq!(replayed.summary["triggers_by_rule"], json!({"good": 6}));
    assert_eq!(replayed.summary["failed_calls"], 0);
    let refused = replayed.summary["refused_rules"].as_array().unwrap();
    assert_eq!(refused.len(), bad.len(), "{refused:#?}");
    for (rule, expected) in bad.iter().zip(reasons) {
        let origin = format!("rules/{}.json", rule["rule_id"].as_str().unwrap());
        let one = refused.iter().find(|one| one["origin"] == origin.as_str()).expect(&origin);
        let reason = one["reason"].as_str().unwrap();
        assert!(reason.starts_with("conditions[0].calculator.script: line "), "{origin}: {reason}");
        assert!(reason.contains(expected), "{origin}: {reason}");
    }
}

/// Rules that fail only on events whose `x` is 0, and the reason.
fn failing_at_run_time() -> Vec<(Json, &'static str)> {
    let when = json!({"rule_id": "when", "when": "a.value + 9223372036854775807 > b.value", "trigger": {"event": {"id": "A"}}, "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}},
        {"id": "b", "calculator": "count", "event": {"id": "B"}}]});
    let if_zero = |body: &str| format!("if event.x == 0 {{ {body} }} else {{ state.value += 1; }}");
    let deep = "fn deeper(n) { deeper(n + 1) }";
    let again = "fn on_timer(state, now, params) { set_timer(state, now); }";
    vec![
        (
            scripted("repeats", again, &if_zero("set_timer(state, event.time);")),
            "is not after the one that ran out",
        ),
        (scripted("divides", "", "state.value += 6 / event.x;"), "Division by zero"),
        (scripted("recurses", deep, &if_zero("state.value = deeper(0);")), "Stack overflow"),
        (scripted("allocates", "", &if_zero(&"state.text += state.text; ".repeat(12))), "too large"),
        (
            scripted(
                "adds",
                "",
                &if_zero("state.value += 9223372036854775807; state.value += 9223372036854775807;"),
            ),
            "overflow",
        ),
        (when, "`+` overflows"),
    ]
}

#[test]
fn a_rule_that_fails_beyond_its_budget_is_quarantined_alone() {
    let cases = failing_at_run_time();
    let rules: Vec<Json> = cases.iter().map(|(rule, _)| rule.clone()).chain([good()]).collect();
    let alone = Scene::with(&[good()], &events(30, &json!(0))).replay(&[]);
    for processes in ["1", "3"] {
        let scene = Scene::with(&rules, &events(30, &json!(0)));
        let replayed = scene.replay(&["--processes", processes, "--error-budget", "3"]);
        assert_eq!(replayed.summary["refused_rules"], json!([]));
        assert_eq!(replayed.triggers, alone.triggers);
        let quarantined = replayed.summary["quarantined_rules"].as_array().unwrap();
        assert_eq!(quarantined.len(), cases.len(), "{quarantined:#?}");
        for (rule, expected) in &cases {
            let one = quarantined.iter().find(|one| one["rule_id"] == rule["rule_id"]).expect("quarantined");
            let reason = one["reason"].as_str().unwrap().to_lowercase();
            assert!(reason.starts_with("more than 3 failing calls in a minute; the last: "), "{reason}");
            assert!(reason.contains(&expected.to_lowercase()), "{reason}");
        }
        assert!(replayed.summary["failed_calls"].as_u64().unwrap() > 3 * cases.len() as u64);
    }
}

#[test]
fn within_its_budget_a_rule_continues_and_a_failing_call_changes_nothing() {
    let mut stream = events(2, &json!(0));
    stream.extend(events(4, &json!(3)));
    let scene = Scene::with(&[failing_at_run_time().remove(1).0, good()], &stream);
    let replayed = scene.replay(&["--processes", "3", "--error-budget", "2"]);
    assert_eq!(replayed.summary["quarantined_rules"], json!([]));
    assert_eq!(replayed.summary["failed_calls"], 2);
    assert_eq!(replayed.summary["triggers_by_rule"], json!({"divides": 4, "good": 6}));
}
