//! Documents that can't be published: each is refused by itself, with its path and what to write instead.

use serde_json::{Value as Json, json};

use crate::scene::Scene;

const COUNT: &str = r#"{"id": "c", "calculator": "count", "event": {"id": "A"}"#;
const TRIGGER: &str = r#""trigger": {"event": {"id": "A"}}"#;

/// Documents around a fault: beginning and end of the document, beginning and a part of the reason.
fn bad_documents() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let rule = |id: &str, rest: &str| format!(r#"{{"rule_id": "{id}", {rest}}}"#);
    let condition = |id: &str, rest: &str| rule(id, &format!(r#""conditions": [{COUNT}{rest}], {TRIGGER}"#));
    let place = |place: &str| format!(r#""trigger": {{"event": {{"id": "A", "where": [{place}]}}}}"#);
    vec![
        ("json", r#"{"rule_id": "json", "#.to_owned(), "", "write one JSON object"),
        ("id", rule("No Id", TRIGGER), "`rule_id` is \"No Id\"", "write 1 to 64"),
        ("field", rule("field", r#""triger": "satisfied""#), "triger: ", "unknown field"),
        ("trigger", rule("trigger", r#""name": "x""#), "", "missing field `trigger`"),
        (
            "type",
            rule("type", r#""trigger": {"event": {"id": 7}}"#),
            "trigger.event.id: ",
            "expected an event id",
        ),
        (
            "op",
            rule("op", &place(r#"{"property": "x", "op": "like", "value": 1}"#)),
            "trigger.event.where[0].op: ",
            "`starts_with`",
        ),
        (
            "regex",
            rule("regex", &place(r#"{"property": "x", "op": "regex", "value": "("}"#)),
            "trigger.event.where[0].value: ",
            "unclosed group",
        ),
        (
            "calculator",
            rule(
                "calculator",
                &format!(
                    r#""conditions": [{{"id": "c", "calculator": "median", "event": {{"id": "A"}}}}], {TRIGGER}"#
                ),
            ),
            "conditions[0].calculator: ",
            "built in are count",
        ),
        (
            "met",
            condition("met", r#", "met": "total >= 1"}"#),
            "conditions[0].met: ",
            "there is no output `total`; this calculator has value",
        ),
        ("syntax", condition("syntax", r#", "met": "value >="}"#), "conditions[0].met: ", "line 1"),
        (
            "window",
            condition("window", r#", "window": {"last": "5 days"}}"#),
            "conditions[0].window.last: ",
            "such as",
        ),
        (
            "when",
            rule("when", &format!(r#""conditions": [{COUNT}}}], "when": "c && d", {TRIGGER}"#)),
            "when: ",
            "there is no condition `d`; this rule has c",
        ),
        (
            "output",
            rule("output", &format!(r#""conditions": [{COUNT}}}], "when": "c.sum > 1", {TRIGGER}"#)),
            "when: ",
            "`c` has no output `sum`; it has value",
        ),
        (
            "crowd",
            rule(
                "crowd",
                &format!(r#""crowd": {{"profile": {{"tag": "a", "op": "=", "value": 1}}}}, {TRIGGER}"#),
            ),
            "crowd.profile: ",
            "--profiles FILE.jsonl",
        ),
        (
            "bitmap",
            rule("bitmap", &format!(r#""crowd": {{"bitmap": "@@"}}, {TRIGGER}"#)),
            "crowd.bitmap: ",
            "",
        ),
        ("limit", rule("limit", &format!(r#""limit": {{"times": 0}}, {TRIGGER}"#)), "limit.times: ", ""),
        ("holdout", rule("holdout", &format!(r#""holdout": 2, {TRIGGER}"#)), "holdout: ", ""),
        ("zz-twice", rule("good", TRIGGER), "rule `good` is also in rules/good.json", "delete it"),
    ]
}

fn good() -> Json {
    json!({"rule_id": "good", "conditions": [{"id": "c", "calculator": "count", "event": {"id": "A"}}],
        "when": "c.value >= 2", "trigger": {"event": {"id": "A"}}})
}

fn events() -> Vec<String> {
    let event = |n: i64| json!({"guid": n % 2 + 1, "event_id": "A", "event_time": 1_790_035_200_000i64 + n});
    (0..10).map(|n| event(n).to_string()).collect()
}

#[test]
fn each_broken_document_is_refused_by_itself_and_the_good_rule_fires_as_alone() {
    let alone = Scene::with(&[good()], &events()).replay(&["--processes", "2"]);
    let scene = Scene::with(&[good()], &events());
    for (name, document, ..) in bad_documents() {
        scene.write(&format!("rules/{name}.json"), &document);
    }
    scene.write("rules/.hidden.json", "not looked at");
    scene.write("rules/README.md", "not looked at");
    let replayed = scene.replay(&["--processes", "2"]);
    assert_eq!(alone.triggers.len(), 8);
    assert_eq!(replayed.triggers, alone.triggers);
    let refused = replayed.summary["refused_rules"].as_array().unwrap();
    for (name, _, begins, contains) in bad_documents() {
        let origin = format!("rules/{name}.json");
        let reasons: Vec<&str> = refused
            .iter()
            .filter(|one| one["origin"] == origin.as_str())
            .filter_map(|one| one["reason"].as_str())
            .collect();
        let [reason] = reasons[..] else { panic!("{origin}: {reasons:?}") };
        assert!(reason.starts_with(begins) && reason.contains(contains), "{origin}: {reason}");
    }
    assert_eq!(refused.len(), bad_documents().len(), "{refused:#?}");
}

#[test]
fn a_reason_that_quotes_a_huge_document_is_cut_and_nothing_else_suffers() {
    let scene = Scene::with(&[good()], &events());
    // A crowd that lacks the key `bitmap`, longer than a message between processes may be.
    scene.write(
        "rules/huge.json",
        &format!(r#"{{"rule_id": "huge", "crowd": "{}", {TRIGGER}}}"#, "A".repeat(6 << 20)),
    );
    let replayed = scene.replay(&["--processes", "2"]);
    assert_eq!(replayed.triggers.len(), 8);
    let [refused] = &replayed.summary["refused_rules"].as_array().unwrap()[..] else {
        panic!("{}", replayed.summary)
    };
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.starts_with("crowd: ") && reason.ends_with("A…") && reason.len() < 5_000, "{reason}");
}

#[test]
fn check_reports_the_same_for_files_and_folders() {
    let scene = Scene::with(&[good()], &[]);
    let finished = scene.succeed(&["rule", "check", "rules"]);
    assert_eq!(finished.output, ["rules/good.json: ok"]);
    assert_eq!(scene.succeed(&["rule", "check", "rules/good.json"]).output, ["rules/good.json: ok"]);
    // Faults that only a run can find are not checked here.
    let known_later = ["crowd", "bitmap", "zz-twice"];
    let bad: Vec<_> = bad_documents().into_iter().filter(|(name, ..)| !known_later.contains(name)).collect();
    for (name, document, ..) in &bad {
        scene.write(&format!("rules/{name}.json"), document);
    }
    let finished = scene.run(&["rule", "check", "rules"]);
    assert_eq!(finished.code, Some(2));
    assert!(finished.output.contains(&"rules/good.json: ok".to_owned()), "{}", finished.all());
    let all = format!("{} of {} documents can't be published", bad.len(), bad.len() + 1);
    assert!(finished.log.iter().any(|line| line.contains(&all)), "{}", finished.all());
    for (name, _, begins, _) in bad.iter().filter(|(name, ..)| *name != "id") {
        let line = format!("rules/{name}.json: {begins}");
        assert!(finished.output.iter().any(|said| said.starts_with(&line)), "{line}\n{}", finished.all());
        let alone = scene.run(&["rule", "check", &format!("rules/{name}.json")]);
        assert_eq!(alone.code, Some(2), "{}", alone.all());
        assert!(alone.output.iter().any(|said| said.starts_with(&line)), "{line}\n{}", alone.all());
    }
}

#[test]
fn two_faults_of_one_document_are_both_reported() {
    let scene = Scene::new();
    let rule = json!({"rule_id": "two", "trigger": {"event": {"id": "A"}}, "when": "c && e", "conditions": [
        {"id": "c", "calculator": "count", "event": {"id": "A"}, "met": "total > 1"},
        {"id": "d", "calculator": "median", "event": {"id": "A"}}]});
    scene.put(&rule);
    let finished = scene.run(&["rule", "check", "rules"]);
    for place in ["conditions[0].met", "conditions[1].calculator"] {
        let line = format!("rules/two.json: {place}: ");
        assert!(finished.output.iter().any(|said| said.starts_with(&line)), "{line}\n{}", finished.all());
    }
}
