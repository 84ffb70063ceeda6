//! A running cluster: events go to its standard input, triggers come from its standard output.
//!
//! Nothing here waits for time to pass. A rule has *not* fired if the fence rule has fired for a later event
//! of the same user: the events of one user are processed in order, by one worker.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use strateye_tests::command::{Finished, Running};

use crate::scene::Scene;

/// Id of the fence; it sorts behind all others, so that it is the last of the rules that are in force from
/// the start.
pub(crate) const FENCE: &str = "zz-fence";

/// A running cluster.
pub(crate) struct Live {
    /// Its folder.
    pub(crate) scene: Scene,
    /// The program.
    pub(crate) running: Running,
    /// Number of events sent.
    pub(crate) sent: u64,
}

/// The rule that fires for every event `fence`.
pub(crate) fn fence() -> Json {
    json!({"rule_id": FENCE, "trigger": {"event": {"id": "fence"}}, "action": "{{n}}"})
}

/// Starts `run` with more arguments, and waits until its rules, the fence among them, are in force.
pub(crate) fn start(scene: Scene, rules: &str, processes: &str) -> Live {
    let mut live = resume(scene, 0, &["--rules", rules, "--processes", processes]);
    live.await_rule(FENCE, 1, "live");
    live
}

/// Starts `run` with these arguments, after as many events as were `sent` to an earlier run; waits for
/// nothing.
pub(crate) fn resume(scene: Scene, sent: u64, arguments: &[&str]) -> Live {
    let running = Running::start(&mut scene.command(&[&["run", "--events", "-"], arguments].concat()));
    Live { scene, running, sent }
}

/// Wall clock, unix ms.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// The change of a rule in a log line.
fn change(line: &str) -> Option<Json> {
    let (_, change) = line.split_once("rule in force change=")?;
    Some(serde_json::from_str(change).unwrap())
}

impl Live {
    /// A cluster over the folder `rules/`.
    pub(crate) fn over_folder(scene: Scene) -> Self {
        scene.put(&fence());
        start(scene, "rules", "3")
    }

    /// Waits until the log has a version of a rule in that state on all workers.
    pub(crate) fn await_rule(&mut self, rule_id: &str, version: u64, state: &str) {
        let what = format!("{rule_id} version {version} {state}");
        let found = self.running.log_until(&what, |line| {
            change(line)
                .filter(|it| it["rule_id"] == rule_id && it["version"] == version && it["state"] == state)
        });
        assert!(found["epoch"].as_u64().is_some_and(|epoch| epoch > 0), "{found}");
        assert!(found["took_ms"].is_u64(), "how long the change took is not reported: {found}");
    }

    /// Sends an event with the current time.
    pub(crate) fn send(&mut self, guid: u64, event_id: &str) {
        self.send_with(guid, event_id, json!({}));
    }

    /// Sends an event with properties; its number is added as `n`.
    pub(crate) fn send_with(&mut self, guid: u64, event_id: &str, mut properties: Json) {
        self.sent += 1;
        properties["n"] = self.sent.into();
        let event =
            json!({"guid": guid, "event_id": event_id, "event_time": now(), "properties": properties});
        self.running.write(&event.to_string());
    }

    /// Triggers for this user that were not returned before.
    pub(crate) fn fired(&mut self, guid: u64) -> Vec<Json> {
        self.send(guid, "fence");
        let n = self.sent.to_string();
        let mut fired = Vec::new();
        loop {
            let trigger: Json = serde_json::from_str(&self.running.output_line()).unwrap();
            match trigger["rule_id"] == FENCE {
                true if trigger["action"] == n.as_str() => return fired,
                true => {}
                false => fired.push(trigger),
            }
        }
    }

    /// Sends events one after the other; returns the `values` of their triggers.
    pub(crate) fn values(&mut self, guid: u64, event_ids: &[&str]) -> Vec<Json> {
        event_ids.iter().for_each(|event_id| self.send(guid, event_id));
        self.fired(guid).into_iter().map(|mut trigger| trigger["values"].take()).collect()
    }

    /// Runs a command of the program in the same folder, which must succeed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Finished {
        self.scene.succeed(arguments)
    }

    /// Ends the events, and with them the cluster.
    pub(crate) fn end(self) -> Finished {
        let finished = self.running.wait();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        finished
    }
}
