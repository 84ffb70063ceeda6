//! Batches of 1 to 2,048 records and epochs of 1 to 50 ms: `strateye replay` fires what the reference does,
//! with one, two and five processes.

use serde_json::{Value as Json, json};
use sources::events::MAX_BATCH_BYTES;
use strateye_tests::{
    golden::cases,
    reference::{self, Options},
};

use crate::{
    scene::{Scene, lines},
    workload::{Workload, shared_fields},
};

/// Records in a batch.
const SIZES: [usize; 6] = [1, 2, 7, 64, 500, LARGEST];
const LARGEST: usize = 2_048;
/// Lengths of an epoch, ms.
const EPOCHS: [u64; 4] = [1, 5, 10, 50];
/// Users per user of the random stream.
const SPREAD: u64 = 25;
const PROCESSES: [&str; 3] = ["1", "2", "5"];
/// Random events, so that the largest batch is filled and followed by another.
const EVENTS: usize = 2_200;

/// Replays at each size of batch and each length of an epoch, on the numbers of processes in turn: each
/// number meets each size, and each length. `check` is given the triggers, and what they belong to.
fn replay_all(scene: &Scene, arguments: &[&str], check: impl Fn(&[Json], &str)) {
    for (i, size) in SIZES.into_iter().enumerate() {
        for (j, epoch) in EPOCHS.into_iter().enumerate() {
            let settings =
                format!("epoch_ms = {epoch}\ntick_ms = 1\n[batches]\nread = {size}\nrouted = {size}\n");
            scene.write("settings.toml", &settings);
            let processes = PROCESSES[(i + j) % PROCESSES.len()];
            let more = ["--config", "settings.toml", "--processes", processes];
            let replayed = scene.replay(&[arguments, &more].concat());
            assert_eq!(replayed.summary["refused_rules"], json!([]));
            check(
                &replayed.parsed(),
                &format!("batches of {size}, epochs of {epoch} ms, {processes} processes"),
            );
        }
    }
}

#[test]
fn golden_cases_with_timers_and_steps_hold_at_every_size() {
    let names = ["trigger-each-timers", "calculator-sequence-within", "example-order-not-paid"];
    let chosen: Vec<_> = cases().into_iter().filter(|case| names.contains(&case.name.as_str())).collect();
    assert_eq!(chosen.len(), names.len());
    for case in chosen {
        let scene = Scene::with(&case.rules, &case.events);
        let publish_at = case.publish_at.map(|at| at.to_string());
        let given: Vec<&str> = publish_at.iter().flat_map(|at| ["--publish-at", at.as_str()]).collect();
        replay_all(&scene, &given, |triggers, how| {
            case.check(triggers).unwrap_or_else(|fault| panic!("{} with {how}: {fault}", case.name));
        });
    }
}

/// Removes some properties and takes the shorter name of the time, so that as many events as there may be in a batch have
/// fewer bytes than it may.
fn shorten(event: &mut Json) {
    for name in ["mix", "flag", "detail"] {
        event.get_mut("properties").and_then(|properties| properties.as_object_mut()?.remove(name));
    }
    let event = event.as_object_mut().unwrap();
    event.remove("session_id");
    let time = event.remove("event_time").unwrap();
    event.insert("ts".to_owned(), time);
}

#[test]
fn random_rules_and_events_fire_as_by_the_reference_at_every_size() {
    let Workload { rules, mut events, profiles } = Workload::spread(SPREAD);
    let rules = &rules[..20];
    events[..EVENTS].iter_mut().for_each(shorten);
    let texts: Vec<String> = events[..EVENTS].iter().map(Json::to_string).collect();
    let largest: usize = texts[..LARGEST].iter().map(String::len).sum();
    assert!(largest < MAX_BATCH_BYTES, "a batch of {LARGEST} events has {largest} bytes, so it is cut");
    let scene = Scene::with(rules, &texts);
    scene.write("profiles.jsonl", &lines(&profiles.iter().map(Json::to_string).collect::<Vec<_>>()));
    let outcome = reference::run(rules, &texts, &Options { profiles: Some(profiles), ..Options::default() });
    let expected = shared_fields(&outcome.triggers);
    assert!(expected.len() > 500, "only {} triggers", expected.len());
    replay_all(&scene, &["--profiles", "profiles.jsonl"], |triggers, how| {
        let fired = shared_fields(triggers);
        let extra: Vec<_> = fired.iter().filter(|(line, n)| expected.get(*line) != Some(n)).take(3).collect();
        let missing: Vec<_> = expected.keys().filter(|line| !fired.contains_key(*line)).take(3).collect();
        assert!(extra.is_empty() && missing.is_empty(), "{how}: engine {extra:#?}, reference {missing:#?}");
    });
}
