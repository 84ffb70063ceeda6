//! Keys whose events lie in several partitions are counted, and logged once by each process.

use serde_json::json;

use super::{interrupt, lively, metrics, wait_for};
use crate::scene::Scene;

#[test]
fn keys_of_several_partitions_are_counted_and_users_stay_in_theirs() {
    let scene = Scene::new();
    // Search keywords are the same in all partitions.
    scene.put(
        &json!({"rule_id": "words", "key_by": "properties.keyword", "trigger": {"event": {"id": "search"}}, "conditions": [
        {"id": "seen", "calculator": "count", "event": {"id": "search"}}], "when": "seen.value > 1000000"}),
    );
    let (mut running, address) = lively(&scene, &[]);
    running.log_until("a word on such keys", |line| {
        (line.contains("key_by=\"properties.keyword\"") && line.contains("as expected")).then_some(())
    });
    let page = wait_for("both processes with such keys", || {
        let page = metrics(address);
        let counted = |process: &str| {
            page.value("strateye_split_keys_total", &[("process", process), ("key_by", "properties.keyword")])
        };
        match (counted("0"), counted("1")) {
            (Some(_), Some(_)) => Ok(page),
            counted => Err(format!("{counted:?}")),
        }
    });
    // The other rules are keyed by `guid`, each of which the generator keeps in one partition.
    assert!(page.sum("strateye_keys") > page.sum("strateye_split_keys_total"));
    for process in ["0", "1"] {
        assert_eq!(
            page.value("strateye_split_keys_total", &[("process", process), ("key_by", "guid")]),
            None
        );
    }
    interrupt(running);
}
