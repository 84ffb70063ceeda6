#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, time::Duration};

use operators::{
    document::text::DocumentDigest,
    model::ids::{Clocks, OwnerGeneration, Positions},
    ops::Part,
    state::Delta,
};
use serde_json::json;
use sinks::checkpoint::{CheckpointSpan, SqliteCheckpoints};
use tempfile::TempDir;

use super::*;
use crate::{checkpoint::manifest::Listed, protocol::report::BlobRef};

const FIRST: CheckpointSpan = CheckpointSpan::of(CheckpointNumber(1));

/// A store with checkpoints made step by step.
struct Scene {
    _folder: TempDir,
    state: State,
    store: SqliteCheckpoints,
    generation: OwnerGeneration,
    manifest: Manifest,
    number: CheckpointNumber,
}

fn rule(rule_id: &str, key_by: Json) -> Remembered {
    let document = json!({"rule_id": rule_id, "key_by": key_by, "trigger": {"event": {"id": "T"}}, "when": "fav && quiet", "conditions": [
        {"id": "fav", "calculator": "count", "event": {"id": "A"}, "met": "value >= 2"},
        {"id": "quiet", "calculator": "gap", "steps": [{"id": "A"}, {"id": "B"}], "met": "value >= 1"},
    ]});
    let published = Published::first(&document.to_string(), 4, 0, BTreeMap::new()).unwrap();
    Remembered {
        published,
        document: Some(DocumentDigest::of(document.to_string().as_bytes())),
        in_force: true,
        quarantined: None,
        broken: None,
        pauses: 0,
    }
}

impl Scene {
    fn new(rules: &[Remembered]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let mut store = SqliteCheckpoints::open(&path).unwrap();
        let generation = store.take("the engine", Duration::from_secs(60)).unwrap().generation;
        let (json, _) = rules::to_json(rules);
        store.put_blob("ckpt:1:1:rules:0", json.as_bytes()).unwrap();
        let rules = BlobRef::of("ckpt:1:1:rules:0".into(), json.as_bytes(), false);
        let manifest = Manifest {
            at: 0,
            lineage: None,
            zones: None,
            positions: Positions::default(),
            clocks: Clocks::default(),
            corrections: None,
            rules,
            blobs: Vec::new(),
            dropped: Vec::new(),
        };
        Scene {
            _folder: folder,
            state: State::Sqlite(path),
            store,
            generation,
            manifest,
            number: CheckpointNumber::default(),
        }
    }

    /// Commits a checkpoint with these changes, which are not compacted.
    fn commit(&mut self, changes: &[(&str, &str, Option<&str>)]) {
        self.number = self.number.next();
        let mut delta = Delta::default();
        for (name, key, text) in changes {
            let number = delta.name((*name).to_owned());
            delta.push(number, key, text.map(|text| move |out: &mut String| out.push_str(text)));
        }
        let bytes = blob::encode(&Part::State(delta)).unwrap();
        let name = format!("ckpt:1:{}:0:0", self.number);
        self.store.put_blob(&name, &bytes).unwrap();
        self.manifest.blobs.push(Listed { number: self.number, blob: BlobRef::of(name, &bytes, false) });
        self.store.commit(self.generation, self.number, &self.manifest.to_json()).unwrap();
    }

    fn fold(&mut self, name: &str, key: &str, text: &str) {
        self.store.apply(self.generation, FIRST, name, &[(key, Some(text))]).unwrap();
    }

    fn look(&self) -> Inspector {
        Inspector::open(&self.state).unwrap()
    }
}

fn texts(states: &KeyStates) -> Vec<(&str, Option<&str>)> {
    states.states.iter().map(|(part, text)| (part.as_str(), text.as_deref())).collect()
}

fn set(rule_id: &str, condition: &str, key: &str, text: Option<&str>) -> Correction {
    let own = str::to_owned;
    Correction {
        rule_id: own(rule_id),
        condition: own(condition),
        key: own(key),
        text: text.map(own),
        by: own("zhang"),
    }
}

#[test]
fn changes_that_are_not_folded_count() {
    let mut scene = Scene::new(&[rule("r", json!("guid"))]);
    scene.fold("r:fav:4", "1", "2");
    scene.fold("r:fav:4", "2", "9");
    scene.commit(&[("r:fav:4", "1", Some("3")), ("r:fav:4", "2", None), ("s:fav:4", "1", Some("8"))]);
    scene.commit(&[("r:fav:4", "1", Some("4")), ("r:@rule:4", "1", Some(r#"{"touched":7}"#))]);
    let mut look = scene.look();
    let all = look.states("r", None, "1").unwrap();
    assert_eq!((all.checkpoint.0, all.version, &all.key), (2, 4, &json!(1)));
    assert_eq!(texts(&all), [("fav", Some("4")), ("quiet", None), ("@rule", Some(r#"{"touched":7}"#))]);
    assert_eq!(texts(&look.states("r", Some("fav"), "2").unwrap()), [("fav", None)]);
    assert_eq!(texts(&look.states("r", Some("@rule"), "2").unwrap()), [("@rule", None)]);
}

#[test]
fn a_look_outlives_what_a_newer_commit_removes() {
    let mut scene = Scene::new(&[rule("r", json!("guid"))]);
    scene.commit(&[("r:fav:4", "1", Some("1"))]);
    let mut look = scene.look();
    let old = scene.manifest.blobs.remove(0).blob.name;
    scene.fold("r:fav:4", "1", "1");
    scene.commit(&[("r:fav:4", "1", Some("2"))]);
    scene.store.remove_blobs(&[old]).unwrap();
    let states = look.states("r", Some("fav"), "1").unwrap();
    assert_eq!((states.checkpoint.0, texts(&states)), (2, vec![("fav", Some("2"))]));
    // Without a newer commit it is a loss.
    scene.store.remove_blobs(&["ckpt:1:2:0:0".to_owned()]).unwrap();
    let error = look.states("r", None, "1").unwrap_err();
    assert!(error.to_string().contains("ckpt:1:2:0:0") && !error.is_usage(), "{error}");
}

#[test]
fn corrections_are_checked_as_the_engine_would_and_wait_for_a_checkpoint() {
    let mut scene = Scene::new(&[rule("r", json!(["guid", "ip"]))]);
    scene.commit(&[]);
    let mut look = scene.look();
    let position = look.correct(&set("r", "fav", r#"[ 1, "a"]"#, Some("3"))).unwrap();
    let reset = look.correct(&set("r", "quiet", r#"[1,"a"]"#, None)).unwrap();
    let edits = scene.store.edits(None, 10).unwrap();
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let rest = [pair("condition", "fav"), pair("key", r#"[1,"a"]"#), pair("by", "zhang"), pair("value", "3")];
    assert_eq!(edits[0].pairs, [vec![pair("rule", "r")], rest.to_vec()].concat());
    assert!(edits[1].pairs.iter().all(|(name, _)| name != "value"));
    assert!(!look.has(&position).unwrap());
    scene.manifest.corrections = Some(position.clone());
    scene.commit(&[]);
    assert!(look.has(&position).unwrap() && !look.has(&reset).unwrap());
    let mut refused = |condition: &str, key: &str, text: &str, named: &str| {
        let error = look.correct(&set("r", condition, key, Some(text))).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(named), "{error}");
    };
    refused("favs", r#"[1,"a"]"#, "3", "it has fav, quiet, @rule");
    refused("@rule", r#"[1,"a"]"#, "3", "name a condition");
    refused("fav", "1", "3", "a JSON array of 2 values");
    refused("fav", r#"[-1,"a"]"#, "3", "a JSON array of 2 values");
    refused("fav", r#"[1,"a"]"#, "three", "is not JSON");
    refused("quiet", r#"[1,"a"]"#, r#"{"valeu":1}"#, "there is no field `valeu`");
    assert_eq!(scene.store.edits(None, 10).unwrap().len(), 2, "nothing refused was ordered");
}

#[test]
fn what_is_not_there_is_named() {
    let retired = Remembered { in_force: false, ..rule("old", json!("guid")) };
    let mut scene = Scene::new(&[rule("r", json!("guid")), retired]);
    assert!(matches!(Inspector::open(&scene.state), Err(InspectError::NoCheckpoint)));
    assert!(matches!(Inspector::open(&State::None), Err(InspectError::NotKept)));
    scene.commit(&[]);
    let mut look = scene.look();
    for (rule_id, key, named) in
        [("old", "1", "no rule `old` in force; it has r"), ("r", "", "a guid, such as 1001")]
    {
        let error = look.states(rule_id, None, key).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(named), "{error}");
    }
}

#[test]
fn positions_of_both_stores_are_ordered() {
    assert!(order("10") > order("9") && order("5-10") > order("5-9") && order("6-0") > order("5-10"));
}
