//! Stored form of rule-level state: firings, messages, edge, timers with their causes, and the snapshot of a pause.
//!
//! Conditions are named by id and beginning, properties by name, so that an entry means the same under any
//! later version of the rule: entries of a condition that has begun anew are ignored on reading.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, value::RawValue};

use super::{Armed, RuleState, rule_level::Message, text};
use crate::{
    model::{
        field::{Field, Fields, TOP_LEVEL},
        guid::OwnedGuid,
        ids::{Offset, PartitionId},
        value::Value,
    },
    rule::plan::RulePlan,
};

/// The stored form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    touched: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    firings: Vec<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edge: Option<(u64, bool)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    armed: Vec<Timer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    judge_at_publish: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before_pause: Option<Box<Before>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Timer {
    condition: String,
    since: u64,
    deadline: i64,
    partition: PartitionId,
    offset: Offset,
    event_id: String,
    event_time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guid: Option<OwnedGuid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<(String, Json)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    pause: u64,
    conditions: Vec<(String, u64, Box<RawValue>)>,
    rule: Entry,
}

/// Writes the rule-level part of a state.
pub fn write(state: &mut RuleState<'_>, plan: &RulePlan, fields: &Fields, text: &mut String) {
    // Names, numbers and texts always serialize.
    text.push_str(&serde_json::to_string(&entry(state, plan, fields)).unwrap_or_default());
}

fn entry(state: &mut RuleState<'_>, plan: &RulePlan, fields: &Fields) -> Entry {
    let timer = |(condition, armed): (usize, &Armed)| Timer {
        condition: plan.conditions[condition].id.clone(),
        since: plan.identities.conditions[condition].since,
        deadline: armed.deadline,
        partition: armed.partition,
        offset: armed.offset,
        event_id: armed.event_id.to_string(),
        event_time: armed.event_time,
        guid: armed.guid.clone(),
        values: armed.values.iter().map(|(field, value)| (fields.path(*field), value.json())).collect(),
    };
    let before_pause = state.pause().and_then(|pause| {
        state.paused(|copy| {
            let conditions = conditions(copy, plan);
            Box::new(Before { pause, conditions, rule: entry(copy, plan, fields) })
        })
    });
    Entry {
        touched: state.touched(),
        firings: state.level().map_or_else(Vec::new, |level| level.firings.iter().copied().collect()),
        messages: state.level().map_or_else(Vec::new, |level| level.messages.iter().copied().collect()),
        edge: state.any_edge(),
        armed: state.all_armed().map(timer).collect(),
        judge_at_publish: state.is_judged_at_publish(),
        before_pause,
    }
}

fn conditions(state: &mut RuleState<'_>, plan: &RulePlan) -> Vec<(String, u64, Box<RawValue>)> {
    let all = plan.conditions.iter().zip(&plan.identities.conditions).enumerate();
    all.filter_map(|(c, (condition, identity))| {
        let mut json = String::new();
        text::write(condition.program.names(), state.fields(plan, c).values(), &mut json);
        // The text was just written as JSON.
        Some((condition.id.clone(), identity.since, RawValue::from_string(json).ok()?))
    })
    .collect()
}

/// Reads an entry into a state.
///
/// # Errors
/// If the text is not such an entry; the message names the fault.
pub fn read(state: &mut RuleState<'_>, plan: &RulePlan, fields: &Fields, text: &str) -> Result<(), String> {
    let entry: Entry = serde_json::from_str(text).map_err(|e| format!("{text:?}: {e}"))?;
    place(state, plan, fields, entry)
}

fn place(state: &mut RuleState<'_>, plan: &RulePlan, fields: &Fields, entry: Entry) -> Result<(), String> {
    state.clear_rule_level();
    state.set_touched(entry.touched);
    if let Some((edited, held)) = entry.edge {
        state.set_edge(edited, held);
    }
    if entry.judge_at_publish {
        state.judge_at_publish();
    }
    if !entry.firings.is_empty() {
        state.change_level(|level| level.firings = entry.firings.into());
    }
    if !entry.messages.is_empty() {
        state.change_level(|level| level.messages = entry.messages.into());
    }
    for timer in entry.armed {
        if let Some(condition) = position(plan, &timer.condition, timer.since) {
            state.arm(condition, armed(timer, fields));
        }
    }
    match entry.before_pause {
        None => Ok(()),
        Some(before) => state.fill_snapshot(before.pause, |copy| {
            for (id, since, json) in &before.conditions {
                let Some(c) = position(plan, id, *since) else { continue };
                let program = &plan.conditions[c].program;
                let cells = text::read(program.names(), program.initial(), json.get())?;
                copy.fields_mut(plan, c).set_cells(cells);
            }
            place(copy, plan, fields, before.rule)
        }),
    }
}

fn armed(timer: Timer, fields: &Fields) -> Armed {
    let values = timer.values.into_iter();
    Armed {
        deadline: timer.deadline,
        partition: timer.partition,
        offset: timer.offset,
        event_id: timer.event_id.into(),
        event_time: timer.event_time,
        guid: timer.guid,
        values: values.filter_map(|(n, v)| Some((field(&n, fields)?, value(v)?))).collect(),
    }
}

fn position(plan: &RulePlan, id: &str, since: u64) -> Option<usize> {
    plan.conditions.iter().zip(&plan.identities.conditions).position(|(c, i)| c.id == id && i.since == since)
}

/// Field of a stored name; `None` if no rule reads it any more.
fn field(name: &str, fields: &Fields) -> Option<Field> {
    match name.strip_prefix("properties.") {
        Some(property) => fields.property(property),
        None => TOP_LEVEL.iter().position(|n| *n == name).map(|i| Field(i as u32)),
    }
}

fn value(json: Json) -> Option<Value<'static>> {
    Some(match json {
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => {
            n.as_i64().map_or_else(|| n.as_f64().map(Value::Float), |i| Some(Value::Int(i)))?
        }
        Json::String(t) => Value::Text(t.into()),
        Json::Null => return None,
        nested @ (Json::Array(_) | Json::Object(_)) => Value::Nested(nested.to_string().into()),
    })
}
