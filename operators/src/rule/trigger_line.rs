//! Trigger lines: a firing of a rule as one line of JSON, written straight into its text.
//!
//! **Invariant**: the line is what `serde_json` writes of the [`Trigger`], byte for byte.
//!
//! The text that a rule's lines have in common ([`LineTexts`]) is written once, when the rule is compiled.

use std::ops::Range;

use super::plan::RulePlan;
use crate::{
    calculator::outputs::Outputs,
    document::spec::Rule,
    model::{
        field::Field,
        guid::{Guid, OwnedGuid},
        json, key,
        trigger::{Cause, Fired, Trigger},
        value::Value,
    },
};

/// Constant parts of the trigger lines of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineTexts {
    /// From behind the trigger's id up to the version.
    rule: String,
    /// From behind the version up to the key.
    key_by: String,
    /// Name of each condition among the values.
    conditions: Vec<String>,
}

impl LineTexts {
    /// Writes the constant parts of a document's trigger lines.
    pub fn new(spec: &Rule) -> Self {
        let mut rule = "\",\"rule_id\":".to_owned();
        json::string(&spec.rule_id, &mut rule);
        rule.push_str(",\"name\":");
        json::string(&spec.name, &mut rule);
        rule.push_str(",\"version\":");
        // Field names always serialize.
        let key_by = serde_json::to_string(&spec.key_by).unwrap_or_default();
        let condition = |id: &str| {
            let mut name = String::new();
            json::string(id, &mut name);
            name.push(':');
            name
        };
        LineTexts {
            rule,
            key_by: format!(",\"key_by\":{key_by},\"key\":"),
            conditions: spec.conditions.iter().map(|c| condition(&c.id)).collect(),
        }
    }
}

/// A firing of a rule for a key.
#[derive(Clone, Debug)]
pub struct Firing<'f> {
    /// The rule.
    pub plan: &'f RulePlan,
    /// The key's text.
    pub key: &'f str,
    /// The cause; `None` for the rule's publish.
    pub cause: Option<Cause<'f>>,
    /// User of the cause event, if known.
    pub guid: Option<Guid<'f>>,
    /// Instant of the firing on the ingest clock, unix ms.
    pub at: i64,
    /// Wall clock at which the source read the cause, unix µs; 0 for timers and publish.
    pub seen: u64,
}

/// The line of a firing while it is written: the beginning, the values of each condition in their order, the
/// end.
#[derive(Debug)]
pub struct TriggerLine<'f> {
    firing: &'f Firing<'f>,
    trigger_id: String,
    /// Range of the key in the text.
    key: Range<usize>,
    /// Number of conditions whose values are written.
    written: usize,
    text: String,
}

impl<'f> TriggerLine<'f> {
    /// Writes the line up to the values.
    pub fn begin(firing: &'f Firing<'f>) -> Self {
        let Firing { plan, key, cause, guid, at, .. } = firing;
        let trigger_id = Trigger::id(plan.id(), plan.first_published, key, cause.as_ref());
        let texts = &plan.line_texts;
        let mut text = String::with_capacity(384 + texts.rule.len() + 64 * texts.conditions.len());
        for part in ["{\"trigger_id\":\"", &trigger_id, &texts.rule] {
            text.push_str(part);
        }
        json::integer(plan.version, &mut text);
        text.push_str(&texts.key_by);
        let start = text.len();
        key::write_shown(&plan.key, key, &mut text);
        let shown = start..text.len();
        text.push_str(",\"guid\":");
        let of_key = if guid.is_none() { plan.key.guid(key) } else { None };
        match guid.or(of_key.as_ref().map(OwnedGuid::as_guid)) {
            Some(Guid::Number(guid)) => json::integer(guid, &mut text),
            Some(Guid::Text(guid)) => json::string(guid, &mut text),
            None => text.push_str("null"),
        }
        text.push_str(",\"cause\":");
        match cause {
            Some(cause) => cause.write(&mut text),
            None => text.push_str("null"),
        }
        text.push_str(",\"fired_at\":");
        json::integer(*at, &mut text);
        text.push_str(",\"values\":{");
        TriggerLine { firing, trigger_id, key: shown, written: 0, text }
    }

    /// Writes the values of the next condition.
    pub fn values(&mut self, outputs: &Outputs) {
        if self.written > 0 {
            self.text.push(',');
        }
        self.text.push_str(&self.firing.plan.line_texts.conditions[self.written]);
        outputs.write(&mut self.text);
        self.written += 1;
    }

    /// Writes the rest; `value` looks up a field of the cause event.
    pub fn end<'v>(mut self, value: &impl Fn(Field) -> Option<&'v Value<'v>>) -> Fired {
        let Firing { plan, key, seen, .. } = *self.firing;
        let held_out = key::held_out(plan.id(), key, plan.spec.holdout);
        self.text.push_str("},\"held_out\":");
        json::boolean(held_out, &mut self.text);
        self.text.push_str(",\"action\":");
        plan.action.write(value, &mut self.text);
        self.text.push('}');
        Fired {
            trigger_id: self.trigger_id,
            rule_id: plan.id().to_owned(),
            name: plan.spec.name.clone(),
            key: self.text[self.key].to_owned(),
            channel: plan.action.channel(value),
            held_out,
            seen,
            line: self.text,
        }
    }
}

#[cfg(test)]
#[path = "trigger_line_tests.rs"]
mod tests;
