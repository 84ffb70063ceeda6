//! `strateye replay`: its summary, and the same triggers with any number of processes.

use std::collections::BTreeSet;

use operators::calculator::builtin::BUILTINS;
use serde_json::{Value as Json, json};
use strateye_tests::reference::{self, Options};

use crate::scene::{Scene, lines};
use crate::workload::{Workload, shared_fields};

/// Users per user of the random stream.
const SPREAD: u64 = 25;

#[test]
fn the_summary_has_the_figures_of_the_run() {
    let scene = Scene::with(
        &[
            json!({"rule_id": "each", "name": "每次", "trigger": {"event": {"id": "A"}}}),
            json!({"rule_id": "once", "trigger": {"event": {"id": "A"}}, "limit": {"times": 1}}),
            json!({"rule_id": "late", "trigger": {"event": {"id": "A"}}, "late": "10s"}),
            json!({"rule_id": "number", "trigger": {"event": {"id": "B", "where": [{"property": "x", "op": ">", "value": 1}]}}}),
            json!({"rule_id": "unpaid", "trigger": {"each": "c"}, "conditions": [{
                "id": "c", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "1s"}}]}),
            json!({"rule_id": "broken", "trigger": "never"}),
        ],
        &[
            r#"{"guid": 1, "event_id": "A", "event_time": 1790035200000}"#,
            r#"{"guid": 1, "event_id": "A", "event_time": 1790035260000}"#,
            r#"{"guid": 2, "event_id": "A", "event_time": 1790035200000}"#,
            r#"{"guid": 2, "event_id": "B", "event_time": 1790035200000, "properties": {"x": "many"}}"#,
            "",
            "no event",
            r#"{"guid": 3, "event_id": "C", "event_time": 1790035260000}"#,
        ]
        .map(str::to_owned),
    );
    let summary = scene.replay(&["--processes", "3"]).summary;
    let bytes = std::fs::metadata(scene.path("events.jsonl")).unwrap().len();
    for (name, value) in [
        ("events", json!(6)),
        ("refused_events", json!(1)),
        ("triggers", json!(9)),
        ("triggers_by_rule", json!({"each": 3, "once": 2, "late": 2, "unpaid": 2})),
        ("limited", json!(1)),
        ("late", json!(1)),
        ("wrong_values", json!(1)),
        ("timers", json!(2)),
        ("failed_calls", json!(0)),
        ("sealed", json!(0)),
        ("quarantined_rules", json!([])),
        ("latency_ms", Json::Null),
        ("processes", json!(3)),
    ] {
        assert_eq!(summary[name], value, "{name} in {summary:#}");
    }
    let refused = summary["refused_rules"].as_array().unwrap();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["origin"], "rules/broken.json");
    assert!(refused[0]["reason"].as_str().unwrap().starts_with("trigger"), "{refused:?}");
    // Line ends are not counted.
    assert!((bytes - 7..=bytes).contains(&summary["bytes"].as_u64().unwrap()), "{summary:#}");
    for name in
        ["seconds", "events_per_second", "cpu_seconds", "cpu_cores", "cpu_us_per_event", "peak_memory_bytes"]
    {
        assert!(summary[name].as_f64().is_some_and(|figure| figure > 0.0), "{name} in {summary:#}");
    }
}

#[test]
fn nothing_of_the_summary_is_lost_when_processes_end() {
    let failing = |id: String| {
        json!({"rule_id": id, "when": "a.value + 9223372036854775807 > b.value", "trigger": {"event": {"id": "A"}}, "conditions": [
            {"id": "a", "calculator": "count", "event": {"id": "A"}},
            {"id": "b", "calculator": "count", "event": {"id": "B"}}]})
    };
    let rules: Vec<Json> = (0..4).map(|number| failing(format!("failing-{number}"))).collect();
    let event =
        |n: i64| json!({"guid": n + 1, "event_id": "A", "event_time": 1_790_035_200_000i64 + n}).to_string();
    let scene = Scene::with(&rules, &(0..20).map(event).collect::<Vec<_>>());
    let figures = |summary: &Json| {
        let quarantined = summary["quarantined_rules"].as_array().unwrap().len();
        json!([summary["processes"], summary["events"], summary["failed_calls"], quarantined])
    };
    let runs: Vec<Json> = (0..40)
        .map(|_| figures(&scene.replay(&["--processes", "3", "--error-budget", "0"]).summary))
        .collect();
    let wrong: Vec<&Json> = runs.iter().filter(|figures| **figures != json!([3, 20, 80, 4])).collect();
    assert!(wrong.is_empty(), "processes, events, failed calls, quarantined rules: {wrong:?}");
}

#[test]
fn without_json_triggers_go_to_standard_output_and_figures_to_the_log() {
    let scene = Scene::with(
        &[json!({"rule_id": "a", "name": "甲", "trigger": {"event": {"id": "A"}}})],
        &[r#"{"guid": 1, "event_id": "A", "event_time": 1790035200000}"#.to_owned()],
    );
    let finished = scene.succeed(&["replay", "--rules", "rules", "--events", "events.jsonl"]);
    assert_eq!(finished.output.len(), 1, "{}", finished.all());
    assert_eq!(serde_json::from_str::<Json>(&finished.output[0]).unwrap()["rule_id"], "a");
    let figures = finished.log.iter().find(|line| line.starts_with("1 events in ")).expect("figures");
    assert!(figures.contains(", 1 triggers, 0 lines refused, 0 rules refused"), "{figures}");
    let by_rule: Vec<&str> = finished.log.last().unwrap().split_whitespace().collect();
    assert_eq!(by_rule, ["1", "a", "甲"]);
}

#[test]
fn a_log_that_is_no_terminal_has_no_colours() {
    let scene = Scene::with(&[], &[]);
    let mut command = scene.command(&["replay", "--rules", "rules", "--events", "events.jsonl"]);
    let finished = strateye_tests::command::finish(command.env_remove("NO_COLOR"));
    assert!(!finished.log.iter().any(|line| line.contains('\u{1b}')), "{}", finished.all());
}

#[test]
fn any_number_of_processes_fires_the_same() {
    let Workload { rules, events, profiles } = Workload::spread(SPREAD);
    let scene = Scene::with(&rules, &events.iter().map(Json::to_string).collect::<Vec<_>>());
    scene.write("profiles.jsonl", &lines(&profiles.iter().map(Json::to_string).collect::<Vec<_>>()));
    let run = |processes: &str, codec: &str| {
        scene.replay(&["--profiles", "profiles.jsonl", "--processes", processes, "--codec", codec])
    };
    let one = run("1", "abomonation");
    assert_eq!(one.summary["refused_rules"], json!([]));
    assert_eq!(one.summary["events"], events.len());
    let fired: BTreeSet<&str> =
        one.summary["triggers_by_rule"].as_object().unwrap().keys().map(String::as_str).collect();
    let folding = rules.iter().filter(|rule| fired.contains(rule["rule_id"].as_str().unwrap()));
    let calculators: BTreeSet<&str> = folding
        .flat_map(|rule| rule["conditions"].as_array().into_iter().flatten())
        .map(|condition| condition["calculator"].as_str().unwrap())
        .collect();
    assert_eq!(calculators, BUILTINS.iter().map(|builtin| builtin.name).collect());
    // Most of it is evaluation, so the reported time must be of the order of the reported CPU time.
    let seconds = |name: &str| one.summary[name].as_f64().unwrap();
    assert!(seconds("seconds") > seconds("cpu_seconds") / 10.0, "{:#}", one.summary);
    assert!(one.triggers.len() > 2_000, "only {} triggers", one.triggers.len());
    for (processes, codec) in
        [("2", "bytemuck"), ("4", "abomonation"), ("12", "abomonation"), ("12", "bytemuck")]
    {
        let other = run(processes, codec);
        let (one, other) = (&one.triggers, &other.triggers);
        let differing = one.iter().zip(other).find(|(a, b)| a != b);
        assert!(one == other, "{} and {}: {differing:#?}", one.len(), other.len());
    }
}

#[test]
fn triggers_equal_the_references() {
    let Workload { rules, events, profiles } = Workload::spread(SPREAD);
    let (rules, events) = (&rules[..20], &events[..900]);
    let texts: Vec<String> = events.iter().map(Json::to_string).collect();
    let scene = Scene::with(rules, &texts);
    scene.write("profiles.jsonl", &lines(&profiles.iter().map(Json::to_string).collect::<Vec<_>>()));
    let replayed = scene.replay(&["--profiles", "profiles.jsonl", "--processes", "3"]);
    let outcome = reference::run(rules, &texts, &Options { profiles: Some(profiles), ..Options::default() });
    let (engine, reference) = (shared_fields(&replayed.parsed()), shared_fields(&outcome.triggers));
    let differing: Vec<_> =
        engine.iter().filter(|(line, n)| reference.get(*line) != Some(*n)).take(3).collect();
    let missing: Vec<_> = reference.keys().filter(|line| !engine.contains_key(*line)).take(3).collect();
    assert!(differing.is_empty() && missing.is_empty(), "engine: {differing:#?}\nreference: {missing:#?}");
    assert!(engine.len() > 300, "only {} triggers", engine.len());
}

#[test]
fn events_may_carry_their_fields_under_other_names() {
    let rule = serde_json::json!({
        "rule_id": "r", "conditions": [{"id": "n", "calculator": "count", "event": {"id": "A"}, "met": "value >= 2"}],
        "trigger": {"event": {"id": "A"}},
    });
    let event = |at: u64| format!(r#"{{"user": 7, "what": "A", "when": {at}}}"#);
    let scene = Scene::with(&[rule], &[event(1_790_035_200_000), event(1_790_035_200_001)]);
    scene.write(
        "settings.toml",
        "rules = \"rules\"\n[fields]\nguid = [\"user\"]\nevent_id = [\"what\"]\nevent_time = [\"when\"]\n",
    );
    let finished = scene.run(&["replay", "--config", "settings.toml", "--events", "events.jsonl"]);
    assert_eq!((finished.code, finished.output.len()), (Some(0), 1), "{}", finished.all());
}

/// Three looks within an hour.
fn looks() -> Json {
    json!({"rule_id": "looks", "trigger": "satisfied", "conditions": [
        {"id": "n", "calculator": "count", "event": {"id": "view"}, "window": {"last": "1h"}, "met": "value >= 3"}]})
}

fn look(user: &str, minutes: i64) -> String {
    json!({"guid": user, "event_id": "view", "event_time": 1_790_035_200_000i64 + minutes * 60_000})
        .to_string()
}

#[test]
fn a_file_sorted_by_user_fires_as_in_the_order_of_time_with_its_own_offsets() {
    let events: Vec<String> = ["a", "b", "c"]
        .iter()
        .flat_map(|user| (0..9).map(|n| look(user, n * 19)))
        .chain(["no".to_owned()])
        .collect();
    let scene = Scene::with(&[looks()], &events);
    let fired = |arguments: &[&str]| {
        let replayed = scene.replay(arguments);
        assert_eq!(replayed.dead_letters.len(), 1);
        assert_eq!(replayed.dead_letters[0]["offset"], 27);
        let of = |trigger: Json| {
            (trigger["key"].as_str().unwrap().to_owned(), trigger["cause"]["offset"].as_u64().unwrap())
        };
        replayed.parsed().into_iter().map(of).collect::<BTreeSet<_>>()
    };
    let right =
        BTreeSet::from([("a", 2), ("b", 11), ("c", 20)].map(|(user, offset)| (user.to_owned(), offset)));
    assert_eq!(fired(&["--processes", "3"]), right);
    assert_eq!(fired(&["--order", "time"]), right);
    assert_eq!(
        fired(&["--order", "file"]),
        BTreeSet::from([("a", 2), ("b", 16), ("c", 25)].map(|(user, offset)| (user.to_owned(), offset))),
        "most of the others lies behind the clock of the first"
    );
}

#[test]
fn what_is_dated_in_the_future_moves_no_clock() {
    let stray = json!({"guid": "x", "event_id": "view", "event_time": 4_070_908_800_000i64}).to_string();
    let events = [stray.clone(), look("a", 0), look("a", 1), stray, look("a", 2)];
    let replayed = Scene::with(&[looks()], &events).replay(&[]);
    let fired: Vec<Json> = replayed.parsed().into_iter().map(|trigger| trigger["key"].clone()).collect();
    assert_eq!((fired, &replayed.summary["ahead"]), (vec![json!("a")], &json!(2)));
}

#[test]
fn a_file_without_an_event_fails_with_the_first_reasons() {
    let scene = Scene::with(&[looks()], &["{\"user\": 1}".to_owned(), "a,b,c".to_owned()]);
    let finished = scene.run(&["replay", "--rules", "rules", "--events", "events.jsonl"]);
    assert_eq!(finished.code, Some(1), "{}", finished.all());
    let said = finished.log.join("\n");
    for part in
        ["no line is an event", "line 1: `event_id` is missing", "line 2: the record is not a JSON object"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_replay_overwrites_nothing_unless_it_is_told_to() {
    let scene = Scene::with(&[looks()], &[look("a", 0)]);
    scene.write("kept.jsonl", "precious\n");
    let run = |arguments: &[&str]| {
        let plain = ["replay", "--rules", "rules", "--events", "events.jsonl"];
        scene.run(&[&plain[..], arguments].concat())
    };
    for (arguments, part) in [
        (["--triggers", "events.jsonl"], "this is an input"),
        (["--dead-letters", "./events.jsonl"], "this is an input"),
        (["--triggers", "kept.jsonl"], "--overwrite"),
        (["--dead-letters", "kept.jsonl"], "--overwrite"),
    ] {
        let refused = run(&arguments);
        assert!(refused.code == Some(2) && refused.log.join("\n").contains(part), "{}", refused.all());
    }
    let refused = run(&["--triggers", "events.jsonl", "--overwrite"]);
    assert_eq!(refused.code, Some(2), "{}", refused.all());
    assert_eq!(std::fs::read_to_string(scene.path("kept.jsonl")).unwrap(), "precious\n");
    assert_eq!(std::fs::read_to_string(scene.path("events.jsonl")).unwrap(), format!("{}\n", look("a", 0)));
    assert_eq!(run(&["--triggers", "kept.jsonl", "--overwrite"]).code, Some(0));
    assert_eq!(std::fs::read_to_string(scene.path("kept.jsonl")).unwrap(), "");
}
