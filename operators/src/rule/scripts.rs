//! Source of the stored calculators that rules name.

use std::collections::BTreeMap;

/// Scripts that rules may name besides the built-in calculators.
pub trait ScriptStore {
    /// The script of that name.
    fn script(&self, name: &str) -> Option<String>;
}

/// A store without scripts.
impl ScriptStore for () {
    fn script(&self, _name: &str) -> Option<String> {
        None
    }
}

impl ScriptStore for BTreeMap<String, String> {
    fn script(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}
