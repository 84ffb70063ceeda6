//! Keys: the value, or tuple of values, by which a rule's state is partitioned.

use std::net::{IpAddr, Ipv6Addr};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{
    decode::NoIds,
    event::Event,
    field::{Field, Fields, TOP_LEVEL},
    guid::{Guid, OwnedGuid},
    json,
    value::Value,
};

/// The fields of a rule's `key_by`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyFields {
    /// The fields.
    pub fields: Vec<Field>,
    /// Bits to which an IPv6 address is cut, if the only field is the address.
    pub network: Option<u8>,
}

impl KeyFields {
    /// Their names, separated by commas; that of a network is `ip/64`.
    pub fn names(&self, fields: &Fields) -> String {
        let names: Vec<String> = self.fields.iter().map(|field| fields.path(*field)).collect();
        names.join(",") + self.network().as_str()
    }

    /// What stands behind the name of the address.
    fn network(&self) -> String {
        self.network.map_or_else(String::new, |bits| format!("/{bits}"))
    }

    /// Whether the key contains the user or the device. Producers partition by these, so all events of such a
    /// key are expected in one partition.
    pub fn of_user(&self) -> bool {
        self.fields.iter().any(|field| [Field::GUID, Field::DEVICE_ID].contains(field))
    }

    /// The user that a key names.
    pub fn guid(&self, key: &str) -> Option<OwnedGuid> {
        let position = self.fields.iter().position(|field| *field == Field::GUID)?;
        if self.fields.len() == 1 {
            return Some(Guid::of_key(key).to_owned());
        }
        match show(self, key).get(position)? {
            serde_json::Value::String(text) => Some(Guid::Text(text).to_owned()),
            number => number.as_u64().map(OwnedGuid::Number),
        }
    }
}

/// Writes an event's key into `text`, replacing its content; false if the event lacks one of the fields, or has one
/// of `no_ids` there.
///
/// The key of one field is the text of its value, that of several fields the JSON array of them.
pub fn write_key(key: &KeyFields, event: &Event<'_>, no_ids: &NoIds, text: &mut String) -> bool {
    text.clear();
    let id = |field: Field| {
        let id = event.get(field).filter(|id| !no_ids.contain(id));
        id.filter(|id| !matches!(id, Value::Nested(_)))
    };
    match key.fields[..] {
        [single] => {
            let Some(id) = id(single) else { return false };
            push(single, id, text);
            if let Some(bits) = key.network {
                cut(text, bits);
            }
        }
        _ => {
            for (i, field) in key.fields.iter().enumerate() {
                let Some(id) = id(*field) else { return false };
                text.push(if i == 0 { '[' } else { ',' });
                push_entry(*field, id, text);
            }
            text.push(']');
        }
    }
    true
}

/// Cuts an IPv6 address to the network of its first `bits`; leaves any other text.
fn cut(address: &mut String, bits: u8) {
    if let Ok(ip) = address.parse::<Ipv6Addr>() {
        let network = ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
        *address = format!("{}/{bits}", Ipv6Addr::from_bits(network));
    }
}

/// Appends an entry of a key of several fields: an integer only if it is a user, else a text.
fn push_entry(field: Field, id: &Value<'_>, text: &mut String) {
    match Guid::of_value(id) {
        Some(Guid::Number(number)) if field == Field::GUID => json::integer(number, text),
        _ => {
            let mut plain = String::new();
            push(field, id, &mut plain);
            json::string(&plain, text);
        }
    }
}

/// Appends an id as text; addresses in the one spelling that each has (RFC 5952, IPv4 within IPv6 as IPv4).
fn push(field: Field, id: &Value<'_>, text: &mut String) {
    match id {
        Value::Text(address) if field == Field::IP => match address.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => text.push_str(&ip.to_canonical().to_string()),
            Ok(IpAddr::V4(_)) | Err(_) => text.push_str(address),
        },
        Value::Text(plain) => text.push_str(plain),
        Value::Int(i) => json::integer(*i, text),
        other => text.push_str(&other.text()),
    }
}

/// Routing hash of a key: the same in every process, and different for equal texts under different `key_by`.
///
/// It also places the key in its owner's tables. Whoever knows the seed can make up keys that all have one place, so it
/// begins with a secret of the cluster, see [`seed`].
pub fn route(seed: u64, key: &str) -> u64 {
    xxh3_64_with_seed(key.as_bytes(), seed)
}

/// Seed of [`route`] for one `key_by`: a hash of the fields' names by the seed of the `cluster`, which is another for
/// every cluster. Nothing that is stored depends on it.
pub fn seed(key: &KeyFields, fields: &Fields, cluster: u64) -> u64 {
    let kind = |field: &Field| if field.index() < TOP_LEVEL.len() { "top" } else { "property" };
    let names: Vec<String> = key.fields.iter().map(|f| format!("{}:{}", kind(f), fields.name(*f))).collect();
    xxh3_64_with_seed((names.join("\0") + key.network().as_str()).as_bytes(), cluster)
}

/// The key as it appears in a trigger: a number for a `guid` that is one, a string for any other single field, an array for
/// several.
pub fn show(fields: &KeyFields, key: &str) -> serde_json::Value {
    match &fields.fields[..] {
        [Field::GUID] => Guid::of_key(key).json(),
        [_, _, ..] => serde_json::from_str(key).unwrap_or_else(|_| key.into()),
        _ => key.into(),
    }
}

/// Appends a key as a trigger [shows](show) it, as JSON.
pub fn write_shown(fields: &KeyFields, key: &str, out: &mut String) {
    match &fields.fields[..] {
        [Field::GUID] => match Guid::of_key(key) {
            Guid::Number(number) => json::integer(number, out),
            Guid::Text(text) => json::string(text, out),
        },
        [_, _, ..] => out.push_str(&show(fields, key).to_string()),
        _ => json::string(key, out),
    }
}

/// Whether a key belongs to the rule's holdout, a share of keys between 0 and 1 chosen by a stable hash.
pub fn held_out(rule_id: &str, key: &str, holdout: f64) -> bool {
    if holdout <= 0.0 {
        return false;
    }
    let hash = xxh3_64(&[rule_id.as_bytes(), b"\0", key.as_bytes()].concat());
    (hash as f64) / 2f64.powi(64) < holdout
}
