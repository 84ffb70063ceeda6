//! Events, parsed from lines.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use super::format::Format;
use super::json::Node;
use super::value::Value;

/// Names of top-level fields; every other name is a property.
const TOP_LEVEL: [&str; 7] =
    ["guid", "device_id", "ip", "session_id", "event_id", "event_time", "message_id"];

/// An event: its time, its id, and its values by name.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) offset: u64,
    pub(crate) id: String,
    pub(crate) time: i64,
    /// The user: a number, or a text that spells none.
    pub(crate) guid: Option<Json>,
    top: BTreeMap<&'static str, Value>,
    /// Names and values of the properties.
    properties: Node,
    /// Whether it is an element of a list, whose members are all properties.
    is_element: bool,
    format: Format,
}

/// What identifies a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    id: String,
    event_id: String,
    event_time: i64,
}

impl Event {
    /// Parses a line; the error is the reason why it is no event.
    pub(crate) fn parse(offset: u64, line: &str, format: &Format) -> Result<Self, &'static str> {
        let record = Node::parse(line.strip_prefix('\u{feff}').unwrap_or(line)).ok_or("not JSON")?;
        let Node::Object(members) = &record else { return Err("not an object") };
        let id = field(&record, &format.event_id).and_then(name_of).filter(|id| !id.is_empty());
        let id = id.ok_or("no event_id")?;
        let time = field(&record, &format.event_time).ok_or("no event_time")?;
        let time = format.time(&time).ok_or("event_time is no time")?;
        let guid = field(&record, &format.guid).and_then(|value| guid_of(&value));
        let guid = guid.filter(|guid| !format.is_no_id(&text_of(guid)));
        let mut top = BTreeMap::new();
        top.insert("event_id", Value::Text(id.clone()));
        top.insert("event_time", Value::Int(time.into()));
        if let Some(guid) = &guid {
            top.insert("guid", Value::from_json(guid).expect("a guid is a value"));
        }
        for (name, names) in [
            ("device_id", &format.device_id),
            ("ip", &format.ip),
            ("session_id", &format.session_id),
            ("message_id", &format.message_id),
        ] {
            if let Some(id) = field(&record, names).and_then(name_of).filter(|id| !format.is_no_id(id)) {
                top.insert(name, Value::Text(id));
            }
        }
        let carried = format.properties.iter().filter_map(|name| record.get(name));
        let carried: Vec<&Node> = carried.filter(|node| **node != Node::Null).collect();
        // A row without properties is flat: its other names are the properties.
        let flat = members.iter().filter(|(name, _)| carried.is_empty() && !format.has_role(name));
        let nested = carried.iter().filter_map(|node| match node {
            Node::Object(members) => Some(members),
            _ => None,
        });
        let properties = Node::Object(flat.chain(nested.flatten()).cloned().collect());
        Ok(Self { offset, id, time, guid, top, properties, is_element: false, format: format.clone() })
    }

    /// Value of a name, be it a top-level field or a property; with `properties.` before it the property in any case.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        let path = match name.strip_prefix("properties.") {
            _ if self.is_element => name,
            Some(path) => path,
            None if TOP_LEVEL.contains(&name) => return self.top.get(name).cloned(),
            None => name,
        };
        let found = follow(&self.properties, path);
        match found.as_slice() {
            [] => None,
            [one] => Value::from_node(one),
            many => Value::from_node(&Node::List(many.iter().map(|node| (*node).clone()).collect())),
        }
    }

    /// The objects among the elements of a list, as events without anything else.
    pub(crate) fn objects_in(&self, list: &str) -> Vec<Self> {
        let list = self.get(list);
        let elements = list.iter().flat_map(Value::elements);
        let objects = elements.filter_map(|element| match element {
            Value::Object(json) => Node::parse(json),
            _ => None,
        });
        objects
            .map(|properties| Self { properties, is_element: true, top: BTreeMap::new(), ..self.clone() })
            .collect()
    }

    /// Value of a field of a key, as text; `key_by` may name a property by its path. `None` if it is no id.
    pub(crate) fn id_of(&self, field: &str) -> Option<String> {
        if let Some(bits) = field.strip_prefix("ip/") {
            let ip = self.id_of("ip")?;
            let Ok(address) = ip.parse::<std::net::Ipv6Addr>() else { return Some(ip) };
            let bits: u32 = bits.parse().expect("bits");
            let ones = u128::MAX << (128 - bits);
            return Some(format!("{}/{bits}", std::net::Ipv6Addr::from_bits(address.to_bits() & ones)));
        }
        let text = match (field, self.get(field)?.scalar()?.to_text()) {
            ("ip", text) => text.parse::<IpAddr>().map_or(text, |ip| ip.to_canonical().to_string()),
            (_, text) => text,
        };
        (!self.format.is_no_id(&text)).then_some(text)
    }

    /// What identifies the message, if that has an id.
    pub(crate) fn message(&self) -> Option<Message> {
        let id = self.top.get("message_id")?.to_text();
        Some(Message { id, event_id: self.id.clone(), event_time: self.time })
    }

    /// How long messages are remembered, ms.
    pub(crate) fn dedupe_for(&self) -> i64 {
        self.format.dedupe_for
    }

    /// The event as the cause of a trigger.
    pub(crate) fn as_cause(&self) -> Json {
        json!({"partition": 0, "offset": self.offset, "event_id": self.id, "event_time": self.time})
    }
}

/// What a path leads to: a member of that name, or else what is in the object with the longest name that is a part of
/// the path, or in the objects of a list.
fn follow<'a>(node: &'a Node, path: &str) -> Vec<&'a Node> {
    match node {
        Node::Object(_) => {}
        Node::List(elements) => return elements.iter().flat_map(|element| follow(element, path)).collect(),
        _ => return Vec::new(),
    }
    if let Some(whole) = node.get(path).filter(|node| **node != Node::Null) {
        return vec![whole];
    }
    let dots: Vec<usize> = path.match_indices('.').map(|(dot, _)| dot).collect();
    let found = dots.iter().rev().map(|dot| match node.get(&path[..*dot]) {
        Some(inner) => follow(inner, &path[dot + 1..]),
        None => Vec::new(),
    });
    found.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
}

/// The user that a value names: what spells an unsigned integer is that integer.
pub(crate) fn guid_of(value: &Value) -> Option<Json> {
    match value {
        Value::Bool(_) | Value::List(..) | Value::Object(_) => None,
        Value::Int(i) => u64::try_from(*i).ok().map(Json::from),
        Value::Float(f) if f.fract() == 0.0 && (0.0..18_446_744_073_709_551_616.0).contains(f) => {
            Some(Json::from(*f as u64))
        }
        Value::Float(_) => None,
        Value::Text(text) => {
            let digits = text.strip_suffix(".0").unwrap_or(text);
            match digits.parse::<u64>() {
                Ok(number) if number.to_string() == digits => Some(Json::from(number)),
                _ => (text.len() <= 128).then(|| Json::from(text.as_str())),
            }
        }
    }
}

fn text_of(guid: &Json) -> String {
    guid.as_str().map_or_else(|| guid.to_string(), str::to_owned)
}

/// The value of the first of the names that has one.
fn field(record: &Node, names: &[String]) -> Option<Value> {
    let Node::Object(members) = record else { return None };
    let last = |name: &String| {
        // Of a name that occurs twice, the last value counts.
        members
            .iter()
            .rev()
            .filter(|(own, _)| own == name)
            .find_map(|(_, node)| Value::from_node(node)?.scalar())
    };
    names.iter().find_map(last)
}

/// A top-level name: a text, or a number in place of one.
fn name_of(value: Value) -> Option<String> {
    match value {
        Value::Bool(_) | Value::List(..) | Value::Object(_) => None,
        value => Some(value.to_text()),
    }
}
