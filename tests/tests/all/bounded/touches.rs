//! Touches of keys: a rule that is edited continues alike whether its states stay in memory, are evicted and
//! reloaded, or are restored by another process.

use std::collections::BTreeMap;

use operators::{
    document::{
        lifecycle::{Gap, Status},
        put::Put,
        spec::Rule,
    },
    rule::{
        compiler::Compiler,
        register::{Listing, Next, Prepared, Register},
    },
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use strateye_tests::{compiler::compiler, engine::sorted, random::BASE};

use super::{
    crowd,
    world::{Decisions, World},
};

const HOUR: i64 = 3_600_000;

/// A step of the story of two rules.
#[derive(Clone, Debug)]
enum Step {
    /// An event of a user, some hours after the one before.
    Event { user: u64, hours: i64 },
    /// Adds a `ttl`, or halves the one there is.
    Ttl,
    /// Another crowd: a bit for each user; `None`: everybody.
    Crowd(Option<u8>),
    /// Adds a limit.
    Limit,
    /// Pauses or resumes.
    Pause { skip: bool },
    /// Another process continues, if any does.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let hours = prop_oneof![3 => 0i64..5, 2 => 5i64..80, 1 => 160i64..180];
    prop_oneof![
        14 => (0u64..4, hours).prop_map(|(user, hours)| Step::Event { user, hours }),
        2 => Just(Step::Ttl),
        4 => prop::option::weighted(0.9, any::<u8>()).prop_map(Step::Crowd),
        1 => Just(Step::Limit),
        2 => any::<bool>().prop_map(|skip| Step::Pause { skip }),
        4 => Just(Step::Restart),
    ]
}

/// What becomes of states between events.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    InMemory,
    Evicted,
    Restored,
}

/// The rules `r` and `s`, the latter with a limit from the beginning, in a world.
struct Story {
    world: World,
    register: Register,
    compiler: Compiler,
    fate: Fate,
    documents: Vec<Json>,
    halvings: u32,
    status: Status,
    gap: Gap,
    /// Time of the last event, unix ms.
    clock: i64,
    /// By which the clock of publishing is ahead of the events', ms. Behind them it would take people for
    /// back in time whose seven days the events have seen pass.
    ahead: i64,
}

impl Story {
    fn new(fate: Fate, decisions: Vec<u8>, ahead: i64) -> Self {
        let rule = |rule_id: &str| {
            json!({"rule_id": rule_id, "trigger": {"event": {"id": "A"}}, "when": "a.value >= 0", "conditions": [
                {"id": "a", "calculator": "count", "event": {"id": "A"}}]})
        };
        let mut limited = rule("s");
        limited["limit"] = json!({"times": 1_000});
        let bound = (fate == Fate::Evicted).then_some(0);
        let mut story = Story {
            world: World::new(bound, 1, Decisions::new(decisions)),
            register: Register::new(u64::MAX),
            compiler: compiler(),
            fate,
            documents: vec![rule("r"), limited],
            halvings: 0,
            status: Status::Online,
            gap: Gap::Replay,
            clock: BASE,
            ahead,
        };
        story.publish();
        story
    }

    /// Puts the documents in force.
    fn publish(&mut self) {
        for document in &self.documents {
            let rule_id = document["rule_id"].as_str().unwrap().to_owned();
            let (status, gap) = (self.status, self.gap);
            let put = Put { rule_id, document: document.to_string().into(), status, version: None, gap };
            let Next::Prepare { publish } = self.register.receive(&put, Listing::Later) else { continue };
            let (rule, now) = (Rule::parse(&put.document).unwrap(), self.clock + self.ahead);
            // All events fold, however far the clock of publishing is ahead.
            let publish = publish.unwrap_or(BASE);
            let crowd = crowd(document, &[]);
            let prepared = Prepared::compile(&rule, crowd, BTreeMap::new(), publish, &self.compiler).unwrap();
            self.register.publish(&put, prepared, now).unwrap();
        }
        if let Some(ordered) = self.register.order() {
            self.world.apply(ordered.set.changes);
            self.register.in_force();
        }
    }

    fn edit(&mut self, change: impl Fn(&mut Json)) {
        self.documents.iter_mut().for_each(change);
        self.publish();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Event { user, hours } => {
                self.clock += hours * HOUR + 1;
                let line = json!({"guid": user, "event_id": "A", "event_time": self.clock}).to_string();
                self.world.events(0, &[line]);
            }
            Step::Ttl => {
                let hours = 200 >> self.halvings;
                self.halvings = (self.halvings + 1).min(5);
                self.edit(|document| document["ttl"] = json!(format!("{hours}h")));
            }
            Step::Crowd(None) => {
                self.edit(|document| drop(document.as_object_mut().unwrap().remove("crowd")))
            }
            Step::Crowd(Some(users)) => {
                let guids: Vec<u64> = (0..4).filter(|user| users >> user & 1 == 1).collect();
                self.edit(|document| document["crowd"] = json!({"guids": guids}));
            }
            Step::Limit => self.edit(|document| document["limit"] = json!({"times": 900})),
            Step::Pause { skip } => {
                let paused = self.status == Status::Paused;
                self.status = if paused { Status::Online } else { Status::Paused };
                self.gap = if *skip { Gap::Skip } else { Gap::Replay };
                self.publish();
            }
            Step::Restart if self.fate == Fate::Restored => self.world.restart(),
            Step::Restart => {}
        }
    }
}

/// Triggers, and the figures that are stored at the end.
type Outcome = (Vec<String>, BTreeMap<(String, String, String), Json>);

fn outcome(steps: &[Step], fate: Fate, decisions: &[u8], ahead: i64) -> Outcome {
    let mut story = Story::new(fate, decisions.to_vec(), ahead);
    steps.iter().for_each(|step| story.step(step));
    story.world.end();
    (sorted(story.world.triggers()), story.world.state(story.clock + 1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_state_counts_as_touched_alike_in_memory_evicted_and_restored(
        steps in prop::collection::vec(step(), 1..60), decisions in prop::collection::vec(any::<u8>(), 1..60),
        ahead in 0i64..30,
    ) {
        let by_fate = |fate| outcome(&steps, fate, &decisions, ahead * HOUR);
        let in_memory = by_fate(Fate::InMemory);
        prop_assert_eq!(&by_fate(Fate::Evicted), &in_memory);
        prop_assert_eq!(&by_fate(Fate::Restored), &in_memory);
    }
}

/// A checkpoint has the touch, a later one its deletion.
#[test]
fn touches_in_a_pause_that_was_skipped_do_not_come_back_at_a_restart() {
    let event = |user, hours| Step::Event { user, hours };
    let steps = [
        event(0, 0),
        event(0, 0),
        event(2, 0),
        Step::Ttl,
        event(0, 0),
        event(0, 44),
        event(0, 1),
        Step::Pause { skip: false },
        event(0, 9),
        event(2, 2),
        Step::Pause { skip: true },
        event(0, 0),
        event(0, 3),
        Step::Restart,
        event(2, 163),
    ];
    let decisions = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11, 0, 4, 0, 0, 0];
    let by_fate = |fate| outcome(&steps, fate, &decisions, 0);
    let in_memory = by_fate(Fate::InMemory);
    assert_eq!(by_fate(Fate::Evicted), in_memory, "evicted");
    assert_eq!(by_fate(Fate::Restored), in_memory, "restored");
}
