//! Outputs: the figures that a calculator derives from one key's state.

use std::sync::Arc;

use crate::{
    expression::Operand,
    model::{json, value::Value},
};

/// Outputs of a calculator at one instant, ascending by name.
///
/// ```
/// use strateye_operators::{calculator::Outputs, expression::Operand, model::value::Value};
///
/// let outputs = Outputs::new(vec![("value".into(), Some(Value::Int(3)))]);
/// assert_eq!(outputs.get("value"), Operand::Int(3));
/// assert_eq!(outputs.get("other"), Operand::Absent);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    entries: Vec<Output>,
}

/// Name and value of one output; `None` if it is absent.
pub type Output = (Arc<str>, Option<Value<'static>>);

impl Outputs {
    /// Wraps entries, which must ascend by name.
    pub fn new(entries: Vec<Output>) -> Self {
        debug_assert!(entries.is_sorted_by(|a, b| a.0 < b.0), "outputs ascend by name");
        Outputs { entries }
    }

    /// Names of all outputs, absent ones included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| &**name)
    }

    /// Value of an output; absent also if no output has that name.
    pub fn get(&self, name: &str) -> Operand<'static> {
        let entry = self.entries.iter().find(|(n, _)| **n == *name);
        entry.and_then(|(_, value)| value.clone()).map_or(Operand::Absent, Operand::from)
    }

    /// Appends all outputs that are present, as a JSON object.
    pub fn write(&self, out: &mut String) {
        let present = self.entries.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        out.push('{');
        for (i, (name, value)) in present.enumerate() {
            if i > 0 {
                out.push(',');
            }
            json::string(name, out);
            out.push(':');
            json::value(value, out);
        }
        out.push('}');
    }

    /// All outputs that are present, as a JSON object.
    pub fn json(&self) -> serde_json::Map<String, serde_json::Value> {
        let present = self.entries.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        present.map(|(name, value)| (name.to_string(), value.json())).collect()
    }
}
