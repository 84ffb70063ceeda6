//! `state`: an engine's state is read and corrected beside it, in Redis and in a file.

use std::{
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use strateye_tests::command::{WITHIN, finish};
use strateye_tests::services::{Certificates, Redis};

use crate::live::{self, Live};
use crate::scene::Scene;

/// Between two looks at a checkpoint, each of which starts a program.
const LOOK: Duration = Duration::from_millis(20);

static REDIS: LazyLock<Redis> = LazyLock::new(Redis::start);

const RUN: [&str; 6] = ["--rules", "rules", "--processes", "2", "--config", "strateye.toml"];

/// Fires at `T` after ten `A`.
fn rule() -> Json {
    json!({"rule_id": "r", "when": "a", "trigger": {"event": {"id": "T"}}, "limit": {"times": 5, "per": "1d"}, "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}, "met": "value >= 10"},
        {"id": "b", "calculator": "stats", "event": {"id": "B"}, "params": {"of": "x"}}]})
}

fn scene(settings: &str) -> Scene {
    let scene = Scene::with(&[rule(), live::fence()], &[]);
    scene.write("strateye.toml", &format!("checkpoint_ms = 100\n{settings}"));
    scene
}

fn in_redis(prefix: &str) -> Scene {
    scene(&format!("[redis]\nurls = [\"{}\"]\nprefix = \"{prefix}\"\n", REDIS.url()))
}

fn start(scene: Scene) -> Live {
    let mut live = live::resume(scene, 0, &RUN);
    live.await_rule(live::FENCE, 1, "live");
    live
}

/// Ends the events and with them the engine; the folder stays.
fn end(live: Live) -> (Scene, u64, Vec<String>) {
    let Live { scene, running, sent } = live;
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    (scene, sent, finished.log)
}

fn state(scene: &Scene, arguments: &[&str]) -> Vec<String> {
    let place = ["--config", "strateye.toml"];
    scene.succeed(&[&["state"], &arguments[..1], &place, &arguments[1..]].concat()).output
}

/// Polls until a checkpoint has the expected state.
fn await_state(scene: &Scene, arguments: &[&str], expected: &str) {
    let end = Instant::now() + WITHIN;
    loop {
        let finished = scene.run(&[&["state", "get", "--config", "strateye.toml"], arguments].concat());
        if finished.code == Some(0) && finished.output == [expected] {
            return;
        }
        assert!(Instant::now() < end, "{expected} is not there: {}", finished.all());
        thread::sleep(LOOK);
    }
}

fn refused(scene: &Scene, arguments: &[&str], named: &str) {
    let finished = scene.run(arguments);
    let said = finished.log.join("\n");
    assert!(finished.code == Some(2) && said.contains(named), "{arguments:?}: {}", finished.all());
}

#[test]
fn what_is_set_decides_what_fires_next() {
    let mut live = start(in_redis("set"));
    assert_eq!(live.values(7, &["A", "A", "A", "T"]), [] as [Json; 0], "three are not ten");
    await_state(&live.scene, &["r", "a", "7"], "3");
    let all: Json = serde_json::from_str(&state(&live.scene, &["get", "r", "7"])[0]).unwrap();
    assert_eq!((&all["rule"], &all["version"], &all["key"]), (&json!("r"), &json!(1), &json!(7)));
    assert_eq!((&all["state"]["a"], &all["state"]["b"]), (&json!(3), &Json::Null), "{all:#}");
    assert!(all["state"]["@rule"].is_object() && all["checkpoint"].as_u64() > Some(0), "{all:#}");

    let position = state(&live.scene, &["set", "--by", "zhang", "--wait", "r", "a", "7", "41"]);
    assert_eq!(position.len(), 1);
    assert_eq!(state(&live.scene, &["get", "r", "a", "7"]), ["41"]);
    let fired = live.values(7, &["A", "T"]);
    assert_eq!(fired.iter().map(|values| &values["a"]["value"]).collect::<Vec<_>>(), [42]);
    let stats = r#"{"sum":4.0,"count":2,"min":1.0,"max":3.0}"#;
    state(&live.scene, &["set", "--wait", "r", "b", "7", stats]);
    let shown: Json = serde_json::from_str(&state(&live.scene, &["get", "r", "b", "7"])[0]).unwrap();
    assert_eq!(shown, serde_json::from_str::<Json>(stats).unwrap());

    assert_eq!(state(&live.scene, &["reset", "--wait", "r", "7"]).len(), 2, "both conditions");
    assert_eq!(state(&live.scene, &["get", "r", "a", "7"]), ["null"]);
    assert_eq!(live.values(7, &["A", "T"]), [] as [Json; 0], "one is not ten");
    let (_, _, log) = end(live);
    assert!(log.iter().any(|line| line.contains("state is corrected") && line.contains("zhang")), "{log:?}");
}

#[test]
fn state_goes_over_tls() {
    let certificates = Certificates::make();
    let redis = Redis::start_tls(&certificates, "no");
    let (url, authority) = (redis.tls_url(), certificates.file("ca.pem"));
    let mut live = start(scene(&format!("[redis]\nurls = [\"{url}\"]\nca_file = {authority:?}\n")));
    live.values(7, &["A", "A", "A"]);
    await_state(&live.scene, &["r", "a", "7"], "3");
    // Without settings the authorities of the system are trusted.
    let mut command = live.scene.command(&["state", "get", "--state", &url, "r", "a", "7"]);
    let stranger = finish(&mut command);
    assert_eq!(stranger.code, Some(1), "{}", stranger.all());
    assert!(stranger.log.join("\n").contains("name its authority by ca_file"), "{}", stranger.all());
    let known = finish(command.env("SSL_CERT_FILE", &authority));
    assert_eq!((known.code, known.output.as_slice()), (Some(0), &["3".to_owned()][..]), "{}", known.all());
    end(live);
}

#[test]
fn corrections_that_make_no_sense_are_refused_at_once() {
    let mut live = start(in_redis("refused"));
    live.values(7, &["A"]);
    await_state(&live.scene, &["r", "a", "7"], "1");
    let set = |arguments: &[&str], named: &str| {
        let place = ["state", "set", "--config", "strateye.toml"];
        refused(&live.scene, &[&place[..], arguments].concat(), named);
    };
    set(&["q", "a", "7", "3"], "no rule `q` in force; it has r");
    set(&["r", "c", "7", "3"], "it has a, b");
    set(&["r", "@rule", "7", "{}"], "name a condition");
    set(&["r", "a", "", "3"], "write a guid");
    set(&["r", "a", "7", "three"], "is not JSON");
    set(&["r", "a", "7", "\"3\""], "not an integer");
    refused(&live.scene, &["state", "get", "r", "7"], "--state is missing");
    refused(&live.scene, &["state", "get", "--state", "none", "r", "7"], "name a file *.db or redis://");
    refused(&live.scene, &["state", "get", "--state", "none.db", "r", "7"], "there is no such file");
    assert!(!live.scene.path("none.db").exists(), "looking makes nothing");
    let empty = live.scene.run(&["state", "get", "--state", &format!("{}9", REDIS.url()), "r", "7"]);
    assert!(empty.code == Some(2) && empty.log.join("\n").contains("no checkpoint yet"), "{}", empty.all());
    end(live);
}

#[test]
fn a_correction_waits_for_the_next_engine() {
    let mut live = start(scene("state = \"state.db\"\n"));
    live.values(7, &["A", "A"]);
    let (scene, sent, _) = end(live);
    assert_eq!(state(&scene, &["get", "r", "a", "7"]), ["2"]);
    let late = ["state", "set", "--state", "state.db", "--wait=1s", "r", "a", "7", "20"];
    let finished = scene.run(&late);
    assert_eq!(finished.code, Some(1), "{}", finished.all());
    assert!(finished.log.join("\n").contains("as soon as it runs on this state"), "{}", finished.all());
    assert_eq!(state(&scene, &["get", "r", "a", "7"]), ["2"], "no checkpoint has it yet");
    let live = live::resume(scene, sent, &RUN);
    await_state(&live.scene, &["r", "a", "7"], "20");
    end(live);
}

#[test]
fn a_second_engine_on_the_same_prefix_is_refused() {
    let mut live = start(in_redis("owned"));
    live.values(7, &["A"]);
    await_state(&live.scene, &["r", "a", "7"], "1");
    let second = ["run", "--rules", "rules", "--processes", "1", "--config", "strateye.toml"];
    let finished = live.scene.run(&second);
    let said = finished.log.join("\n");
    assert_eq!(finished.code, Some(1), "{}", finished.all());
    let owner = format!(":{}:", live.running.pid());
    assert!(said.contains("another engine, ") && said.contains(&owner), "{}", finished.all());
    assert!(said.contains("choose another prefix or file"), "{}", finished.all());
    assert_eq!(live.values(7, &["A"]), [] as [Json; 0], "the first goes on");
    await_state(&live.scene, &["r", "a", "7"], "2");
    end(live);
}
