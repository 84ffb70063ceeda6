//! Every statement, expression and function that is compiled.

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::json;

use super::pair::{Case, calls};
use crate::calculator::Execution;

/// Bodies of `on_event` that are compiled.
const COMPILED: &[&str] = &[
    // Statements.
    "true",
    "",
    ";",
    "state.a = 3; true",
    "state.a += 1; state.a -= 2; state.a *= 3; state.a /= 2; state.a %= 7; state.a **= 1; true",
    "state.a |= 8; state.a &= 13; state.a ^= 1; state.a <<= 1; state.a >>= 1; true",
    "state.ok = !state.ok; state.ok",
    "let x = event.step; x += 1; state.a = x; let y = x > 1; y = !y; y",
    "const K = 5; state.a = K * 2; true",
    "if state.a > 3 { state.a = 0; } else if event.step == 1 { state.a += 2; } else { state.a += 1; } true",
    "if event.step == 0 { return true; } state.a += 1; false",
    "if event.step == 0 { return; } state.a += 1; true",
    "{ let x = 1; state.a += x; } { let x = 2; state.b += x; } true",
    "state.a + 1; true",
    "if event.step == 1 { true } else { state.ok }",
    "state.b = 1; if state.a + 1 > 2 { state.a = 0; return true; } state.a += 1; state.b = state.a * 2; state.ok",
    // Expressions.
    "state.a = (event.time - event.now) * 2 + event.step; state.a < 0 || event.step == 2 && state.ok",
    "state.a = event[\"step\"] + params.limit - params[\"limit\"]; event.p != ()",
    "event[params.of] == ()",
    "state.a = -event.step; state.b = -(1 + event.step); !(state.a < state.b)",
    "params.none == () && (params.word == \"w\" || state.a / 0 == 1)",
    "state.ok == true || state.ok != false || state.a == () || state.a != \"t\"",
    "state.a = event.step << 3 >> 1 & 7 | 8 ^ 1; state.a ** 2 % 5 / 1 > 0",
    "event.p > 3 && event.p != 8.5 || event.p == \"x\" || 7 >= event.p && event.p != false",
    "if event.p >= state.a { state.a += 2; } else if 2.25 < event.p { state.a = 1; } state.a < 9 || !(event.p < -1.5)",
    // Functions.
    "state.a = abs(event.time - event.now); state.b = min(state.a, 9) + max(state.b, -7) + to_int(3); true",
    "state.plain.add(event.time, event.now); state.a = state.plain.at(event.now); true",
    "state.hits.add(event.time, event.now); true",
    "state.a = state.hits.at(event.now) + state.seen.at(event.now); state.hits.add(event.now, event.now); true",
    "if event.p != () { state.seen.add(event.p, event.time, event.now); } true",
    "state.nums.add(event.p, event.time, event.now); true",
    "state.nums.add(event.step, event.time, event.now); true",
    "if event.p != () { state.all.add(event.p); } true",
    "if event.p != () { state.last.add(event.p, event.time, event.now); } true",
    "state.tops.add(event.p, event.time, event.now);",
    "set_timer(state, event.time + 500); if event.step == 2 { clear_timer(state); } true",
];

/// Bodies that are interpreted, with the reason.
const INTERPRETED: &[(&str, &str)] = &[
    ("state.f += 1.5; true", "a field that is a float"),
    ("switch event.step { 0 => true, _ => false }", "`switch`"),
    ("let x = event.p; true", "not known to be an integer"),
    ("state.hits.add(event.time, event.now); state.a += 1; true", "compute first, add last"),
    ("helper(1) > 0", "the script's own function `helper`"),
];

fn case(body: &str) -> Case {
    let script = format!(
        "fn init(params) {{ #{{ a: 0, b: 4, f: 0.0, ok: false, plain: count(()), hits: count(1000), seen: distinct(1000),
             nums: stats(1000), all: stats(), last: latest(()), tops: top(2, 1000) }} }}
         fn helper(x) {{ x + 1 }}
         fn on_event(state, event, params) {{ {body} }}
         fn on_timer(state, now, params) {{ state.a += 1; set_timer(state, now + 1000); }}
         fn on_timer_dropped(state, now, params) {{ state.b = 0; }}
         fn outputs(state, params, now) {{ #{{ value: state.a, hits: state.hits.at(now), plain: state.plain.at(now),
             b: if state.b < 0 {{ () }} else {{ state.b }}, ok: state.ok, seen: state.seen.at(now) }} }}"
    );
    let params = json!({"limit": 40, "none": null, "word": "w", "of": "p"});
    Case { script, params: params.as_object().cloned().unwrap_or_default(), window: None, steps: Some(3) }
}

#[test]
fn each_part_is_compiled_and_equals_the_interpreter() {
    let mut runner = TestRunner::deterministic();
    let calls = calls(3, 300).new_tree(&mut runner).unwrap().current();
    for body in COMPILED {
        let program = case(body).compare(&calls).unwrap_or_else(|e| panic!("{e}\n{body}"));
        let program = program.unwrap_or_else(|| panic!("refused: {body}"));
        let interpreted: Vec<_> = program.interpreted().map(|(f, why)| format!("{f}: {why}")).collect();
        assert!(interpreted.is_empty(), "{body}: {interpreted:?}");
    }
}

#[test]
fn what_is_interpreted_says_why() {
    for (body, reason) in INTERPRETED {
        let program = case(body).compile(Execution::Compiled).unwrap();
        let interpreted: Vec<_> = program.interpreted().map(|(f, why)| format!("{f}: {why}")).collect();
        let [only] = &interpreted[..] else { panic!("{body}: {interpreted:?}") };
        assert!(only.starts_with("on_event: ") && only.contains(reason), "{body}: {only}");
    }
}
