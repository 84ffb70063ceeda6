//! Crowds that change while a cluster runs.
//!
//! That the state of members who left is dropped after seven days is tested on the engine's parts, where a
//! week takes no time.

use serde_json::{Value as Json, json};

use crate::live::{Live, fence, start};
use crate::scene::Scene;

fn rule(key_by: &Json, guids: Option<&[u64]>) -> String {
    let mut rule = json!({"rule_id": "r", "key_by": key_by, "trigger": {"event": {"id": "T"}}, "when": "a.value >= 0", "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}, "window": {"last": "1h"}}]});
    if let Some(guids) = guids {
        rule["crowd"] = json!({"guids": guids});
    }
    rule.to_string()
}

fn counts(values: &[Json]) -> Vec<u64> {
    values.iter().map(|values| values["a"]["value"].as_u64().unwrap()).collect()
}

struct Crowd {
    live: Live,
    version: u64,
}

impl Crowd {
    fn new() -> Self {
        let scene = Scene::new();
        scene.write("fence.json", &fence().to_string());
        scene.succeed(&["rule", "publish", "--rules", "rules.db", "fence.json"]);
        Crowd { live: start(scene, "rules.db", "3"), version: 0 }
    }

    fn set(&mut self, key_by: &Json, guids: Option<&[u64]>) {
        self.version += 1;
        self.live.scene.write("r.json", &rule(key_by, guids));
        self.live.succeed(&["rule", "publish", "--rules", "rules.db", "r.json"]);
        self.live.await_rule("r", self.version, "live");
    }
}

#[test]
fn members_leave_return_and_enter() {
    let guid = json!("guid");
    let mut crowd = Crowd::new();
    crowd.set(&guid, Some(&[1, 2]));
    for user in [1, 2, 3] {
        let inside = user < 3;
        assert_eq!(counts(&crowd.live.values(user, &["A", "A", "T"])), if inside { vec![2] } else { vec![] });
    }
    crowd.set(&guid, Some(&[2, 3]));
    assert_eq!(crowd.live.values(1, &["A", "T"]), [] as [Json; 0], "left");
    assert_eq!(counts(&crowd.live.values(2, &["A", "T"])), [3], "stayed");
    assert_eq!(counts(&crowd.live.values(3, &["T", "A", "T"])), [0, 1], "entered, and begins then");
    crowd.set(&guid, Some(&[1, 2, 3]));
    assert_eq!(counts(&crowd.live.values(1, &["T"])), [2], "came back to what was there");
    crowd.set(&guid, None);
    assert_eq!(counts(&crowd.live.values(4, &["A", "T"])), [1], "for all");
    assert_eq!(counts(&crowd.live.values(1, &["T"])), [2]);
    crowd.set(&guid, Some(&[4]));
    assert_eq!(crowd.live.values(1, &["T"]), [] as [Json; 0], "for few again");
    assert_eq!(counts(&crowd.live.values(4, &["T"])), [1]);
    crowd.live.end();
}

#[test]
fn a_crowd_decides_about_users_whatever_the_key() {
    let ip = json!("ip");
    let mut crowd = Crowd::new();
    crowd.set(&ip, Some(&[1]));
    let send = |live: &mut Live, guid: u64, event_id: &str| {
        // One address for all of them.
        let event =
            json!({"guid": guid, "ip": "10.0.0.7", "event_id": event_id, "event_time": crate::live::now()});
        live.sent += 1;
        live.running.write(&event.to_string());
    };
    // The fence is keyed by user and one address may be on another worker, so the test waits for the rule's
    // own trigger.
    let fired = |live: &mut Live| -> Json { serde_json::from_str(&live.running.output_line()).unwrap() };
    for (guid, event_id) in [(1, "A"), (2, "A"), (2, "T"), (1, "T")] {
        send(&mut crowd.live, guid, event_id);
    }
    let trigger = fired(&mut crowd.live);
    assert_eq!((&trigger["guid"], &trigger["values"]["a"]["value"]), (&json!(1), &json!(1)));
    crowd.set(&ip, Some(&[2]));
    for (guid, event_id) in [(1, "A"), (1, "T"), (2, "A"), (2, "T")] {
        send(&mut crowd.live, guid, event_id);
    }
    let trigger = fired(&mut crowd.live);
    let figures = (&trigger["guid"], &trigger["values"]["a"]["value"]);
    assert_eq!(figures, (&json!(2), &json!(2)), "the address keeps its state, whoever it was that left");
    crowd.live.end();
}
