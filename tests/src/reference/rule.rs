//! A rule, parsed from its document.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::calculator::Calculator;
use super::calendar::Calendar;
use super::condition::Condition;
use super::condition_state::ConditionState;
use super::crowd::parse_crowd;
use super::duration::{parse_duration, parse_instant};
use super::event::Event;
use super::expression::{Expression, Figure, Problem, Scope};
use super::figures::{Outputs, outputs};
use super::filter::Filter;
use super::key::parse_key_by;
use super::value::Value;

/// A rule with the document's defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) document: Json,
    pub(crate) id: String,
    pub(crate) key_by: Vec<String>,
    /// `key_by` as in the document.
    pub(crate) key_by_shown: Json,
    crowd: Option<BTreeSet<String>>,
    /// The instant at which the rule goes live: the later of approval and `active.from`.
    pub(crate) publish: i64,
    until: Option<i64>,
    pub(crate) conditions: Vec<Condition>,
    when: Option<Expression>,
    pub(crate) trigger: Trigger,
    already_fires: bool,
    pub(crate) limit: Option<Limit>,
    pub(crate) holdout: f64,
    pub(crate) action: Json,
    pub(crate) ttl: Option<i64>,
    late: Option<i64>,
    pub(crate) reset: bool,
}

/// Trigger of a rule.
#[derive(Clone, Debug)]
pub(crate) enum Trigger {
    Event(Filter),
    Satisfied,
    /// Index of the condition.
    Each(usize),
}

/// At most `times` firings in the time `per`, or ever.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) times: usize,
    pub(crate) per: Option<Per>,
}

/// The time in which a limit counts.
#[derive(Clone, Debug)]
pub(crate) enum Per {
    Last(i64),
    This(Calendar),
}

impl Rule {
    pub(crate) fn parse(json: &Json, approval: i64, profiles: Option<&[Json]>) -> Self {
        let text = |name: &str| present(json, name).and_then(Json::as_str);
        let active = |end: &str| json["active"][end].as_str().map(parse_instant);
        let publish = active("from").map_or(approval, |from| from.max(approval));
        let conditions: Vec<Condition> = match present(json, "conditions") {
            Some(list) => {
                list.as_array().expect("conditions").iter().map(|c| Condition::parse(c, publish)).collect()
            }
            None => Vec::new(),
        };
        let place = |id: &str| conditions.iter().position(|c| c.id == id).expect("the condition's id");
        let trigger = match &json["trigger"] {
            Json::String(word) if word == "satisfied" => Trigger::Satisfied,
            trigger => match trigger["each"].as_str() {
                Some(id) => Trigger::Each(place(id)),
                None => Trigger::Event(Filter::parse(&trigger["event"])),
            },
        };
        Self {
            document: json.clone(),
            id: text("rule_id").expect("rule_id").to_owned(),
            key_by: parse_key_by(json.get("key_by")),
            key_by_shown: present(json, "key_by").cloned().unwrap_or_else(|| Json::from("guid")),
            crowd: present(json, "crowd").map(|crowd| parse_crowd(crowd, profiles)),
            publish,
            until: active("until"),
            when: text("when").map(|text| Expression::parse(text, false)),
            trigger,
            already_fires: text("already") == Some("fire"),
            limit: present(json, "limit").map(|limit| Limit {
                times: limit["times"]
                    .as_u64()
                    .and_then(|times| usize::try_from(times).ok())
                    .expect("limit.times"),
                per: present(limit, "per").map(|per| match per.as_str() {
                    Some(span) => Per::Last(parse_duration(span)),
                    None => Per::This(Calendar::parse(per)),
                }),
            }),
            holdout: present(json, "holdout").and_then(Json::as_f64).unwrap_or(0.0),
            action: json["action"].clone(),
            ttl: text("ttl").map(parse_duration),
            late: text("late").map(parse_duration),
            reset: present(json, "reset") == Some(&Json::Bool(true)),
            conditions,
        }
    }

    /// Whether the rule is active at an instant. Before publish it is history, for which only the end counts.
    pub(crate) fn is_active(&self, now: i64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether keys that satisfy `when` at publish fire then.
    pub(crate) fn fires_at_publish(&self) -> bool {
        self.already_fires && matches!(self.trigger, Trigger::Satisfied)
    }

    /// Whether anything in the rule depends on when its keys were touched, or on what happened to a key besides
    /// folding. From the first such version of a rule on, touches count.
    pub(crate) fn needs_touches(&self) -> bool {
        let timer = |c: &Condition| matches!(c.calculator, Calculator::Absence { .. });
        self.ttl.is_some()
            || self.limit.is_some()
            || !matches!(self.trigger, Trigger::Event(_))
            || self.conditions.iter().any(timer)
    }

    /// Whether users leave its crowd when it becomes `to`.
    pub(crate) fn loses_users(&self, to: &Rule) -> bool {
        let by_user = self.key_by.iter().any(|field| field == "guid");
        let crowds = self.crowd.as_ref().zip(to.crowd.as_ref());
        by_user && crowds.is_some_and(|(before, after)| !before.is_subset(after))
    }

    /// Whether an event that has the rule's key fields concerns it.
    pub(crate) fn concerns(&self, event: &Event, now: i64) -> bool {
        let guid = event.guid.as_ref().map(Json::to_string);
        let in_crowd = self.crowd.as_ref().is_none_or(|crowd| guid.is_some_and(|guid| crowd.contains(&guid)));
        let triggers = matches!(&self.trigger, Trigger::Event(filter) if filter.matches(event));
        let late = self.late.is_some_and(|late| now - event.time > late);
        in_crowd
            && self.is_active(now)
            && !late
            && (triggers || self.conditions.iter().any(|c| c.matches(event)))
    }

    /// Whether `when` holds at `now`.
    pub(crate) fn when(&self, states: &[ConditionState], now: i64) -> bool {
        let figures = Figures { rule: self, states, now };
        match &self.when {
            Some(when) => when.holds(&figures),
            None => (0..self.conditions.len()).all(|place| figures.met(place)),
        }
    }
}

/// A field of the document; `null` counts as absent.
fn present<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    json.get(name).filter(|value| !value.is_null())
}

/// Names of `when`: the rule's conditions and their outputs.
struct Figures<'a> {
    rule: &'a Rule,
    states: &'a [ConditionState],
    now: i64,
}

impl Figures<'_> {
    fn met(&self, place: usize) -> bool {
        let condition = &self.rule.conditions[place];
        let met = condition.met.as_ref().expect("a condition that is named bare needs a met");
        met.holds(&Named(outputs(condition, &self.states[place], self.now)))
    }

    fn place(&self, id: &str) -> usize {
        self.rule.conditions.iter().position(|c| c.id == id).unwrap_or_else(|| panic!("no condition: {id}"))
    }
}

impl Scope for Figures<'_> {
    fn name(&self, name: &str) -> Figure {
        Ok(Some(Value::Bool(self.met(self.place(name)))))
    }

    fn output(&self, id: &str, output: &str) -> Figure {
        let place = self.place(id);
        Ok(outputs(&self.rule.conditions[place], &self.states[place], self.now).remove(output))
    }
}

/// Names of `met`: the outputs of its own condition.
pub(crate) struct Named(pub(crate) Outputs);

impl Scope for Named {
    fn name(&self, name: &str) -> Figure {
        Ok(self.0.get(name).cloned())
    }

    fn output(&self, _: &str, _: &str) -> Figure {
        Err(Problem)
    }
}
