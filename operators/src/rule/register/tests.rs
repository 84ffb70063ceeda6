use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use super::{Listing, Next, Prepared, Register, Standing};
use crate::{
    document::{
        fault::Faults,
        lifecycle::{Gap, RunState, Status},
        put::Put,
        spec::{self, Rule},
    },
    model::ids::BookGeneration,
    rule::{
        catalog::Catalog,
        change::{Published, RuleChange},
        compiler::Compiler,
        crowd::{Crowd, Member},
        remembered::Remembered,
    },
};

/// A register, and the compiler of its process.
pub(super) struct Scene {
    pub(super) register: Register,
    pub(super) compiler: Compiler,
    pub(super) now: i64,
}

impl Scene {
    pub(super) fn new() -> Self {
        Scene { register: Register::new(0), compiler: Compiler::default(), now: 1_000 }
    }

    /// Receives and publishes a put; crowds are lists of guids.
    pub(super) fn put(&mut self, put: &Put) -> Result<(), Faults> {
        let Next::Prepare { publish } = self.register.receive(put, Listing::Later) else { return Ok(()) };
        let rule = Rule::parse(&put.document)?;
        let crowd = rule.crowd.as_ref().map(|crowd| match crowd {
            spec::Crowd::Guids(guids) => Crowd::listed(guids.clone()),
            other => panic!("{other:?}"),
        });
        let publish = publish.unwrap_or(self.now);
        let prepared = Prepared::compile(&rule, crowd, BTreeMap::new(), publish, &self.compiler)?;
        self.register.publish(put, prepared, self.now)
    }

    /// Changes of the next set, which takes force.
    pub(super) fn changes(&mut self) -> Vec<RuleChange> {
        let changes = self.register.order().map_or_else(Vec::new, |ordered| ordered.set.changes);
        self.register.in_force();
        changes
    }

    /// Changes that a put leads to.
    fn changes_of(&mut self, document: &Json, status: Status, gap: Gap) -> Vec<RuleChange> {
        self.put(&put(document, status, gap)).unwrap();
        self.changes()
    }

    fn rule(&self) -> &Remembered {
        self.register.rule("r").unwrap()
    }
}

pub(super) fn put(document: &Json, status: Status, gap: Gap) -> Put {
    let rule_id = document["rule_id"].as_str().unwrap().to_owned();
    Put { rule_id, document: document.to_string().into(), status, version: None, gap }
}

fn online(document: &Json) -> Put {
    put(document, Status::Online, Gap::Replay)
}

/// A rule with a crowd and one condition, called `name`.
fn rule(name: &str) -> Json {
    json!({"rule_id": "r", "name": name, "crowd": {"guids": [1, 2]}, "trigger": {"event": {"id": "T"}},
        "conditions": [{"id": "c", "calculator": "count", "event": {"id": "A"}}], "when": "c.value >= 0"})
}

/// The rule of the only change.
fn only(changes: Vec<RuleChange>) -> Published {
    match <[_; 1]>::try_from(changes) {
        Ok([RuleChange::Put(published)]) => *published,
        other => panic!("{other:?}"),
    }
}

/// A scene in which `rule("r")` is in force.
fn in_force() -> (Scene, Published) {
    let mut scene = Scene::new();
    let published = only(scene.changes_of(&rule("r"), Status::Online, Gap::Replay));
    (scene, published)
}

fn quarantine(scene: &mut Scene) -> Option<Standing> {
    scene.register.failed("r", 1, "it failed", Instant::now())
}

#[test]
fn a_pause_and_a_resume_need_nothing_but_the_rule_in_force() {
    let (mut scene, before) = in_force();
    let paused = put(&rule("r"), Status::Paused, Gap::Replay);
    assert_eq!(scene.register.receive(&paused, Listing::Later), Next::Done);
    assert_eq!(only(scene.changes()), Published { pause: Some(1), ..before.clone() });
    assert_eq!(scene.register.receive(&paused, Listing::Later), Next::Done);
    assert_eq!(scene.changes(), [], "it is paused already");
    let resumed = put(&rule("r"), Status::Online, Gap::Skip);
    assert_eq!(scene.register.receive(&resumed, Listing::Later), Next::Done);
    assert_eq!(only(scene.changes()), Published { skipped: [1].into(), ..before });
}

#[test]
fn an_edit_that_pauses_does_so_before_it_is_prepared_and_is_the_same_pause_afterwards() {
    let (mut scene, before) = in_force();
    let edited = put(&rule("edited"), Status::Paused, Gap::Replay);
    assert_eq!(scene.register.receive(&edited, Listing::Later), Next::Prepare { publish: Some(1_000) });
    assert_eq!(only(scene.changes()), Published { pause: Some(1), ..before });
    let published = only(scene.changes_of(&rule("edited"), Status::Paused, Gap::Replay));
    assert_eq!((published.version, published.pause, scene.rule().pauses), (2, Some(1), 1));
}

#[test]
fn a_refused_document_changes_nothing_but_a_pause() {
    let (mut scene, before) = in_force();
    let mut refused = rule("refused");
    refused["when"] = "nothing".into();
    let known = scene.rule().clone();
    assert!(scene.put(&put(&refused, Status::Online, Gap::Replay)).is_err());
    assert_eq!((scene.changes(), scene.rule()), (vec![], &known));
    for (status, changes) in [(Status::Paused, true), (Status::Paused, false), (Status::Online, false)] {
        assert!(scene.put(&put(&refused, status, Gap::Skip)).is_err());
        let expected = changes.then(|| Published { pause: Some(1), ..before.clone() });
        assert_eq!(scene.changes().into_iter().map(|c| only(vec![c])).next(), expected, "{status:?}");
    }
    assert_eq!(scene.rule(), &Remembered { pauses: 1, published: scene.rule().published.clone(), ..known });
}

#[test]
fn a_document_of_another_rule_is_refused() {
    let mut scene = Scene::new();
    let other = Put { rule_id: "other".into(), ..online(&rule("r")) };
    let faults = scene.put(&other).unwrap_err();
    assert!(faults.to_string().contains("rule_id: is `r`; write `other`"), "{faults}");
    assert!(!scene.register.has_changes());
}

#[test]
fn versions_are_the_stores_unless_they_name_another_document() {
    let mut scene = Scene::new();
    let mut version = |name: &str, stored: Option<u64>| {
        scene.put(&Put { version: stored, ..online(&rule(name)) }).unwrap();
        scene.changes();
        scene.rule().published.version
    };
    assert_eq!(version("a", None), 1);
    assert_eq!(version("b", None), 2);
    assert_eq!(version("b", Some(5)), 5, "published again");
    assert_eq!(version("c", Some(4)), 6, "4 may have been another document");
    assert_eq!(version("d", Some(9)), 9);
    scene.register.retire("r");
    scene.put(&Put { version: Some(1), ..online(&rule("e")) }).unwrap();
    assert_eq!(scene.rule().published.version, 1, "the store counts anew, once the rule is retired");
}

#[test]
fn edits_keep_the_instant_of_the_first_publish_and_a_retirement_ends_it() {
    let (mut scene, _) = in_force();
    scene.now = 2_000;
    assert_eq!(only(scene.changes_of(&rule("edited"), Status::Online, Gap::Replay)).publish, 1_000);
    scene.register.retire("r");
    scene.now = 3_000;
    let again = only(scene.changes_of(&rule("edited"), Status::Online, Gap::Replay));
    assert_eq!((again.publish, again.version), (3_000, 3));
}

#[test]
fn who_leaves_the_crowd_is_departed() {
    let (mut scene, _) = in_force();
    scene.now = 2_000;
    let mut smaller = rule("r");
    smaller["crowd"] = json!({"guids": [2]});
    let published = only(scene.changes_of(&smaller, Status::Online, Gap::Replay));
    assert_eq!(published.departed.len(), 1);
    assert!(published.departed[0].at == 2_000 && published.departed[0].guids.contains(Member::Number(1)));
    smaller["key_by"] = json!("device_id");
    let kept = only(scene.changes_of(&smaller, Status::Online, Gap::Replay)).departed;
    assert_eq!(kept, published.departed);
}

#[test]
fn a_quarantined_rule_is_removed_until_it_is_published_again() {
    let (mut scene, _) = in_force();
    let standing = quarantine(&mut scene).unwrap();
    assert_eq!((standing.version, standing.state), (1, Some(RunState::Quarantined)));
    assert!(standing.reason.unwrap().ends_with("; the last: it failed"));
    assert_eq!(quarantine(&mut scene), None, "it is quarantined already");
    let removed = [RuleChange::Remove { rule_id: "r".into() }];
    assert_eq!(scene.changes(), removed);
    assert_eq!(scene.changes_of(&rule("r"), Status::Retired, Gap::Replay), removed, "it is shown no longer");
    assert_eq!(scene.rule().state(), None);
    assert_eq!(scene.changes_of(&rule("r"), Status::Retired, Gap::Replay), []);
}

#[test]
fn the_error_budget_is_the_rules_own_and_begins_anew_with_each_publish() {
    let mut scene = Scene { register: Register::new(10), ..Scene::new() };
    scene.put(&online(&rule("r"))).unwrap();
    let now = Instant::now();
    assert_eq!(scene.register.failed("r", 10, "", now), None);
    scene.put(&online(&rule("edited"))).unwrap();
    assert_eq!(scene.register.failed("r", 10, "", now), None);
    assert!(scene.register.failed("r", 1, "", now + Duration::from_secs(60)).is_some());
    assert_eq!(scene.register.failed("unknown", 100, "", now), None);
}

#[test]
fn what_the_breaker_paused_says_why_until_it_is_resumed() {
    let (mut scene, before) = in_force();
    let standing = scene.register.pause_broken("r", "too much").unwrap();
    assert_eq!((standing.state, standing.reason.as_deref()), (Some(RunState::Paused), Some("too much")));
    assert_eq!(scene.register.pause_broken("r", "again"), None, "it is paused already");
    assert_eq!(only(scene.changes()), Published { pause: Some(1), ..before.clone() });
    assert_eq!(only(scene.changes_of(&rule("r"), Status::Online, Gap::Replay)), before);
    assert_eq!(scene.rule().broken, None);
}

#[test]
fn what_was_stopped_for_its_faults_stays_so_over_a_restart_though_its_row_lags_behind() {
    let (mut scene, _) = in_force();
    scene.put(&online(&rule("edited"))).unwrap();
    quarantine(&mut scene);
    let remembered = scene.register.order().unwrap().remembered;
    let mut restarted = Register::from_remembered(remembered.to_vec(), 0);
    assert!(!restarted.is_resuming(), "nothing is in force");
    let mut listed =
        |version: Option<u64>| restarted.receive(&Put { version, ..online(&rule("edited")) }, Listing::First);
    for version in [None, Some(1), Some(2)] {
        assert_eq!(listed(version), Next::Done, "{version:?}");
    }
    let publish = scene.rule().publish();
    assert_eq!(listed(Some(3)), Next::Prepare { publish }, "it was published again");
    let mut broken = in_force().0;
    broken.register.pause_broken("r", "too much");
    let remembered = broken.register.order().unwrap().remembered;
    let mut restarted = Register::from_remembered(remembered.to_vec(), 0);
    assert_eq!(restarted.receive(&online(&rule("r")), Listing::First), Next::Done);
    assert_eq!(restarted.rule("r").unwrap().state(), Some(RunState::Paused));
    assert_eq!(restarted.receive(&online(&rule("r")), Listing::Later), Next::Done);
    assert_eq!(restarted.rule("r").unwrap().state(), Some(RunState::Live), "somebody resumed it");
}

/// A rule with a statement that fails whenever it is reached.
fn failing(name: &str) -> Json {
    let script = "fn init(params) { #{ n: 0 } } fn outputs(state, params, now) { #{ value: state.n } }
        fn on_event(state, event, params) { if event.p == 9 { state.n += \"x\"; } true }";
    let mut failing = rule(name);
    failing["conditions"][0]["calculator"] = json!({"script": script});
    failing
}

/// A register as after a restart, with the rule [`failing`] in force.
fn restarted() -> Scene {
    let document = failing("r");
    let mut remembered = in_force().0.rule().clone();
    remembered.document = Some(online(&document).document.digest());
    let mut plain = document;
    plain.as_object_mut().unwrap().remove("crowd");
    remembered.published.document = plain.to_string().into();
    Scene { register: Register::from_remembered(vec![remembered], 0), ..Scene::new() }
}

#[test]
fn a_statement_that_never_works_refuses_a_publish_and_an_edit_and_no_rule_in_force() {
    let message = "takes no integer with string";
    assert!(Scene::new().put(&online(&failing("r"))).unwrap_err().to_string().contains(message));
    let mut scene = restarted();
    let mut catalog = Catalog::new(scene.compiler.clone());
    let mut apply = |scene: &mut Scene| {
        let applied = catalog.apply(&scene.register.order().unwrap().set);
        scene.register.in_force();
        assert!(applied.rejected.is_empty() && applied.book.rules.len() == 1);
        applied.failing.iter().map(|(rule_id, faults)| format!("{rule_id} {faults}")).collect::<Vec<_>>()
    };
    let resumed = apply(&mut scene);
    assert!(resumed.len() == 1 && resumed[0].contains(message), "{resumed:?}");
    assert_eq!(scene.register.receive(&online(&failing("r")), Listing::First), Next::Done);
    scene.put(&put(&failing("r"), Status::Paused, Gap::Replay)).unwrap();
    assert_eq!(apply(&mut scene), resumed, "told again with each change");
    assert!(scene.put(&online(&failing("edited"))).unwrap_err().to_string().contains(message));
    assert_eq!(scene.rule().state(), Some(RunState::Paused), "as before");
    scene.put(&online(&rule("mended"))).unwrap();
    assert!(apply(&mut scene).is_empty());
}

#[test]
fn of_a_rule_out_of_force_only_its_numbers_are_kept() {
    let stops: [fn(&mut Scene); 2] = [|scene| scene.register.retire("r"), |scene| drop(quarantine(scene))];
    for stop in stops {
        let (mut scene, _) = in_force();
        let mut edited = rule("edited");
        edited["crowd"] = json!({"guids": [2]});
        let before = only(scene.changes_of(&edited, Status::Paused, Gap::Replay));
        assert_eq!((before.version, before.departed.len()), (2, 1));
        stop(&mut scene);
        let Remembered { published, pauses, .. } = scene.rule().clone();
        assert_eq!((published.version, &published.lineage), (2, &before.lineage));
        assert!(published.document.is_empty() && published.crowd.is_none() && published.departed.is_empty());
        assert_eq!((published.pause, pauses), (None, 0));
        let again = only(scene.changes_of(&rule("r"), Status::Online, Gap::Replay));
        assert_eq!((again.version, again.pause, again.departed), (3, None, Vec::new()));
        assert!(again.lineage.rule > before.lineage.last);
    }
}

#[test]
fn retired_rules_leave_and_no_rule_after_them_has_their_names() {
    let mut scene = Scene::new();
    let named = |name: &str| {
        let mut document = rule("r");
        document["rule_id"] = json!(name);
        document
    };
    let mut sizes = Vec::new();
    let mut used = BTreeSet::new();
    for turn in 0..50 {
        let name = format!("r{}", turn % 7);
        scene.put(&Put { version: Some(1 + turn % 3), ..online(&named(&name)) }).unwrap();
        scene.changes();
        let published = scene.register.rule(&name).unwrap().published.clone();
        let names = published.lineage.names(&name);
        assert!(names.iter().all(|name| used.insert(name.clone())), "{names:?} in turn {turn}");
        scene.register.retire(&name);
        let ordered = scene.register.order().unwrap();
        sizes.push((ordered.remembered.len(), scene.register.standing().count()));
        scene.register.in_force();
    }
    assert!(sizes.iter().all(|size| *size <= (3, 2)), "remembered, and standing: {sizes:?}");
    // What a former release remembers for ever leaves after a restart.
    let all = (0..50).map(|n| Remembered {
        document: None,
        in_force: false,
        ..in_force_as(&named(&format!("old{n}")))
    });
    let mut scene = Scene { register: Register::from_remembered(all.collect(), 0), ..Scene::new() };
    assert_eq!(scene.register.order().unwrap().remembered.len(), 50, "its status is recorded once more");
    scene.register.in_force();
    scene.put(&online(&named("new"))).unwrap();
    assert_eq!(scene.register.order().unwrap().remembered.len(), 2);
    scene.register.in_force();
    scene.put(&Put { version: Some(1), ..online(&named("old3")) }).unwrap();
    assert!(scene.register.rule("old3").unwrap().published.lineage.rule > 1);
}

/// What is remembered of a rule that was published.
fn in_force_as(document: &Json) -> Remembered {
    let mut scene = Scene::new();
    scene.put(&online(document)).unwrap();
    scene.register.rule(document["rule_id"].as_str().unwrap()).unwrap().clone()
}

#[test]
fn one_set_is_in_flight_and_what_changes_meanwhile_is_one_change_of_the_next() {
    let mut scene = Scene::new();
    assert!(scene.register.is_new());
    let empty = scene.register.order().unwrap();
    assert_eq!(
        (empty.set.generation, empty.set.changes.len()),
        (BookGeneration(1), 0),
        "the first may be empty"
    );
    scene.put(&online(&rule("a"))).unwrap();
    assert!(scene.register.order().is_none(), "one is in flight");
    scene.put(&online(&rule("b"))).unwrap();
    scene.put(&put(&rule("b"), Status::Paused, Gap::Replay)).unwrap();
    assert!(scene.register.in_force().unwrap().changed.is_empty());
    let ordered = scene.register.order().unwrap();
    assert_eq!(ordered.set.generation, BookGeneration(2));
    let published = only(ordered.set.changes);
    assert_eq!((published.version, published.pause), (2, Some(1)));
    scene.put(&put(&rule("b"), Status::Online, Gap::Replay)).unwrap();
    let in_force = scene.register.in_force().unwrap();
    assert_eq!(in_force.changed[0].state, Some(RunState::Paused), "as it was ordered");
    assert!(scene.register.in_force().is_none());
    assert_eq!(only(scene.changes()).pause, None);
    assert!(scene.register.order().is_none(), "nothing changed");
}

#[test]
fn a_rule_is_compiled_once_by_the_register_and_the_catalog_together() {
    let (mut scene, mut catalog) = (Scene::new(), None);
    let mut apply = |scene: &mut Scene| {
        let catalog = catalog.get_or_insert_with(|| Catalog::new(scene.compiler.clone()));
        let set = scene.register.order().unwrap().set;
        let applied = catalog.apply(&set);
        assert!(applied.rejected.is_empty());
        scene.register.in_force();
        scene.compiler.compilations()
    };
    scene.put(&online(&rule("a"))).unwrap();
    assert_eq!(apply(&mut scene), 1);
    scene.put(&put(&rule("a"), Status::Paused, Gap::Replay)).unwrap();
    assert_eq!(apply(&mut scene), 1, "a pause compiles nothing");
    let mut smaller = rule("a");
    smaller["crowd"] = json!({"guids": [2]});
    scene.put(&online(&smaller)).unwrap();
    assert_eq!(apply(&mut scene), 1, "nor does another crowd");
    scene.put(&online(&rule("b"))).unwrap();
    scene.put(&put(&rule("b"), Status::Paused, Gap::Replay)).unwrap();
    assert_eq!(apply(&mut scene), 2, "an edit, paused before it was ordered");
}

#[test]
fn a_lineage_has_the_instant_at_which_an_edit_gave_the_rule_state_of_its_own() {
    let (mut scene, first) = in_force();
    let since = |scene: &mut Scene, document: &Json| {
        scene.now += 1_000;
        let lineage = only(scene.changes_of(document, Status::Online, Gap::Replay)).lineage;
        (lineage.rule_level, lineage.level_since)
    };
    let (mut idle, mut left) = (rule("idle"), rule("left"));
    idle["ttl"] = json!("1h");
    left["crowd"] = json!({"guids": [1]});
    assert_eq!((first.lineage.rule_level, first.lineage.level_since), (false, None));
    assert_eq!(since(&mut scene, &rule("plain")), (false, None));
    assert_eq!(since(&mut scene, &idle), (true, Some(3_000)));
    assert_eq!(since(&mut scene, &rule("again")), (true, Some(3_000)), "once a version has it, all have");
    let mut other = rule("other");
    other["key_by"] = json!(["guid", "ip"]);
    assert_eq!(since(&mut scene, &other), (false, None), "other keys begin anew");
    assert_eq!(since(&mut scene, &rule("back")), (false, None));
    assert_eq!(since(&mut scene, &left), (true, Some(7_000)), "somebody has left");
    scene.register.retire("r");
    assert_eq!(since(&mut scene, &idle), (true, None), "from its first version on");
}
