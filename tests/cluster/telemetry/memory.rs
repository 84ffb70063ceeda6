//! A bound of memory: more keys than fit, all of which count.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::{Value as Json, json};

use super::{address, lines, metrics, wait_for};
use crate::{
    live::{FENCE, Live, fence, resume},
    scene::Scene,
};

const KEYS: u64 = 12_000;
const BOUND: f64 = 1024.0 * 1024.0;
const SETTINGS: &str = "checkpoint_ms = 100\nstate_memory_mb = 1\nmetrics = \"127.0.0.1:0\"\n";

fn begin(scene: Scene, sent: u64) -> (Live, SocketAddr) {
    let places = ["--config", "settings.toml", "--rules", "rules", "--state", "state.db"];
    let more = ["--triggers", "triggers.jsonl", "--processes", "1"];
    let mut live = resume(scene, sent, &[&places[..], &more].concat());
    let address = address(&mut live.running);
    (live, address)
}

/// Waits until `events` events are read and most keys are in the store alone.
fn await_bound(address: SocketAddr, events: u64) {
    wait_for("memory within its bound", || {
        let page = metrics(address);
        let sum = |name: &str| page.sum(&format!("strateye_{name}"));
        let (bytes, keys, out) = (sum("state_bytes"), sum("keys"), sum("evicted_keys"));
        let read = sum("events_total") >= events as f64 && sum("reload_waiting") == 0.0;
        let within = read && bytes > 0.0 && bytes <= BOUND && keys + out >= KEYS as f64;
        within.then_some(()).ok_or_else(|| format!("{bytes} bytes, {keys} keys are in and {out} are out"))
    });
}

#[test]
fn more_keys_than_fit_count_over_reloads_and_a_restart() {
    let scene = Scene::new();
    scene.write("settings.toml", SETTINGS);
    scene.put(&fence());
    scene.put(
        &json!({"rule_id": "r", "trigger": {"event": {"id": "a"}}, "when": "n.value >= 3", "conditions": [
        {"id": "n", "calculator": "count", "event": {"id": "a"}}]}),
    );
    let (mut live, address) = begin(scene, 0);
    live.await_rule(FENCE, 1, "live");
    for round in 1..=2 {
        (1..=KEYS).for_each(|guid| live.send(guid, "a"));
        await_bound(address, round * KEYS);
    }
    let reloads = metrics(address).sum("strateye_reloads_total");
    assert!(reloads > 4_000.0, "{reloads} keys were read back");
    let Live { scene, running, sent } = live;
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    assert_eq!(lines(&scene.path("triggers.jsonl")), Vec::<String>::new(), "nobody has three");

    let (mut live, address) = begin(scene, sent);
    await_bound(address, 0);
    (1..=KEYS).for_each(|guid| live.send(guid, "a"));
    let Live { scene, running, .. } = live;
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let mut fired: BTreeMap<u64, Vec<Json>> = BTreeMap::new();
    for line in lines(&scene.path("triggers.jsonl")) {
        let mut trigger: Json = serde_json::from_str(&line).unwrap();
        fired
            .entry(trigger["guid"].as_u64().unwrap())
            .or_default()
            .push(trigger["values"]["n"]["value"].take());
    }
    let wrong: Vec<_> = (1..=KEYS).filter(|guid| fired.get(guid) != Some(&vec![json!(3)])).collect();
    assert!(wrong.is_empty(), "{} keys, such as {:?}: {:?}", wrong.len(), wrong[0], fired.get(&wrong[0]));
}
