#![allow(clippy::unwrap_used)]

use std::{collections::VecDeque, fs, thread};

use serde_json::{Value as Json, json};
use sources::{
    SourceError,
    profiles::LineProfiles,
    rules::{Change, RuleChange as Told},
};
use tempfile::TempDir;

use super::*;
use crate::{protocol::figures::RuleBoard, rules::breaker::BreakerConfig, telemetry::messenger::Messenger};

/// A source that says this at one poll after the other, and then nothing more.
#[derive(Default)]
struct Says(VecDeque<Vec<Told>>);

impl RuleSource for Says {
    fn poll(&mut self) -> Result<Vec<Told>, SourceError> {
        Ok(self.0.pop_front().unwrap_or_default())
    }
}

/// A feed with profiles and calculators in a folder.
struct Scene {
    folder: TempDir,
    feed: Feed,
    rules: Rules,
    ordered: mpsc::Receiver<Ordered>,
    effects: mpsc::Sender<Effect>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (changes, ordered) = mpsc::sync_channel(1);
        let (to_feed, effects) = mpsc::channel();
        let feed = Feed {
            source: Box::new(Says::default()),
            calculators: Calculators::new(Some(folder.path().to_owned())),
            profiles: Some(Box::new(LineProfiles::new(folder.path().join("profiles.jsonl")))),
            time: Time::Replay { publish_at: 1_000 },
            error_budget: 0,
            breaker: Breaker::new(BreakerConfig::default()),
            remembered: Vec::new(),
            changes,
            effects,
            log: RuleLog { messenger: Messenger::default(), rules: RuleBoard::default() },
        };
        Scene { folder, feed, rules: Rules::new(), ordered, effects: to_feed }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// The changes that a put leads to.
    fn put(&mut self, document: &Json, status: Status, gap: Gap) -> Vec<RuleChange> {
        let mut outbox = Outbox::default();
        take_in(&mut self.feed, vec![put(document, status, gap)], false, &mut self.rules, &mut outbox);
        outbox.changes.into_values().collect()
    }

    fn refused(&self) -> u64 {
        self.feed.log.rules.take_update().map_or(0, |numbers| numbers.rejections)
    }
}

fn put(document: &Json, status: Status, gap: Gap) -> Told {
    let rule_id = document["rule_id"].as_str().map(str::to_owned);
    let change = Change::Put { document: document.to_string(), status, version: None, gap };
    Told { origin: format!("the file of {}", document["rule_id"]), rule_id, change }
}

/// A rule that needs nothing.
fn plain(rule_id: &str) -> Json {
    json!({"rule_id": rule_id, "trigger": {"event": {"id": "T"}}})
}

/// The only change, which is a rule.
fn only(changes: Vec<RuleChange>) -> Published {
    match <[_; 1]>::try_from(changes) {
        Ok([RuleChange::Put(published)]) => *published,
        other => panic!("{other:?}"),
    }
}

const SCRIPT: &str = "fn init(params) { #{ value: 0 } } fn on_event(state, event, params) { state.value += 1; } \
                      fn outputs(state, params, now) { #{ value: state.value } }";

/// A rule for whom a profile query selects, with a calculator that lies in a folder.
fn rule() -> Json {
    json!({"rule_id": "r", "crowd": {"profile": {"tag": "level", "op": ">=", "value": 3}},
        "conditions": [{"id": "c", "calculator": "mine", "event": {"id": "A"}, "met": "value >= 1"}], "trigger": {"event": {"id": "T"}}})
}

/// A scene in which [`rule`] is in force.
fn in_force() -> (Scene, Published) {
    let mut scene = Scene::new();
    scene.write("profiles.jsonl", "{\"guid\": 1, \"level\": 3}\n{\"guid\": 2, \"level\": 5}\n");
    scene.write("mine.rhai", SCRIPT);
    let before = only(scene.put(&rule(), Status::Online, Gap::Replay));
    assert_eq!(before.crowd.as_ref().map(Crowd::len), Some(2));
    (scene, before)
}

#[test]
fn a_pause_takes_the_rule_as_it_is_whatever_became_of_its_profiles_and_scripts() {
    let disturbances: [fn(&Scene); 4] = [
        |scene| scene.write("profiles.jsonl", "{\"guid\": 1, \"level\": 3}\n{\"guid\": 2, \"le"),
        |scene| fs::remove_file(scene.folder.path().join("mine.rhai")).unwrap(),
        |scene| scene.write("mine.rhai", &SCRIPT.replace("+= 1", "+= 2")),
        |scene| scene.write("profiles.jsonl", "{\"guid\": 1, \"level\": 3}\n"),
    ];
    for disturb in disturbances {
        let (mut scene, before) = in_force();
        disturb(&scene);
        let paused = only(scene.put(&rule(), Status::Paused, Gap::Replay));
        assert_eq!(paused, Published { pause: Some(1), ..before.clone() });
        assert_eq!(scene.put(&rule(), Status::Paused, Gap::Replay), []);
        let resumed = only(scene.put(&rule(), Status::Online, Gap::Skip));
        assert_eq!(resumed, Published { skipped: [1].into(), ..before });
        let again = only(scene.put(&rule(), Status::Paused, Gap::Replay));
        assert_eq!(again.pause, Some(2));
        assert_eq!(scene.refused(), 0);
    }
}

#[test]
fn a_refused_document_pauses_the_rule_in_force_and_does_not_resume_it() {
    let (mut scene, before) = in_force();
    let mut refused = rule();
    refused["when"] = "nothing".into();
    assert_eq!(scene.put(&refused, Status::Online, Gap::Replay), []);
    let paused = only(scene.put(&refused, Status::Paused, Gap::Replay));
    assert_eq!(paused, Published { pause: Some(1), ..before });
    assert_eq!(scene.put(&refused, Status::Paused, Gap::Replay), []);
    assert_eq!(scene.put(&refused, Status::Online, Gap::Replay), []);
    assert_eq!(scene.refused(), 4);
}

/// Quarantines a rule that is in force.
fn quarantine(scene: &mut Scene, rule_id: &str) -> Vec<RuleChange> {
    let mut outbox = Outbox::default();
    let failure = RuleFailure { rule_id: rule_id.into(), count: 1, message: "it failed".into() };
    failed(&mut scene.feed, &failure, &mut scene.rules, &mut outbox);
    outbox.changes.into_values().collect()
}

#[test]
fn a_quarantined_rule_that_is_retired_is_not_shown_as_quarantined() {
    let mut scene = Scene::new();
    scene.put(&plain("r"), Status::Online, Gap::Replay);
    let removed = [RuleChange::Remove { rule_id: "r".into() }];
    assert_eq!(quarantine(&mut scene, "r"), removed);
    assert_eq!(scene.rules["r"].state(), Some(RunState::Quarantined));
    assert_eq!(
        scene.put(&plain("r"), Status::Retired, Gap::Replay),
        removed,
        "so that it is told how all rules stand"
    );
    assert_eq!(scene.rules["r"].state(), None);
    assert_eq!(scene.put(&plain("r"), Status::Retired, Gap::Replay), []);
}

#[test]
fn what_was_stopped_for_its_faults_stays_so_over_a_restart_though_its_row_lags_behind() {
    let mut scene = Scene::new();
    scene.put(&plain("r"), Status::Online, Gap::Replay);
    let mut edited = plain("r");
    edited["name"] = "edited".into();
    assert_eq!(only(scene.put(&edited, Status::Online, Gap::Replay)).version, 2);
    quarantine(&mut scene, "r");
    let mut first_said = |its_version: Option<u64>| {
        let (mut told, mut outbox) = (put(&edited, Status::Online, Gap::Replay), Outbox::default());
        if let Change::Put { version, .. } = &mut told.change {
            *version = its_version;
        }
        take_in(&mut scene.feed, vec![told], true, &mut scene.rules, &mut outbox);
        outbox.changes.into_values().collect::<Vec<_>>()
    };
    for version in [None, Some(1), Some(2)] {
        assert_eq!(first_said(version), [], "{version:?}");
    }
    assert_eq!(only(first_said(Some(3))).version, 3, "it was published again");
}

#[test]
fn of_a_rule_out_of_force_only_its_numbers_are_remembered() {
    let retired: fn(&mut Scene) = |scene| drop(scene.put(&rule(), Status::Retired, Gap::Replay));
    let quarantined: fn(&mut Scene) = |scene| drop(quarantine(scene, "r"));
    for stop in [retired, quarantined] {
        let (mut scene, _) = in_force();
        scene.write("profiles.jsonl", "{\"guid\": 2, \"level\": 5}\n");
        let mut edited = rule();
        edited["name"] = "edited".into();
        let before = only(scene.put(&edited, Status::Paused, Gap::Replay));
        assert_eq!((before.version, before.departed.len(), before.scripts.len()), (2, 1, 1));
        stop(&mut scene);
        let remembered = scene.rules["r"].rule.clone();
        let (json, crowds) = crate::checkpoint::rules::to_json(std::slice::from_ref(&remembered));
        assert!(crowds.is_empty() && !json.contains("on_event"), "{json}");
        let Published { version, publish, lineage, .. } = remembered.published;
        assert_eq!((version, publish, &lineage), (2, before.publish, &before.lineage));
        let again = only(scene.put(&rule(), Status::Online, Gap::Replay));
        assert_eq!((again.version, again.pause, again.departed), (3, None, Vec::new()));
        assert!(again.lineage.rule > lineage.last);
    }
}

#[test]
fn rules_of_the_checkpoint_without_a_document_go_once_every_document_can_be_read() {
    let mut scene = Scene::new();
    ["a", "b", "gone"].iter().for_each(|id| drop(scene.put(&plain(id), Status::Online, Gap::Replay)));
    let Scene { mut feed, rules, ordered, effects, .. } = scene;
    feed.remembered = rules.into_values().map(|known| known.rule).collect();
    let a = put(&plain("a"), Status::Online, Gap::Replay);
    let b = put(&plain("b"), Status::Online, Gap::Replay);
    let unreadable = Change::Unreadable { reason: "it breaks off".into() };
    let broken = Told { origin: b.origin.clone(), rule_id: None, change: unreadable };
    feed.source = Box::new(Says([vec![a, broken], vec![], vec![b]].into()));
    let feed = thread::spawn(move || run(feed));
    let in_force =
        || effects.send(Effect::InForce { epoch: 1, positions: Positions::default(), rejected: Vec::new() });
    assert_eq!(ordered.recv().unwrap().set.changes.len(), 3, "as the checkpoint has them");
    in_force().unwrap();
    let removed = ordered.recv().unwrap();
    assert_eq!(removed.set.changes, [RuleChange::Remove { rule_id: "gone".into() }]);
    drop(effects);
    feed.join().unwrap();
}
