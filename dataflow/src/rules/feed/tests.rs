#![allow(clippy::unwrap_used)]

use std::{fs, thread};

use operators::{
    document::lifecycle::{Gap, RunState, Status},
    model::{epoch::Epoch, ids::Positions},
    ops::RuleFailure,
    rule::{
        catalog::Catalog,
        change::{Published, RuleChange as BookChange},
        compiler::Compiler,
        crowd::Crowd,
        remembered::Remembered,
    },
};
use serde_json::{Value as Json, json};
use sources::{
    SourceError,
    calculators::Calculators,
    profiles::{LineProfiles, ProfileStore},
};
use tempfile::TempDir;

use super::*;
use crate::{
    protocol::{figures::RuleBoard, rules::RuleFaults},
    rules::{
        breaker::BreakerConfig,
        inbox::{EffectSender, inbox},
    },
    run::awaiting::Awaiting,
    telemetry::messenger::Messenger,
};

/// A source with the changes that a test sends, one batch a poll.
struct Sent(mpsc::Receiver<Vec<RuleChange>>);

impl RuleSource for Sent {
    fn poll(&mut self) -> Result<Vec<RuleChange>, SourceError> {
        Ok(self.0.try_recv().unwrap_or_default())
    }
}

/// A source that is away until the test releases it.
struct Late {
    released: mpsc::Receiver<()>,
    source: Option<Box<dyn RuleSource>>,
    polled: mpsc::Sender<()>,
    there: bool,
}

impl RuleSource for Late {
    fn poll(&mut self) -> Result<Vec<RuleChange>, SourceError> {
        // A test that has seen enough does not receive it.
        let _ = self.polled.send(());
        self.there |= self.released.try_recv().is_ok();
        match self.source.as_mut().filter(|_| self.there) {
            Some(source) => source.poll(),
            None => Err(SourceError::Away { store: "mysql://db:3306/x".into(), reason: "refused".into() }),
        }
    }
}

/// Profiles whose selection blocks until the test lets it end; everybody asked for is user 1.
struct Blocking {
    entered: mpsc::Sender<()>,
    release: mpsc::Receiver<()>,
}

impl ProfileStore for Blocking {
    fn select(&mut self, queries: &[operators::document::spec::Query]) -> Result<Vec<Crowd>, SourceError> {
        self.entered.send(()).unwrap();
        // A test that ends does not wait for it.
        let _ = self.release.recv();
        Ok(vec![Crowd::new([1].into_iter().collect()); queries.len()])
    }
}

/// The ends of a feed's channels, and its parts.
struct Ends {
    changes: mpsc::Sender<Vec<RuleChange>>,
    ordered: mpsc::Receiver<Ordered>,
    effects: EffectSender,
    compiler: Compiler,
}

fn parts(calculators: Calculators, profiles: Option<Box<dyn ProfileStore>>) -> (Feed, Ends) {
    let (changes, source) = mpsc::channel();
    let (to_control, ordered) = mpsc::sync_channel(1);
    let (effects, inbox) = inbox();
    let compiler = Compiler::default();
    let time = Time::Replay { publish_at: 1_000, epoch: 10 };
    let feed = Feed {
        source: Box::new(Sent(source)),
        register: Register::new(0),
        preparer: Preparer { calculators, profiles, compiler: compiler.clone(), time },
        breaker: Breaker::new(BreakerConfig::default()),
        changes: to_control,
        inbox,
        log: RuleLog { messenger: Messenger::default(), rules: RuleBoard::default() },
        awaiting: Awaiting::for_test(),
    };
    (feed, Ends { changes, ordered, effects, compiler })
}

/// A feed driven step by step, with profiles and calculators in a folder.
struct Scene {
    folder: TempDir,
    feed: RulesFeed,
    ends: Ends,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profiles = LineProfiles::new(folder.path().join("profiles.jsonl"));
        let calculators = Calculators::new(Some(folder.path().to_owned()));
        let (parts, ends) = parts(calculators, Some(Box::new(profiles)));
        let mut feed = RulesFeed::start(parts);
        feed.listing = Listing::Later;
        Scene { folder, feed, ends }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// The changes that a put leads to, once it is prepared.
    fn put(&mut self, document: &Json, status: Status, gap: Gap) -> Vec<BookChange> {
        self.feed.receive(vec![put(document, status, gap)]);
        while !self.feed.preparation.is_idle() {
            let Input::Prepared(outcomes) = self.feed.inbox.wait() else { panic!("an effect") };
            self.feed.prepared(outcomes);
        }
        self.changes()
    }

    fn changes(&mut self) -> Vec<BookChange> {
        if !self.feed.register.has_changes() {
            return Vec::new();
        }
        self.feed.order();
        self.feed.effect(in_force_at(1));
        self.ends.ordered.try_recv().unwrap().set.changes
    }

    fn refused(&self) -> u64 {
        self.feed.log.rules.take_update().map_or(0, |numbers| numbers.rejections)
    }

    fn rule(&self) -> &Remembered {
        self.feed.register.rule("r").unwrap()
    }
}

fn in_force_at(epoch: u64) -> Effect {
    Effect::InForce { epoch: Epoch(epoch), positions: Positions::default(), faults: RuleFaults::default() }
}

fn put(document: &Json, status: Status, gap: Gap) -> RuleChange {
    let rule_id = document["rule_id"].as_str().unwrap_or_default().to_owned();
    let put = Put { rule_id, document: document.to_string().into(), status, version: None, gap };
    RuleChange { origin: format!("the file of {}", document["rule_id"]), change: Change::Put(put) }
}

/// A rule that needs nothing.
fn plain(rule_id: &str) -> Json {
    json!({"rule_id": rule_id, "trigger": {"event": {"id": "T"}}})
}

/// The only change, which is a rule.
fn only(changes: Vec<BookChange>) -> Published {
    match <[_; 1]>::try_from(changes) {
        Ok([BookChange::Put(published)]) => *published,
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
fn quarantine(scene: &mut Scene, rule_id: &str) -> Vec<BookChange> {
    let failure = RuleFailure { rule_id: rule_id.into(), count: 1, message: "it failed".into() };
    scene.feed.effect(Effect::Failed(failure));
    scene.changes()
}

#[test]
fn a_quarantined_rule_that_is_retired_is_not_shown_as_quarantined() {
    let mut scene = Scene::new();
    scene.put(&plain("r"), Status::Online, Gap::Replay);
    let removed = [BookChange::Remove { rule_id: "r".into() }];
    assert_eq!(quarantine(&mut scene, "r"), removed);
    assert_eq!(scene.rule().state(), Some(RunState::Quarantined));
    assert_eq!(
        scene.put(&plain("r"), Status::Retired, Gap::Replay),
        removed,
        "so that how all rules stand is recorded"
    );
    assert_eq!(scene.rule().state(), None);
    assert_eq!(scene.put(&plain("r"), Status::Retired, Gap::Replay), []);
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
        let remembered = scene.rule().clone();
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
    let remembered =
        ["a", "b", "gone"].iter().map(|id| scene.feed.register.rule(id).unwrap().clone()).collect();
    let (feed, ends) = parts(Calculators::default(), None);
    let feed = Feed { register: Register::from_remembered(remembered, 0), ..feed };
    let a = put(&plain("a"), Status::Online, Gap::Replay);
    let b = put(&plain("b"), Status::Online, Gap::Replay);
    let unreadable = Change::Unreadable { rule_id: None, reason: "it breaks off".into() };
    let broken = RuleChange { origin: b.origin.clone(), change: unreadable };
    [vec![a, broken], vec![], vec![b]].into_iter().for_each(|changes| ends.changes.send(changes).unwrap());
    let feed = thread::spawn(move || run(feed));
    assert_eq!(ends.ordered.recv().unwrap().set.changes.len(), 3, "as the checkpoint has them");
    ends.effects.send(in_force_at(1));
    let removed = ends.ordered.recv().unwrap();
    assert_eq!(removed.set.changes, [BookChange::Remove { rule_id: "gone".into() }]);
    drop(ends.effects);
    feed.join().unwrap();
}

#[test]
fn rules_of_the_checkpoint_are_in_force_while_their_store_is_away_and_it_is_joined_when_it_is_back() {
    let mut scene = Scene::new();
    ["a", "gone"].iter().for_each(|id| drop(scene.put(&plain(id), Status::Online, Gap::Replay)));
    let remembered = ["a", "gone"].iter().map(|id| scene.feed.register.rule(id).unwrap().clone()).collect();
    let (feed, ends) = parts(Calculators::default(), None);
    let ((release, released), (polled, polls)) = (mpsc::channel(), mpsc::channel());
    let source = Late { released, source: Some(feed.source), polled, there: false };
    let awaiting = feed.awaiting.clone();
    let feed = Feed { source: Box::new(source), register: Register::from_remembered(remembered, 0), ..feed };
    let feed = thread::spawn(move || run(feed));
    assert_eq!(ends.ordered.recv().unwrap().set.changes.len(), 2, "as the checkpoint has them");
    ends.effects.send(in_force_at(1));
    (0..2).for_each(|_| polls.recv().unwrap());
    assert_eq!(
        awaiting.reasons(),
        [
            "the rules: mysql://db:3306/x does not answer: refused; check that it runs and that host and port are right"
        ]
    );
    ends.changes.send(vec![put(&plain("a"), Status::Online, Gap::Replay)]).unwrap();
    release.send(()).unwrap();
    let removed = ends.ordered.recv().unwrap();
    assert_eq!(removed.set.changes, [BookChange::Remove { rule_id: "gone".into() }]);
    assert_eq!(awaiting.reasons(), [] as [&str; 0]);
    drop(ends.effects);
    feed.join().unwrap();
}

/// A feed on its thread in which `a`, `b` and `r` are in force, of which `r` has a crowd by query; and what
/// selects it next blocks.
fn blocked() -> (Ends, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((entered, enters), (release, released)) = (mpsc::channel(), mpsc::channel());
    let profiles = Blocking { entered, release: released };
    let (feed, ends) = parts(Calculators::default(), Some(Box::new(profiles)));
    let online = |rule: &Json| put(rule, Status::Online, Gap::Replay);
    // Before the feed's first poll, which has to find the whole listing.
    ends.changes.send(vec![online(&plain("a")), online(&plain("b")), online(&queried("first"))]).unwrap();
    thread::spawn(move || run(feed));
    enters.recv().unwrap();
    release.send(()).unwrap();
    assert_eq!(ends.ordered.recv().unwrap().set.changes.len(), 3, "the first set has the whole listing");
    ends.effects.send(in_force_at(1));
    ends.changes.send(vec![online(&queried("second"))]).unwrap();
    enters.recv().unwrap();
    (ends, enters, release)
}

/// The rule `r` with a crowd by query.
fn queried(name: &str) -> Json {
    let mut rule = plain("r");
    (rule["name"], rule["crowd"]) =
        (name.into(), json!({"profile": {"tag": "level", "op": ">=", "value": 3}}));
    rule
}

/// Pauses of the rules in a change set, by id.
fn pauses(ordered: &Ordered) -> Vec<(&str, Option<u64>)> {
    let pauses = ordered.set.changes.iter().map(|change| match change {
        BookChange::Put(published) => (published.rule_id.as_str(), published.pause),
        other => panic!("{other:?}"),
    });
    pauses.collect()
}

#[test]
fn a_pause_a_resume_and_a_retirement_pass_by_while_profiles_are_read() {
    let (ends, _enters, release) = blocked();
    let changed = |rule_id: &str, status| ends.changes.send(vec![put(&plain(rule_id), status, Gap::Replay)]);
    changed("a", Status::Paused).unwrap();
    let ordered = ends.ordered.recv().unwrap();
    assert_eq!(pauses(&ordered), [("a", Some(1))]);
    ends.effects.send(in_force_at(2));
    changed("a", Status::Online).unwrap();
    assert_eq!(pauses(&ends.ordered.recv().unwrap()), [("a", None)]);
    ends.effects.send(in_force_at(3));
    changed("b", Status::Retired).unwrap();
    let removed = ends.ordered.recv().unwrap().set.changes;
    assert_eq!(removed, [BookChange::Remove { rule_id: "b".into() }]);
    ends.effects.send(in_force_at(4));
    release.send(()).unwrap();
    assert_eq!(only(ends.ordered.recv().unwrap().set.changes).version, 2, "and then the edit");
}

#[test]
fn the_emergency_stop_holds_while_profiles_are_read_and_over_the_edit_that_read_them() {
    let (ends, enters, release) = blocked();
    // All rows are paused, that of the edit too: its document is not in force.
    let paused = |rule: &Json| put(rule, Status::Paused, Gap::Replay);
    ends.changes.send(vec![paused(&plain("a")), paused(&plain("b")), paused(&queried("second"))]).unwrap();
    let ordered = ends.ordered.recv().unwrap();
    assert_eq!(pauses(&ordered), [("a", Some(1)), ("b", Some(1)), ("r", Some(1))]);
    ends.effects.send(in_force_at(2));
    release.send(()).unwrap();
    // The edit that was being prepared would be online; the pause supersedes it and prepares its own.
    enters.recv().unwrap();
    release.send(()).unwrap();
    let edited = only(ends.ordered.recv().unwrap().set.changes);
    assert_eq!((edited.version, edited.pause), (2, Some(1)), "the same pause");
}

#[test]
fn the_first_set_waits_for_the_crowds_of_the_first_listing() {
    let ((entered, enters), (release, released)) = (mpsc::channel(), mpsc::channel());
    let (feed, ends) = parts(Calculators::default(), Some(Box::new(Blocking { entered, release: released })));
    let mut feed = RulesFeed::start(feed);
    let online = |rule: &Json| put(rule, Status::Online, Gap::Replay);
    feed.receive(vec![online(&plain("a")), online(&queried("first"))]);
    enters.recv().unwrap();
    feed.order_when_due();
    assert!(ends.ordered.try_recv().is_err());
    release.send(()).unwrap();
    let Input::Prepared(outcomes) = feed.inbox.wait() else { panic!("an effect") };
    feed.prepared(outcomes);
    feed.order_when_due();
    assert_eq!(ends.ordered.try_recv().unwrap().set.changes.len(), 2);
}

#[test]
fn a_rule_is_compiled_once_in_the_process_that_refuses_and_puts_it_in_the_book() {
    let (mut scene, _) = in_force();
    let mut catalog = Catalog::new(scene.ends.compiler.clone());
    let mut edited = rule();
    edited["name"] = "edited".into();
    let before = scene.ends.compiler.compilations();
    scene.feed.receive(vec![put(&edited, Status::Online, Gap::Replay)]);
    let Input::Prepared(outcomes) = scene.feed.inbox.wait() else { panic!("an effect") };
    scene.feed.prepared(outcomes);
    scene.feed.order();
    let applied = catalog.apply(&scene.ends.ordered.try_recv().unwrap().set);
    scene.feed.effect(in_force_at(1));
    assert_eq!((applied.rejected.len(), applied.book.rules.len()), (0, 1));
    assert_eq!(scene.ends.compiler.compilations() - before, 1);
}

#[test]
fn a_source_is_seldom_polled_while_its_first_listing_is_prepared() {
    let (parts, ends) = parts(Calculators::default(), None);
    let mut feed = RulesFeed::start(parts);
    assert_eq!(feed.pause_after(Duration::ZERO), PAUSE[0], "nothing is listed");
    ends.changes.send(vec![put(&plain("a"), Status::Online, Gap::Replay)]).unwrap();
    feed.poll();
    assert_eq!(feed.pause_after(Duration::ZERO), PAUSE[1]);
    let Input::Prepared(outcomes) = feed.inbox.wait() else { panic!("an effect") };
    feed.prepared(outcomes);
    feed.order_when_due();
    assert_eq!(
        (ends.ordered.recv().unwrap().set.changes.len(), feed.pause_after(Duration::ZERO)),
        (1, PAUSE[0])
    );
}

#[test]
fn a_source_that_is_slow_to_poll_is_polled_less_often() {
    let pauses = [0, 1, 30, 60, 5_000].map(|ms| pause_after(Duration::from_millis(ms)).as_millis());
    assert_eq!(pauses, [100, 100, 270, 540, 1_000]);
}
