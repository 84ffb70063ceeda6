//! One rule over all events: keys, timers, triggers, limits.
//!
//! A key's timers run when the key is next touched, when the rule goes live, and at the end. That may be
//! later than the clock passed them, but the result of a timer does not depend on when it is run, so this
//! can't be observed.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::Outcome;
use super::action::fill;
use super::condition::Condition;
use super::condition_state::ConditionState;
use super::event::{Event, Message};
use super::figures::{Outputs, outputs};
use super::key::Key;
use super::rule::{Per, Rule, Trigger};
use super::value::Value;

/// State of the rule for one key.
#[derive(Clone, Debug)]
struct KeyState {
    key: Key,
    conditions: Vec<ConditionState>,
    /// Value of `when` after the latest folding.
    edge: Option<bool>,
    firings: Vec<i64>,
    /// Messages, each with its `now`.
    messages: Vec<(i64, Message)>,
    /// Time of the last event that concerned the rule, or of the edit that first made its touches count.
    last_touch: i64,
    /// Whether the key is judged at the instant of publish.
    judged_at_publish: bool,
}

impl KeyState {
    fn new(key: Key, rule: &Rule, now: i64) -> Self {
        let conditions = vec![ConditionState::default(); rule.conditions.len()];
        Self {
            key,
            conditions,
            edge: None,
            firings: Vec::new(),
            messages: Vec::new(),
            last_touch: now,
            judged_at_publish: false,
        }
    }

    /// Adapts the state to a changed rule: conditions that fold as before keep their state; the edge is
    /// recomputed, unless the rule was only paused or resumed. The key is the same.
    fn carry_over(&mut self, from: &Rule, to: &Rule) {
        if from.document == to.document {
            return;
        }
        let kept = |condition: &Condition| {
            let former = from.conditions.iter().position(|c| c.folds == condition.folds);
            former.map_or_else(ConditionState::default, |place| self.conditions[place].clone())
        };
        self.conditions = to.conditions.iter().map(kept).collect();
        self.edge = None;
    }

    /// The guid in the key itself, for firings that no event caused.
    fn guid(&self, rule: &Rule) -> Option<Json> {
        let place = rule.key_by.iter().position(|field| field == "guid")?;
        Some(if rule.key_by.len() == 1 { self.key.shown.clone() } else { self.key.shown[place].clone() })
    }
}

/// Cause of a firing: an event, or a timer that an event set, or going live.
#[derive(Clone, Copy)]
enum Cause<'a> {
    Event(&'a Event),
    Timer { set_by: &'a Event, condition: &'a str, deadline: i64 },
    Live,
}

/// A rule as it is in force from an offset on.
#[derive(Clone, Debug)]
pub(crate) struct RuleInForce {
    pub(crate) from: u64,
    /// When it was published, unix ms.
    pub(crate) at: i64,
    pub(crate) rule: Rule,
    pub(crate) paused: bool,
}

/// Runs a rule over the events, each with its `now`, and adds the results to `outcome`. The first of `stands`
/// holds from the beginning.
pub(crate) fn run_rule(stands: &[RuleInForce], events: &[(i64, Event)], outcome: &mut Outcome) {
    let (first, mut later) = stands.split_first().expect("a rule stands somehow");
    let mut rule = &first.rule;
    let mut run = Run { rule, paused: first.paused, events, triggers: Vec::new() };
    let mut keys: BTreeMap<String, KeyState> = BTreeMap::new();
    let mut touches_count = rule.needs_touches();
    for (index, (now, event)) in events.iter().enumerate() {
        while let Some((next, rest)) = later.split_first().filter(|(next, _)| next.from <= event.offset) {
            keys.values_mut().for_each(|state| state.carry_over(rule, &next.rule));
            if !touches_count && (next.rule.needs_touches() || rule.loses_users(&next.rule)) {
                keys.values_mut().for_each(|state| state.last_touch = next.at);
                touches_count = true;
            }
            (rule, run.rule, run.paused, later) = (&next.rule, &next.rule, next.paused, rest);
        }
        if *now >= rule.publish {
            keys.values_mut().for_each(|state| run.go_live(state));
        }
        let Some(key) = Key::of(event, &rule.key_by) else { continue };
        if rule.concerns(event, *now) {
            let state = keys.entry(key.text.clone()).or_insert_with(|| KeyState::new(key, rule, *now));
            run.touch(state, index, event, *now);
        }
    }
    let Some((end, _)) = events.last() else { return };
    for (text, mut state) in keys {
        // The final clock lies just after the last `now`, so what is due at it fires.
        if end + 1 >= rule.publish {
            run.go_live(&mut state);
        }
        run.timers(&mut state, end + 1);
        if rule.ttl.is_some_and(|ttl| end - state.last_touch > ttl) {
            continue;
        }
        for (condition, kept) in rule.conditions.iter().zip(&state.conditions) {
            let figures = outputs(condition, kept, *end);
            if figures != outputs(condition, &ConditionState::default(), *end) {
                let place = (rule.id.clone(), text.clone(), condition.id.clone());
                outcome.state.insert(place, as_json(&figures));
            }
        }
    }
    outcome.triggers.append(&mut run.triggers);
}

struct Run<'a> {
    rule: &'a Rule,
    paused: bool,
    events: &'a [(i64, Event)],
    triggers: Vec<Json>,
}

impl Run<'_> {
    /// Processes one event that concerns the rule: the key's timers, its ttl, its conditions, the trigger.
    fn touch(&mut self, state: &mut KeyState, index: usize, event: &Event, now: i64) {
        let rule = self.rule;
        self.timers(state, now);
        if rule.ttl.is_some_and(|ttl| now - state.last_touch > ttl) {
            *state = KeyState::new(state.key.clone(), rule, now);
        }
        if let Some(message) = event.message() {
            let from = now - event.dedupe_for();
            if state.messages.iter().any(|(at, seen)| *at >= from && *seen == message) {
                return;
            }
            state.messages.push((now, message));
        }
        state.last_touch = now;
        state.judged_at_publish |= now < rule.publish && rule.fires_at_publish();
        self.fold(state, now, Cause::Event(event), |conditions| {
            for (condition, kept) in rule.conditions.iter().zip(conditions) {
                condition.fold(kept, index, event, now);
            }
        });
    }

    /// Runs the key's timers with a deadline before `below`, by deadline, then in the order of their
    /// conditions.
    fn timers(&mut self, state: &mut KeyState, below: i64) {
        let rule = self.rule;
        loop {
            // A timer too long after the last touch never runs: by then the key was forgotten.
            let forgotten = rule.ttl.map_or(i64::MAX, |ttl| state.last_touch + ttl);
            let deadlines = rule.conditions.iter().zip(&state.conditions).enumerate();
            let due = deadlines
                .filter_map(|(place, (condition, kept))| Some((condition.deadline(kept)?, place)))
                .filter(|(deadline, _)| *deadline < below && *deadline <= forgotten)
                .min();
            let Some((deadline, place)) = due else { return };
            if !rule.is_active(deadline) {
                state.conditions[place].pending = None;
                continue;
            }
            let condition = &rule.conditions[place];
            let set_by = &self.events[state.conditions[place].cause].1;
            // A key's time never goes back, so a timer that a late event set is judged at the last touch.
            let now = deadline.max(state.last_touch);
            self.fold(
                state,
                now,
                Cause::Timer { set_by, condition: &condition.id, deadline },
                |conditions| {
                    condition.run_out(&mut conditions[place], deadline);
                },
            );
        }
    }

    /// Folds at `now` by `change`, and fires if the trigger asks for it.
    fn fold(
        &mut self,
        state: &mut KeyState,
        now: i64,
        cause: Cause,
        change: impl FnOnce(&mut [ConditionState]),
    ) {
        let rule = self.rule;
        let each = |state: &KeyState| match rule.trigger {
            Trigger::Each(place) => {
                match outputs(&rule.conditions[place], &state.conditions[place], now).get("value") {
                    Some(Value::Int(value)) => *value,
                    other => panic!("each needs a counting value, not {other:?}"),
                }
            }
            _ => 0,
        };
        let before = rule.when(&state.conditions, now);
        let completed = each(state);
        change(&mut state.conditions);
        let holds = rule.when(&state.conditions, now);
        let fires = match (&rule.trigger, cause) {
            (Trigger::Event(filter), Cause::Event(event)) => filter.matches(event),
            (Trigger::Event(_), _) => false,
            (Trigger::Satisfied, _) => !(before && state.edge.unwrap_or(before)),
            (Trigger::Each(_), _) => each(state) > completed,
        };
        state.edge = Some(holds);
        if fires && holds && now >= rule.publish && !self.paused {
            self.fire(state, now, cause);
        }
    }

    /// Handles the instant of publish: history is folded, and a satisfied key may fire once.
    fn go_live(&mut self, state: &mut KeyState) {
        if !std::mem::take(&mut state.judged_at_publish) {
            return;
        }
        let rule = self.rule;
        self.timers(state, rule.publish);
        // An edit may have moved publish to before the last touch.
        let now = rule.publish.max(state.last_touch);
        let forgotten = rule.ttl.is_some_and(|ttl| now - state.last_touch > ttl);
        if rule.fires_at_publish() && !forgotten && rule.is_active(now) && rule.when(&state.conditions, now) {
            state.edge = Some(true);
            if !self.paused {
                self.fire(state, now, Cause::Live);
            }
        }
    }

    /// Fires at `at`, unless the limit forbids it.
    fn fire(&mut self, state: &mut KeyState, at: i64, cause: Cause) {
        let rule = self.rule;
        if let Some(limit) = &rule.limit {
            let counted = |time: &&i64| match &limit.per {
                None => true,
                Some(Per::Last(per)) => at - per < **time && **time <= at,
                Some(Per::This(calendar)) => calendar.period(**time) == calendar.period(at),
            };
            if state.firings.iter().filter(counted).count() >= limit.times {
                return;
            }
            state.firings.push(at);
        }
        let values: Map<String, Json> = rule
            .conditions
            .iter()
            .zip(&state.conditions)
            .map(|(condition, kept)| (condition.id.clone(), as_json(&outputs(condition, kept, at))))
            .collect();
        let (shown, event) = match cause {
            Cause::Event(event) => (event.as_cause(), Some(event)),
            Cause::Timer { set_by, condition, deadline } => {
                let mut shown = set_by.as_cause();
                shown["condition"] = Json::from(condition);
                shown["deadline"] = Json::from(deadline);
                (shown, Some(set_by))
            }
            Cause::Live => (Json::Null, None),
        };
        self.triggers.push(json!({
            "rule_id": rule.id,
            "key_by": rule.key_by_shown,
            "key": state.key.shown,
            "guid": state.guid(rule).or(event.and_then(|event| event.guid.clone())),
            "cause": shown,
            "fired_at": at,
            "values": values,
            "held_out": state.key.held_out(&rule.id, rule.holdout),
            "action": fill(&rule.action, event),
        }));
        if rule.reset {
            state.conditions.fill(ConditionState::default());
            state.edge = Some(rule.when(&state.conditions, at));
        }
    }
}

fn as_json(figures: &Outputs) -> Json {
    figures.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()
}
