//! Kinds of a function's variables, of values of its blocks and calls, and of fields that change their kinds;
//! variables that need a place.

use std::collections::{BTreeMap, BTreeSet};

use crate::calculator::compiled::{kind::Kinds, tree::Slot};

/// Things that have kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A field that is a text, or is given values of another kind than its own.
    Field(Slot),
    /// The variable that is declared at a line and column.
    Variable([u16; 2]),
    /// An argument of the function that is called there.
    Argument([u16; 2], u8),
    /// Value of the block or call there.
    Result([u16; 2]),
}

/// Findings of the passes so far. They only grow.
#[derive(Clone, Debug, Default)]
pub(super) struct Inferred {
    kinds: BTreeMap<Key, Kinds>,
    /// Variables and arguments that can't be [aliases](super::aliases).
    stored: BTreeSet<Key>,
    changed: bool,
}

impl Inferred {
    /// Whether something was found since this was last asked.
    pub(super) fn is_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn kinds(&self, key: Key) -> Kinds {
        self.kinds.get(&key).copied().unwrap_or_default()
    }

    pub(super) fn has(&self, key: Key) -> bool {
        self.kinds.contains_key(&key)
    }

    /// Adds kinds.
    pub(super) fn add(&mut self, key: Key, kinds: Kinds) {
        let before = self.kinds.get(&key).copied();
        let after = before.unwrap_or_default().with(kinds);
        if before != Some(after) {
            self.kinds.insert(key, after);
            self.changed = true;
        }
    }

    /// Records that a variable or an argument needs a place.
    pub(super) fn store(&mut self, key: Key) {
        self.changed |= self.stored.insert(key);
    }

    /// Whether a variable or an argument needs a place.
    pub(super) fn is_stored(&self, key: Key) -> bool {
        self.stored.contains(&key)
    }

    /// Fields that change their kinds, ascending.
    pub(super) fn fields(&self) -> impl Iterator<Item = Slot> {
        self.kinds.keys().map_while(|key| match key {
            Key::Field(slot) => Some(*slot),
            _ => None,
        })
    }
}
