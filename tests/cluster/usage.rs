//! Exit codes: 0 done, 1 failed, 2 bad usage or input; and the messages.

use serde_json::json;
use strateye_tests::command::Finished;

use crate::scene::Scene;

fn scene() -> Scene {
    let event = r#"{"guid": 1, "event_id": "A", "event_time": 1790035200000}"#.to_owned();
    Scene::with(&[json!({"rule_id": "a", "trigger": {"event": {"id": "A"}}})], &[event])
}

/// Runs a command that must be refused with exit code 2 and a message that contains all of `named`.
fn refused(scene: &Scene, arguments: &[&str], named: &[&str]) {
    let Finished { code, output, log } = scene.run(arguments);
    let said = log.join("\n");
    assert_eq!(code, Some(2), "{arguments:?}: {said}");
    assert_eq!(output, [] as [String; 0], "{arguments:?}: nothing is done");
    for name in named {
        assert!(said.contains(name), "{arguments:?} does not name {name}: {said}");
    }
}

#[test]
fn what_does_not_exist_is_named_with_the_remedy() {
    let scene = scene();
    let replay = ["replay", "--rules", "rules", "--events", "events.jsonl"];
    refused(
        &scene,
        &["replay", "--rules", "none", "--events", "events.jsonl"],
        &["--rules none", "name a folder"],
    );
    refused(
        &scene,
        &["replay", "--rules", "rules", "--events", "none.jsonl"],
        &["none.jsonl", "give a path"],
    );
    refused(&scene, &["replay", "--rules", "rules", "--events", "rules"], &["rules", "give a path"]);
    refused(&scene, &["run", "--rules", "none"], &["--rules none", "name a folder"]);
    refused(&scene, &["run", "--rules", "rules", "--events", "none.jsonl"], &["--events none.jsonl"]);
    refused(
        &scene,
        &[&replay[..], &["--triggers", "none/t.jsonl"]].concat(),
        &["none/t.jsonl", "name a file in a folder"],
    );
    refused(&scene, &["rule", "pause", "--rules", "rules", "b"], &["no rule `b`", "strateye rule list"]);
    refused(&scene, &["rule", "show", "--rules", "rules", "b"], &["no rule `b`", "strateye rule list"]);
    refused(&scene, &["rule", "publish", "--rules", "rules", "none.json"], &["none.json"]);
}

#[test]
fn a_replay_refuses_to_keep_state() {
    let scene = scene();
    let replay = ["replay", "--rules", "rules", "--events", "events.jsonl", "--state"];
    for store in ["state.db", "redis://localhost:1/"] {
        refused(&scene, &[&replay[..], &[store]].concat(), &["--state", "leave --state out"]);
    }
    scene.succeed(&[&replay[..], &["none"]].concat());
}

#[test]
fn missing_events_are_named_also_with_publish_at() {
    let arguments = ["replay", "--rules", "rules", "--publish-at", "0", "--events", "none.jsonl"];
    refused(&scene(), &arguments, &["none.jsonl", "give a path"]);
}

#[test]
fn dead_letters_that_cannot_be_written_are_named() {
    let arguments =
        ["replay", "--rules", "rules", "--events", "events.jsonl", "--dead-letters", "none/d.jsonl"];
    refused(&scene(), &arguments, &["none/d.jsonl", "name a file in a folder"]);
}

#[test]
fn missing_profiles_are_named() {
    let arguments = ["replay", "--rules", "rules", "--events", "events.jsonl", "--profiles", "none.jsonl"];
    refused(&scene(), &arguments, &["none.jsonl"]);
}

#[test]
fn wrong_options_are_refused_with_what_to_write() {
    let scene = scene();
    let replay = ["replay", "--rules", "rules", "--events", "events.jsonl"];
    let with = |more: &[&str], named: &[&str]| refused(&scene, &[&replay[..], more].concat(), named);
    with(&["--codec", "json"], &["--codec", "write abomonation or bytemuck"]);
    with(&["--processes", "0"], &["--processes", "1..=128"]);
    with(&["--publish-at", "tomorrow"], &["--publish-at", "RFC 3339"]);
    with(&["--colour"], &["--colour", "Usage"]);
    refused(&scene, &["run", "--rules", "rules", "--events", "generator:fast"], &["generator:12000"]);
    refused(&scene, &["process"], &["strateye run"]);
    refused(&scene, &[], &["Usage"]);
}

#[test]
fn a_folder_without_documents_cannot_be_checked() {
    let scene = Scene::new();
    refused(&scene, &["rule", "check", "rules"], &["rules: no *.json in it"]);
    let finished = scene.run(&["rule", "check", "none.json"]);
    assert_eq!(finished.code, Some(2));
    assert!(finished.output[0].starts_with("none.json: can't be read: "), "{}", finished.all());
}

#[test]
fn one_document_may_stand_for_a_folder() {
    let scene = scene();
    let finished = scene.succeed(&["replay", "--rules", "rules/a.json", "--events", "events.jsonl"]);
    assert_eq!(finished.output.len(), 1, "{}", finished.all());
}

#[test]
fn an_output_that_fails_ends_with_exit_code_1() {
    let finished =
        scene().run(&["replay", "--rules", "rules", "--events", "events.jsonl", "--triggers", "/dev/full"]);
    assert_eq!(finished.code, Some(1), "{}", finished.all());
    assert!(finished.log.iter().any(|line| line.contains("lines can't be written")), "{}", finished.all());
}
