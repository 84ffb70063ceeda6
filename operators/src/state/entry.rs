//! Stored form of rule-level state: firings, edge, timers with their causes, and the snapshot of a pause.
//!
//! Conditions are named by id and beginning, properties by name, so that an entry means the same under any
//! later version of the rule: entries of a condition that has begun anew are ignored on reading.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, value::RawValue};

use super::{
    Armed, RuleState,
    rule_level::{PausedCopy, RuleLevel},
    text,
};
use crate::{
    model::{
        field::{Field, Fields, TOP_LEVEL},
        ids::{Offset, PartitionId},
        value::Value,
    },
    rule::{
        layout::Identity,
        plan::{ConditionPlan, RulePlan},
    },
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
    guid: Option<u64>,
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

/// Writes the rule-level part of a state whose layout is that of `plan`.
pub fn write(state: &RuleState, plan: &RulePlan, fields: &Fields, text: &mut String) {
    // Names, numbers and texts always serialize.
    text.push_str(&serde_json::to_string(&entry(state, plan, fields)).unwrap_or_default());
}

fn entry(state: &RuleState, plan: &RulePlan, fields: &Fields) -> Entry {
    let default = RuleLevel::default();
    let level = state.level.as_deref().unwrap_or(&default);
    let timer = |armed: &Armed| {
        let (condition, since) =
            (&plan.conditions[armed.condition].id, plan.layout.conditions[armed.condition].0.since);
        Timer {
            condition: condition.clone(),
            since,
            deadline: armed.deadline,
            partition: armed.partition,
            offset: armed.offset,
            event_id: armed.event_id.to_string(),
            event_time: armed.event_time,
            guid: armed.guid,
            values: armed.values.iter().map(|(field, value)| (fields.path(*field), value.json())).collect(),
        }
    };
    Entry {
        touched: state.touched,
        firings: level.firings.iter().copied().collect(),
        edge: level.edge,
        armed: level.armed.iter().map(timer).collect(),
        judge_at_publish: level.judge_at_publish,
        before_pause: level.paused_copy.as_deref().map(|PausedCopy { pause, state }| {
            Box::new(Before {
                pause: *pause,
                conditions: conditions(state, plan),
                rule: entry(state, plan, fields),
            })
        }),
    }
}

fn conditions(state: &RuleState, plan: &RulePlan) -> Vec<(String, u64, Box<RawValue>)> {
    let row = |(c, (identity, _)): (&ConditionPlan, &(Identity, Range<usize>))| {
        let mut json = String::new();
        text::write(c.program.names(), state.cells(c), &mut json);
        // The text was just written as JSON.
        Some((c.id.clone(), identity.since, RawValue::from_string(json).ok()?))
    };
    plan.conditions.iter().zip(&plan.layout.conditions).filter_map(row).collect()
}

/// Reads an entry into a state whose layout is that of `plan`.
///
/// # Errors
/// If the text is not such an entry; the message names the fault.
pub fn read(state: &mut RuleState, plan: &RulePlan, fields: &Fields, text: &str) -> Result<(), String> {
    let entry: Entry = serde_json::from_str(text).map_err(|e| format!("{text:?}: {e}"))?;
    place(state, plan, fields, entry)
}

fn place(state: &mut RuleState, plan: &RulePlan, fields: &Fields, entry: Entry) -> Result<(), String> {
    let paused_copy = match entry.before_pause {
        None => None,
        Some(before) => {
            let mut state = RuleState::fresh(plan, before.rule.touched);
            for (id, since, json) in &before.conditions {
                let Some(c) = position(plan, id, *since) else { continue };
                let condition = &plan.conditions[c];
                let cells = text::read(condition.program.names(), condition.program.initial(), json.get())?;
                state.cells_mut(condition).clone_from_slice(&cells);
            }
            place(&mut state, plan, fields, before.rule)?;
            Some(Box::new(PausedCopy { pause: before.pause, state }))
        }
    };
    let timer = |timer: Timer| {
        let condition = position(plan, &timer.condition, timer.since)?;
        Some(Armed {
            condition,
            deadline: timer.deadline,
            partition: timer.partition,
            offset: timer.offset,
            event_id: timer.event_id.into(),
            event_time: timer.event_time,
            guid: timer.guid,
            values: timer
                .values
                .into_iter()
                .filter_map(|(n, v)| Some((field(&n, fields)?, value(v)?)))
                .collect(),
        })
    };
    state.touched = entry.touched;
    let level = RuleLevel {
        firings: entry.firings.into(),
        edge: entry.edge,
        armed: entry.armed.into_iter().filter_map(timer).collect(),
        judge_at_publish: entry.judge_at_publish,
        paused_copy,
    };
    state.level = (level != RuleLevel::default()).then(|| Box::new(level));
    Ok(())
}

fn position(plan: &RulePlan, id: &str, since: u64) -> Option<usize> {
    plan.conditions.iter().zip(&plan.layout.conditions).position(|(c, (i, _))| c.id == id && i.since == since)
}

/// Field of a stored name; `None` if no rule reads it any more.
fn field(name: &str, fields: &Fields) -> Option<Field> {
    match name.strip_prefix("properties.") {
        Some(property) => fields.property(property),
        None => TOP_LEVEL.iter().position(|n| *n == name).map(|i| Field(i as u16)),
    }
}

fn value(json: Json) -> Option<Value<'static>> {
    Some(match json {
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => {
            n.as_i64().map_or_else(|| n.as_f64().map(Value::Float), |i| Some(Value::Int(i)))?
        }
        Json::String(t) => Value::Text(t.into()),
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    })
}
