//! Assignment of a Redis Cluster's slots to its masters.

use std::collections::HashMap;

use redis::{Value, cluster_routing::Slot};

/// Addresses of the masters, and the slots that each serves.
#[derive(Debug, Default)]
pub(super) struct Slots {
    masters: Vec<String>,
    /// Position of the slot's master in `masters`.
    served: HashMap<Slot, usize>,
}

impl Slots {
    /// Reads the answer of the node `asked` to `CLUSTER SLOTS`; `None` if it has another shape or names no
    /// node.
    pub(super) fn read(answer: &Value, asked: &str) -> Option<Self> {
        let mut slots = Slots::default();
        for range in array(answer)? {
            let [first, last, master, ..] = array(range)? else { return None };
            let [host, port, ..] = array(master)? else { return None };
            let address = resolved(text(host).unwrap_or_default(), number(port)?, asked);
            let at = slots.masters.iter().position(|known| *known == address).unwrap_or_else(|| {
                slots.masters.push(address);
                slots.masters.len() - 1
            });
            for slot in (number(first)?..=number(last)?).filter_map(Slot::new) {
                slots.served.insert(slot, at);
            }
        }
        (!slots.masters.is_empty()).then_some(slots)
    }

    pub(super) fn masters(&self) -> &[String] {
        &self.masters
    }

    pub(super) fn master_of(&self, slot: Slot) -> Option<&str> {
        self.masters.get(*self.served.get(&slot)?).map(String::as_str)
    }
}

/// Address in a `MOVED` or `ASK` error.
pub(super) fn redirected(to: &str, asked: &str) -> Option<String> {
    let (host, port) = to.rsplit_once(':')?;
    Some(resolved(host, port.parse().ok()?, asked))
}

/// A node that does not report its host has the host of the node that was asked.
fn resolved(host: &str, port: u16, asked: &str) -> String {
    let host = match host {
        "" | "?" => asked.rsplit_once(':').map_or(asked, |(host, _)| host),
        host => host,
    };
    format!("{host}:{port}")
}

fn array(value: &Value) -> Option<&[Value]> {
    if let Value::Array(values) = value { Some(values) } else { None }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u16> {
    if let Value::Int(number) = value { u16::try_from(*number).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        Value::Array(vec![
            Value::Int(first),
            Value::Int(last),
            Value::Array(vec![host, Value::Int(port), Value::BulkString(b"id".to_vec())]),
        ])
    }

    #[test]
    fn slots_lead_to_masters() {
        let host = |name: &str| Value::BulkString(name.as_bytes().to_vec());
        let answer = Value::Array(vec![
            range(0, 9, host("a"), 1),
            range(10, 16383, Value::Nil, 2),
            range(5, 5, host("a"), 1),
        ]);
        let slots = Slots::read(&answer, "asked:7").unwrap();
        assert_eq!(slots.masters(), ["a:1", "asked:2"]);
        assert_eq!(slots.master_of(Slot::new(9).unwrap()), Some("a:1"));
        assert_eq!(slots.master_of(Slot::new(16383).unwrap()), Some("asked:2"));
        assert!(Slots::read(&Value::Array(vec![]), "asked:7").is_none());
        assert!(Slots::read(&Value::Okay, "asked:7").is_none());
    }

    #[test]
    fn redirections_name_a_node() {
        assert_eq!(redirected("10.0.0.7:7000", "a:1").unwrap(), "10.0.0.7:7000");
        assert_eq!(redirected(":7000", "a:1").unwrap(), "a:7000");
        assert_eq!(redirected("::1:7000", "a:1").unwrap(), "::1:7000");
        assert!(redirected("nonsense", "a:1").is_none());
    }
}
