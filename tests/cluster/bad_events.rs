//! Lines that are no events: each becomes a dead letter with its offset and a remedy; nothing else changes.

use serde_json::{Value as Json, json};

use crate::scene::Scene;

/// Malformed lines, and a part of their dead letters' reasons.
fn bad_lines() -> Vec<(String, &'static str)> {
    let event = |more: &str| format!(r#"{{"guid": 1, "event_id": "A", "event_time": 1790035200000{more}}}"#);
    let padding = "x".repeat(10 << 20);
    vec![
        ("no json".to_owned(), "not a JSON object"),
        ("[1, 2]".to_owned(), "not a JSON object"),
        ("\"text\"".to_owned(), "not a JSON object"),
        (r#"{"guid": 1, "event_id": "A", "event_time": 1790035200000"#.to_owned(), "broken JSON"),
        (r#"{"guid": 1, "event_id": "A", "event_time": 17900352 00000}"#.to_owned(), "broken JSON"),
        (event(r#", "properties": {"x": 1]"#), "broken JSON"),
        (format!("{} {}", event(""), event("")), "broken JSON"),
        (r#"{"guid": 1, "event_time": 1790035200000}"#.to_owned(), "`event_id` is missing"),
        (r#"{"guid": 1, "event_id": "A"}"#.to_owned(), "`event_time` is missing"),
        (r#"{"guid": 1, "event_id": "A", "event_time": -1}"#.to_owned(), "`event_time`"),
        (r#"{"guid": 1, "event_id": "A", "event_time": 1.5}"#.to_owned(), "`event_time_unit`"),
        (r#"{"guid": 1, "event_id": "A", "event_time": "soon"}"#.to_owned(), "`event_time`"),
        (r#"{"guid": 1, "event_id": ["A"], "event_time": 1790035200000}"#.to_owned(), "`event_id`"),
        (event(&format!(r#", "properties": {{"x": "{padding}"}}"#)), "`max_record_bytes`"),
        (
            event(&format!(r#", "properties": {{"x": {}1{}}}"#, "[".repeat(5_000), "]".repeat(4_999))),
            "broken JSON",
        ),
    ]
}

fn rules() -> Vec<Json> {
    vec![
        json!({"rule_id": "count", "conditions": [{"id": "c", "calculator": "count", "event": {"id": "A"}}],
            "trigger": {"event": {"id": "A"}}}),
        json!({"rule_id": "unpaid", "conditions": [{"id": "c", "calculator": "absence",
            "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "3s"}}], "trigger": {"each": "c"}}),
    ]
}

#[test]
fn bad_lines_are_dead_letters_and_the_rest_fires_as_without_them() {
    let bad = bad_lines();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (number, (line, _)) in (0i64..).zip(&bad) {
        // The malformed line comes first, so that a reader that swallows what follows it fails the test.
        with.push(line.clone());
        without.push(String::new());
        let good = json!({"guid": number % 3 + 1, "event_id": "A", "event_time": 1_790_035_200_000i64 + number * 1_000});
        with.push(good.to_string());
        without.push(good.to_string());
    }
    let scene = Scene::with(&rules(), &with);
    let marred = scene.replay(&["--processes", "3"]);
    assert_eq!(marred.summary["refused_events"], bad.len());
    assert_eq!(marred.dead_letters.len(), bad.len());
    for (number, (line, reason)) in bad.iter().enumerate() {
        let letter = marred.dead_letters.iter().find(|letter| letter["offset"] == 2 * number);
        let letter = letter.unwrap_or_else(|| panic!("no dead letter of {reason}"));
        let sample = letter["sample"].as_str().unwrap();
        assert!(letter["reason"].as_str().unwrap().contains(reason), "{reason}: {letter}");
        assert!(!sample.is_empty() && sample.len() <= 512 && line.starts_with(sample), "{letter}");
        assert_eq!(letter["partition"], 0);
    }
    scene.write("events.jsonl", &crate::scene::lines(&without));
    let clean = scene.replay(&["--processes", "3"]);
    assert_eq!(clean.summary["refused_events"], 0);
    assert!(clean.triggers.len() > bad.len());
    assert_eq!(marred.triggers, clean.triggers);
}

#[test]
fn bytes_that_are_not_utf8_become_a_dead_letter_in_utf8() {
    let scene = Scene::with(&rules()[..1], &[]);
    let good = br#"{"guid": 1, "event_id": "A", "event_time": 1790035200000}"#;
    let bad = b"{\"guid\": 1, \"event_id\": \"A\", \"event_time\": 1790035200000, \"properties\": {\"x\": \"\xff\"}}";
    std::fs::write(scene.path("events.jsonl"), [&good[..], bad, b"\xff\xfe", b"\0", good].join(&b'\n'))
        .unwrap();
    let replayed = scene.replay(&[]);
    let mut offsets: Vec<u64> =
        replayed.dead_letters.iter().map(|letter| letter["offset"].as_u64().unwrap()).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, [1, 2, 3], "{:?}", replayed.dead_letters);
    assert_eq!(replayed.triggers.len(), 2);
}

#[test]
fn events_that_concern_no_rule_are_read_and_are_no_error() {
    let events: Vec<String> = ["unknown", "A", " ", "重庆", "A"]
        .iter()
        .zip(0i64..)
        .map(|(id, n)| json!({"guid": 1, "event_id": id, "event_time": 1_790_035_200_000i64 + n}).to_string())
        .collect();
    let replayed = Scene::with(&rules()[..1], &events).replay(&["--processes", "2"]);
    let figures: Vec<&Json> =
        ["events", "refused_events", "triggers"].map(|name| &replayed.summary[name]).into();
    assert_eq!(figures, [5, 0, 2], "{:?}", replayed.dead_letters);
}

#[test]
fn values_of_the_wrong_type_are_counted_and_not_folded() {
    let rule = json!({"rule_id": "sum", "trigger": {"event": {"id": "A"}}, "conditions": [
        {"id": "s", "calculator": "stats", "params": {"of": "amt"}, "met": "sum > 0", "event": {"id": "A"}},
        {"id": "c", "calculator": "count", "event": {"id": "A", "where": [{"property": "amt", "op": ">=", "value": 0}]}}]});
    let amounts =
        [json!(1), json!("2.5"), json!("many"), json!(true), json!(null), json!([1]), json!({"a": 1})];
    let events: Vec<String> = amounts
        .iter()
        .zip(0i64..)
        .map(|(amt, n)| {
            let event = json!({"guid": 1, "event_id": "A", "event_time": 1_790_035_200_000i64 + n, "properties": {"amt": amt}});
            event.to_string()
        })
        .collect();
    let replayed = Scene::with(&[rule], &events).replay(&[]);
    let last =
        replayed.parsed().into_iter().max_by_key(|trigger| trigger["cause"]["offset"].as_u64()).unwrap();
    assert_eq!(last["values"]["s"]["sum"].as_f64(), Some(4.5));
    assert_eq!(last["values"]["c"]["value"], 3);
    // The text and the boolean, once by the comparison and once by the calculator.
    assert_eq!(replayed.summary["wrong_values"], 4, "{:#}", replayed.summary);
    assert_eq!(replayed.summary["refused_events"], 0);
}
