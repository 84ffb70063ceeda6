//! A scene with one rule, driven step by step: events, the passing of time, pauses, edits.

use std::collections::BTreeMap;

use operators::{document::lifecycle::Gap, model::trigger::Trigger, rule::crowd::KEPT_AFTER_LEAVING};
use serde_json::{Value as Json, json};
use strateye_tests::{
    engine::{Engine, Layout},
    random::BASE,
};

/// Seven days, in seconds.
pub(crate) const KEPT: i64 = KEPT_AFTER_LEAVING / 1_000;

/// Operation on state after every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nothing.
    Plain,
    /// Clocks are applied, and droppable state is swept.
    Swept,
    /// State is saved.
    Saved,
    /// State is saved only after edits, pauses and the like, and so includes earlier changes.
    SavedWhenEdited,
    /// State is saved, swept, and saved again.
    SavedAndSwept,
    /// State is saved, dropped, and restored for another number of workers.
    Restarted,
}

/// All operations.
pub(crate) const WAYS: [Way; 6] =
    [Way::Plain, Way::Swept, Way::Saved, Way::SavedWhenEdited, Way::SavedAndSwept, Way::Restarted];

/// Both gaps.
pub(crate) const GAPS: [Gap; 2] = [Gap::Replay, Gap::Skip];

/// An engine with one rule of the id `r`.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) rule: Json,
    way: Way,
    /// Seconds since the rule was published.
    clock: i64,
    version: u64,
    pauses: u64,
    steps: usize,
    returned: usize,
    stored: BTreeMap<(String, String), String>,
}

/// Runs the story of a rule in every way.
#[expect(clippy::print_stdout, reason = "a failing test is to tell in which way it failed")]
pub(crate) fn each_way(rule: &Json, story: impl Fn(&mut Scene)) {
    for way in WAYS {
        println!("{way:?}");
        story(&mut Scene::new(rule, way));
    }
}

/// A rule that counts `A` as `a` and fires at every `T`.
pub(crate) fn counting() -> Json {
    json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "when": "a.value >= 0", "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}}]})
}

impl Scene {
    pub(crate) fn new(rule: &Json, way: Way) -> Self {
        let mut engine = Engine::new(Layout::default(), 1);
        engine.put(std::slice::from_ref(rule), 1, BASE, &[]);
        Scene {
            engine,
            rule: rule.clone(),
            way,
            clock: 0,
            version: 1,
            pauses: 0,
            steps: 0,
            returned: 0,
            stored: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        match self.way {
            Way::Plain | Way::SavedWhenEdited => {}
            Way::Swept => self.engine.apply_clocks(),
            Way::Saved => self.engine.save_to(&mut self.stored),
            Way::SavedAndSwept => {
                self.engine.save_to(&mut self.stored);
                self.engine.apply_clocks();
                self.engine.save_to(&mut self.stored);
            }
            Way::Restarted => self.restart(1 + self.steps % 3),
        }
    }

    /// Like [`step`](Scene::step), after a change of the rule.
    fn edited(&mut self) {
        if self.way == Way::SavedWhenEdited {
            self.engine.save_to(&mut self.stored);
        }
        self.step();
    }

    /// Saves, drops and restores all state.
    pub(crate) fn restart(&mut self, workers: usize) {
        self.engine.save_to(&mut self.stored);
        self.engine.restore(workers, &self.stored);
    }

    fn line(&self, event_id: &str, mut more: Json) -> String {
        more["event_id"] = event_id.into();
        more["event_time"] = (BASE + self.clock * 1_000).into();
        more.to_string()
    }

    /// Sends an event with further fields.
    pub(crate) fn send_with(&mut self, event_id: &str, more: Json) {
        let line = self.line(event_id, more);
        self.engine.event(0, &line);
        self.step();
    }

    /// Sends events of a user.
    pub(crate) fn send(&mut self, guid: u64, event_ids: &[&str]) {
        event_ids.iter().for_each(|event_id| self.send_with(event_id, json!({"guid": guid})));
    }

    /// Advances the clock to `seconds` after publish, by an event without a user, and runs timers.
    pub(crate) fn reach(&mut self, seconds: i64) {
        self.move_to(seconds);
        self.engine.apply_clocks();
        self.step();
    }

    /// Sets the time of the next events; the clocks are not applied before.
    pub(crate) fn move_to(&mut self, seconds: i64) {
        assert!(seconds >= self.clock);
        self.clock = seconds;
        let line = self.line("nothing", json!({}));
        self.engine.event(0, &line);
    }

    pub(crate) fn pause(&mut self) {
        self.pauses += 1;
        self.engine.pause("r");
        assert_eq!(self.engine.pause_of("r"), Some(self.pauses));
        self.edited();
    }

    pub(crate) fn resume(&mut self, gap: Gap) {
        assert_eq!(self.engine.pause_of("r"), Some(self.pauses));
        self.engine.resume("r", gap);
        self.edited();
    }

    /// Publishes the rule changed at one path.
    pub(crate) fn edit(&mut self, place: &str, value: Json) {
        let (parent, name) = place.rsplit_once('/').unwrap();
        self.rule.pointer_mut(parent).unwrap()[name] = value;
        self.publish();
    }

    /// Publishes the present rule as the next version.
    pub(crate) fn publish(&mut self) {
        let version = self.version + 1;
        self.publish_as(version);
    }

    pub(crate) fn publish_as(&mut self, version: u64) {
        self.version = version;
        let at = BASE + self.clock * 1_000;
        self.engine.put(std::slice::from_ref(&self.rule), version, at, &[]);
        self.edited();
    }

    pub(crate) fn retire(&mut self) {
        self.engine.retire("r");
        // The next life of the rule counts its own pauses.
        self.pauses = 0;
        self.edited();
    }

    /// Corrects a condition's state of a key, as people would.
    pub(crate) fn correct(&mut self, condition: &str, key: &str, text: Option<&str>) {
        self.engine.correct("r", condition, key, text);
        self.step();
    }

    /// Visits all keys to drop state that is no longer needed.
    pub(crate) fn sweep(&mut self) {
        (0..20).for_each(|_| self.engine.apply_clocks());
    }

    /// Triggers fired since the last call.
    pub(crate) fn fired(&mut self) -> Vec<Trigger> {
        let all = &self.engine.triggers;
        let new = all[self.returned..].to_vec();
        self.returned = all.len();
        new
    }

    /// Values `value` of a condition in the triggers fired since the last call.
    pub(crate) fn values(&mut self, condition: &str) -> Vec<u64> {
        self.fired().iter().map(|t| t.values[condition]["value"].as_u64().unwrap()).collect()
    }

    /// A user's count of `A`, by letting the rule fire.
    pub(crate) fn count(&mut self, guid: u64) -> u64 {
        self.send(guid, &["T"]);
        let values = self.values("a");
        assert_eq!(values.len(), 1, "fired once");
        values[0]
    }

    /// Instants, in seconds after publish, of the triggers fired since the last call, and the condition's
    /// `value`.
    pub(crate) fn timed(&mut self, condition: &str) -> Vec<(i64, u64)> {
        let value = |t: &Trigger| t.values[condition]["value"].as_u64().unwrap();
        self.fired().iter().map(|t| ((t.fired_at - BASE) / 1_000, value(t))).collect()
    }
}
