//! Corner cases of the reference that golden cases can't show well.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::duration::{parse_duration, parse_instant, parse_window_end};
use super::event::Event;
use super::expression::{Expression, Figure, Problem, Scope};
use super::filter::holds;
use super::format::Format;
use super::key::Key;
use super::value::Value;
use super::window::Window;
use super::{Options, Outcome, run};

const T: i64 = 1_790_035_200_000;

struct Names(BTreeMap<&'static str, Value>);

impl Scope for Names {
    fn name(&self, name: &str) -> Figure {
        Ok(self.0.get(name).cloned())
    }

    fn output(&self, id: &str, output: &str) -> Figure {
        if id == "a" { self.name(output) } else { Err(Problem) }
    }
}

/// Result of an expression: a value, `None` (absent), or an error.
fn value_of(text: &str) -> Figure {
    Expression::parse(text, false).evaluate(&names())
}

fn names() -> Names {
    let text = Value::Text("abc".to_owned());
    Names([("three", Value::Int(3)), ("half", Value::Float(0.5)), ("word", text)].into())
}

fn int(text: &str) -> i128 {
    match value_of(text) {
        Ok(Some(Value::Int(i))) => i,
        other => panic!("{text}: {other:?}"),
    }
}

fn truth(text: &str) -> bool {
    match value_of(text) {
        Ok(Some(Value::Bool(b))) => b,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn operators_bind_as_in_rhai() {
    assert_eq!(int("1 + 2 * 3 - 4 % 3"), 6);
    assert_eq!(int("2 ** 3 ** 2"), 512, "powers group to the right");
    assert_eq!(int("-2 ** 2"), 4, "a sign binds tighter than a power");
    assert_eq!(int("7 - 2 - 1"), 4);
    assert!(truth("-7 / 2 == -3.5 && 12 / 2 / 3 == 2"));
    assert_eq!(int("-7 % 3"), -1, "a remainder has the sign of what is divided");
    assert_eq!(int("2 * (three + 1)"), 8);
    assert!(truth("true || false && false"));
    assert!(truth("1 < 2 == true"), "orderings bind tighter than equality");
    assert!(truth("!false && 1 + 1 == 2"));
    assert!(truth("a.three > 2 && 0.5 == half && three == 3.0"));
    assert_eq!(int("if three > 5 { 1 } else if word == \"abc\" { 2 } else { 3 }"), 2);
}

#[test]
fn absent_spreads_through_arithmetic_and_stops_at_comparisons() {
    assert!(matches!(value_of("none + 1"), Ok(None)));
    assert!(matches!(value_of("-max(none, 1)"), Ok(None)));
    assert!(!truth("none != 5"));
    assert!(!truth("none == none"));
    assert!(truth("!(none > 5)"));
    assert!(truth("!none || none"));
    assert_eq!(int("if none { 1 } else { 2 }"), 2);
}

#[test]
fn errors_make_the_whole_expression_false() {
    for text in [
        "9223372036854775807 + 1",
        "2 ** 64",
        "2 ** -1",
        "word + 1",
        "-word",
        "!three",
        "three && true",
        "none + 2 ** 64",
        "min(word, 1)",
    ] {
        assert!(value_of(text).is_err(), "{text}");
        let around = format!("!(({text}) == 1)");
        assert!(!Expression::parse(&around, false).holds(&names()), "{around}");
    }
    assert!(truth("true || 2 ** 64 == 1"), "what decides already is not evaluated further");
    for by_zero in ["1 / 0", "1.0 / 0", "0 / 0.0", "1 % 0", "1.5 % 0"] {
        assert!(matches!(value_of(by_zero), Ok(None)), "{by_zero}");
    }
    assert!(truth("3 / 2 == 1.5 && 4 / 2 == 2 && 5 % 3 == 2"));
}

#[test]
fn floats_are_equal_up_to_a_rounding_error() {
    assert!(truth("0.1 + 0.2 == 0.3 && !(0.1 + 0.2 > 0.3) && 0.1 + 0.2 <= 0.3 && !(0.1 + 0.2 != 0.3)"));
    assert!(truth("0.5 > 0.4999999 && 2.0 >= 2 && -0.5 < 0 && 1000000.5 != 1000000"));
    assert!(!truth("2.0 ** 5000 > 5") && !truth("2.0 ** 5000 < 5"), "infinity does not compare");
}

#[test]
fn types_do_not_mix_in_comparisons() {
    assert!(truth("word != 5 && !(word == 5) && !(word < 5) && !(word >= 5)"));
    assert!(truth("word < \"abd\" && word == \"abc\""));
    assert!(truth("true != 1"));
}

#[test]
fn numbers_of_a_filter_expression_are_floats() {
    let nothing = Names(BTreeMap::new());
    // Beyond 53 bits a float does not tell one from the next.
    let text = "9007199254740993 - 9007199254740992 == 0";
    assert!(Expression::parse(text, true).holds(&nothing));
    assert!(!Expression::parse(text, false).holds(&nothing));
}

#[test]
fn durations_and_instants() {
    assert_eq!(parse_duration("1d12h"), 129_600_000);
    assert_eq!(parse_duration("2w"), 1_209_600_000);
    assert_eq!(parse_duration("1m500ms"), 60_500);
    assert_eq!(parse_instant("2026-09-22T08:00:00+08:00"), T);
    assert_eq!(parse_window_end("publish-1h", T), T - 3_600_000);
    assert_eq!(parse_window_end("publish", T), T);
}

#[test]
fn a_sliding_window_is_exact_while_it_holds_few_and_else_holds_whole_buckets() {
    // Buckets of 100 ms.
    let window = Window::Last(6_400);
    let now = 10_000;
    assert!(window.folds(3_601, now) && !window.folds(3_600, now));
    let folded = |more: i64| (0..=more).map(|_| (9_000, Value::Int(1))).collect::<Vec<_>>();
    let holds = |time: i64, now: i64, more: i64| {
        let folded = [vec![(time, Value::Int(2))], folded(more)].concat();
        window.held(&folded, |_| None, now).contains(&&Value::Int(2))
    };
    assert!(holds(3_601, now, 62) && !holds(3_600, now, 62));
    assert!(holds(3_600, now, 63), "the bucket reaches into the window");
    assert!(!holds(3_599, now, 63));
    assert!(holds(3_699, now + 99, 63) && !holds(3_699, now + 200, 63));
    for more in [1, 63] {
        assert!(holds(10_099, now, more), "its bucket has begun");
        assert!(!holds(10_100, now, more), "a bucket ahead waits");
    }
    // Equal values count once.
    let equal = [vec![(3_600, Value::Int(2))], folded(99)].concat();
    assert_eq!(window.held(&equal, |value| Some(value.to_text()), now).len(), 100);
    // Shorter than 64 ms: buckets of one.
    let short = Window::Last(10);
    assert!(short.folds(91, 100) && !short.folds(90, 100));
}

#[test]
fn lines_that_are_no_events_are_told_apart() {
    let good = format!(r#"{{"guid": "18446744073709551615", "event_id": "e", "event_time": {T}}}"#);
    let bad = [
        "",
        "nonsense",
        "[]",
        r#"{"event_id": "e"}"#,
        r#"{"event_time": 1}"#,
        r#"{"event_id": "e", "event_time": -1}"#,
        r#"{"event_id": "e", "event_time": 1}"#,
        r#"{"event_id": "e", "event_time": "1"}"#,
        r#"{"event_id": "e", "event_time": "2026-11-20T00:00:00"}"#,
        r#"{"event_id": "e", "event_time": true}"#,
        r#"{"event_id": "e", "event_time": null}"#,
        r#"{"event_id": "", "event_time": 1793491200}"#,
        r#"{"event_id": "e", "event_time": 1793491200, "properties": {"x": 01}}"#,
        r#"{"event_id": "e", "event_time": 1793491200} x"#,
    ];
    let lines: Vec<String> = bad.iter().map(|line| (*line).to_owned()).chain([good]).collect();
    let rule = json!({"rule_id": "r", "trigger": {"event": {"id": "e"}}});
    let outcome = run(&[rule], &lines, &Options::default());
    assert_eq!(outcome.bad_lines, (0..14).collect::<Vec<u64>>());
    assert_eq!(outcome.triggers.len(), 1);
    assert_eq!(outcome.triggers[0]["key"], json!(u64::MAX));
    assert_eq!(outcome.triggers[0]["cause"]["offset"], json!(14));
}

#[test]
fn values_compare_by_the_type_of_the_rules_value() {
    let text = |s: &str| Some(Value::Text(s.to_owned()));
    let holds = |operator, value: Option<&Value>, operand: &Json| holds(operator, value, operand, None);
    assert!(holds("=", text("12.50").as_ref(), &json!(12.5)));
    assert!(holds("!=", text("abc").as_ref(), &json!(12.5)), "!= is the negation of =");
    assert!(holds("!=", None, &json!(12.5)));
    assert!(holds("!=", Some(&Value::Bool(true)), &json!(1)));
    assert!(holds("!=", Some(&Value::Int(1)), &json!(true)));
    assert!(!holds("=", Some(&Value::Int(10)), &json!("10.0")), "10 has one spelling");
    assert!(holds("=", Some(&Value::Float(10.0)), &json!("10")));
    assert!(holds("=", text("true").as_ref(), &json!(true)));
    assert!(!holds("=", text("007").as_ref(), &json!(7)), "a code is no number");
    assert!(!holds("=", text("10").as_ref(), &json!("10.0")), "texts are equal as texts");
    assert!(holds(">=", text("10").as_ref(), &json!("9")), "two numeric texts order as numbers");
    assert!(holds("<", text("10x").as_ref(), &json!("9")), "else by code point");
    assert!(holds("=", Some(&Value::Int(9_007_199_254_740_993)), &json!(9_007_199_254_740_993i64)));
    assert!(!holds("=", Some(&Value::Int(9_007_199_254_740_992)), &json!(9_007_199_254_740_993i64)));
    assert!(holds("contains", Some(&Value::Float(12.5)), &json!("2.5")));
    assert!(!holds("=", text("inf").as_ref(), &json!("nan")));
}

#[test]
fn keys_and_their_texts() {
    let line =
        json!({"guid": 7, "ip": "i", "event_id": "e", "event_time": T, "properties": {"o": 5, "guid": 9}});
    let event = Event::parse(0, &line.to_string(), &Format::parse(&Json::Null)).unwrap();
    let key = |fields: &[&str]| Key::of(&event, &fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>());
    assert_eq!(key(&["guid"]).unwrap().shown, json!(7));
    assert_eq!(key(&["properties.o"]).unwrap().shown, json!("5"));
    assert_eq!(key(&["properties.guid"]).unwrap().shown, json!("9"));
    assert_eq!(key(&["guid", "properties.o", "ip"]).unwrap().text, r#"[7,"5","i"]"#);
    assert!(key(&["guid", "session_id"]).is_none());
}

#[test]
fn a_holdout_is_a_stable_share_of_the_keys() {
    let held = |share: f64| {
        let key = |n: u64| Key { shown: json!(n), text: n.to_string() };
        (0..2_000).filter(|n| key(*n).held_out("rule", share)).count()
    };
    assert_eq!(held(0.0), 0);
    assert_eq!(held(1.0), 2_000);
    assert!((420..580).contains(&held(0.25)), "{}", held(0.25));
    assert_eq!(held(0.25), held(0.25));
}

/// Runs one rule over events given as (id, seconds, guid).
fn outcome(rule: &Json, events: &[(&str, i64, u64)], publish_at: Option<i64>) -> Outcome {
    let line = |(id, at, guid): &(&str, i64, u64)| {
        json!({"guid": guid, "event_id": id, "event_time": T + at * 1_000}).to_string()
    };
    let lines: Vec<String> = events.iter().map(line).collect();
    run(std::slice::from_ref(rule), &lines, &Options { publish_at, ..Options::default() })
}

#[test]
fn fresh_state_is_left_out() {
    let rule = json!({"rule_id": "r", "trigger": {"event": {"id": "go"}}, "conditions": [
        {"id": "n", "calculator": "count", "event": {"id": "e"}},
        {"id": "slid", "calculator": "count", "event": {"id": "e"}, "window": {"last": "10s"}},
        {"id": "run", "calculator": "sequence", "steps": [{"id": "e"}, {"id": "f"}]},
        {"id": "gone", "calculator": "absence", "steps": [{"id": "e"}, {"id": "f"}], "params": {"within": "50s"}},
    ]});
    let outcome = outcome(&rule, &[("e", 0, 1), ("go", 1, 2), ("x", 60, 3), ("e", 60, 4)], None);
    let entry = |guid: &str, id: &str| outcome.state.get(&("r".to_owned(), guid.to_owned(), id.to_owned()));
    assert_eq!(entry("1", "n"), Some(&json!({"value": 1})));
    assert_eq!(entry("1", "slid"), None, "it has left the window");
    assert_eq!(entry("1", "run"), Some(&json!({"step": 1, "value": 0})));
    assert_eq!(entry("1", "gone"), Some(&json!({"value": 1})), "the timer ran");
    assert_eq!(entry("4", "gone"), Some(&json!({"pending": T + 60_000, "value": 0})));
    assert!(outcome.state.keys().all(|(_, guid, _)| guid == "1" || guid == "4"));
}

#[test]
fn already_fires_once_and_only_when_the_clock_reaches_publish() {
    let rule = json!({"rule_id": "r", "trigger": "satisfied", "already": "fire", "reset": true, "conditions": [
        {"id": "n", "calculator": "count", "event": {"id": "e"}, "window": {"until": "publish"}}]});
    let events = [("e", 0, 1), ("e", 1, 2), ("x", 20, 3)];
    let fired = outcome(&rule, &events, Some(T + 20_000));
    assert_eq!(fired.triggers.len(), 2);
    for trigger in &fired.triggers {
        assert_eq!(trigger["cause"], Json::Null);
        assert_eq!(trigger["fired_at"], json!(T + 20_000));
        assert_eq!(trigger["guid"], trigger["key"]);
    }
    assert!(fired.state.is_empty(), "the firing reset the keys");
    assert!(outcome(&rule, &events, Some(T + 21_000)).triggers.is_empty());
}

#[test]
fn timers_wait_for_the_clock_to_pass_them() {
    let rule = json!({"rule_id": "r", "trigger": {"each": "n"}, "conditions": [
        {"id": "n", "calculator": "absence", "steps": [{"id": "a"}, {"id": "b"}], "params": {"within": "10s"}}]});
    let fired_at = |events: &[(&str, i64, u64)]| -> Vec<i64> {
        outcome(&rule, events, None).triggers.iter().map(|t| t["fired_at"].as_i64().unwrap() - T).collect()
    };
    assert_eq!(fired_at(&[("a", 0, 1), ("x", 9, 2)]), Vec::<i64>::new());
    assert_eq!(fired_at(&[("a", 0, 1), ("x", 10, 2)]), [10_000], "due at the last event's time");
    assert_eq!(
        fired_at(&[("a", 0, 1), ("x", 10, 2), ("b", 10, 1)]),
        Vec::<i64>::new(),
        "a B at the deadline"
    );
    assert_eq!(fired_at(&[("a", 0, 1), ("x", 11, 2), ("b", 10, 1)]), [10_000], "the clock had passed it");
    assert_eq!(fired_at(&[("a", 0, 1), ("a", 11, 1), ("a", 22, 1)]), [10_000, 21_000]);
}
