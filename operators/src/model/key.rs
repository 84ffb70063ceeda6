//! Keys: the value, or tuple of values, by which a rule's state is partitioned.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{
    event::Event,
    field::{Field, Fields},
    json,
    value::Value,
};

/// The fields of a rule's `key_by`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyFields(pub Vec<Field>);

impl KeyFields {
    /// Their names, separated by commas.
    pub fn names(&self, fields: &Fields) -> String {
        let names: Vec<String> = self.0.iter().map(|field| fields.path(*field)).collect();
        names.join(",")
    }

    /// Whether the key contains the user or the device. Producers partition by these, so all events of such a
    /// key are expected in one partition.
    pub fn of_user(&self) -> bool {
        self.0.iter().any(|field| [Field::GUID, Field::DEVICE_ID].contains(field))
    }

    /// The user that a key names.
    pub fn guid(&self, key: &str) -> Option<u64> {
        let position = self.0.iter().position(|field| *field == Field::GUID)?;
        let shown = show(self, key);
        if self.0.len() == 1 { shown.as_u64() } else { shown.get(position)?.as_u64() }
    }
}

/// Writes an event's key into `text`, replacing its content; false if the event lacks one of the fields.
///
/// The key of one field is the text of its value, that of several fields the JSON array of them.
pub fn write_key(fields: &KeyFields, event: &Event<'_>, text: &mut String) -> bool {
    text.clear();
    let [single] = fields.0[..] else { return write_tuple(fields, event, text) };
    match value(single, event) {
        Some(value) => {
            push(&value, text);
            true
        }
        None => false,
    }
}

fn write_tuple(fields: &KeyFields, event: &Event<'_>, text: &mut String) -> bool {
    text.push('[');
    for (i, field) in fields.0.iter().enumerate() {
        let Some(value) = value(*field, event) else { return false };
        if i > 0 {
            text.push(',');
        }
        if *field == Field::GUID {
            push(&value, text);
        } else {
            text.push_str(&serde_json::Value::from(value.text().as_ref()).to_string());
        }
    }
    text.push(']');
    true
}

fn value<'e>(field: Field, event: &'e Event<'_>) -> Option<std::borrow::Cow<'e, Value<'e>>> {
    use std::borrow::Cow;
    if field == Field::GUID {
        // Guids above 63 bits have no integer among the event's values.
        return event.guid.map(|g| {
            Cow::Owned(i64::try_from(g).map_or_else(|_| Value::Text(g.to_string().into()), Value::Int))
        });
    }
    event.get(field).map(Cow::Borrowed)
}

fn push(value: &Value<'_>, text: &mut String) {
    match value {
        Value::Text(t) => text.push_str(t),
        Value::Int(i) => text.push_str(itoa::Buffer::new().format(*i)),
        other => text.push_str(&other.text()),
    }
}

/// Routing hash of a key: the same in every process, and different for equal texts under different `key_by`.
pub fn route(seed: u64, key: &str) -> u64 {
    xxh3_64_with_seed(key.as_bytes(), seed)
}

/// Seed of [`route`] for one `key_by`: a hash of the fields' names.
pub fn seed(key: &KeyFields, fields: &Fields) -> u64 {
    let names: Vec<String> = key
        .0
        .iter()
        .map(|f| format!("{}:{}", if f.0 < 6 { "top" } else { "property" }, fields.name(*f)))
        .collect();
    xxh3_64(names.join("\0").as_bytes())
}

/// The key as it appears in a trigger: a number for `guid`, a string for any other single field, an array for
/// several.
pub fn show(fields: &KeyFields, key: &str) -> serde_json::Value {
    match &fields.0[..] {
        [Field::GUID] | [_, _, ..] => serde_json::from_str(key).unwrap_or_else(|_| key.into()),
        _ => key.into(),
    }
}

/// Appends a key as a trigger [shows](show) it, as JSON.
pub fn write_shown(fields: &KeyFields, key: &str, out: &mut String) {
    match &fields.0[..] {
        [Field::GUID] if is_canonical(key) => out.push_str(key),
        [Field::GUID] | [_, _, ..] => out.push_str(&show(fields, key).to_string()),
        _ => json::string(key, out),
    }
}

/// Whether a text is an unsigned 64-bit integer as JSON writes it; false for those of 20 digits.
fn is_canonical(text: &str) -> bool {
    let is_short = (1..20).contains(&text.len()) && (text.len() == 1 || !text.starts_with('0'));
    is_short && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a key belongs to the rule's holdout, a share of keys between 0 and 1 chosen by a stable hash.
pub fn held_out(rule_id: &str, key: &str, holdout: f64) -> bool {
    if holdout <= 0.0 {
        return false;
    }
    let hash = xxh3_64(&[rule_id.as_bytes(), b"\0", key.as_bytes()].concat());
    (hash as f64) / 2f64.powi(64) < holdout
}
