//! Variables that are their values: no code sets them, and where they are read, the value is evaluated.
//!
//! **Invariants**: an alias can't fail, is never assigned to, and is not read after a change of what it may
//! depend on; one that costs more than a variable is read at one place only. A variable for which this turns
//! out wrong gets a place of its own in the next pass.

use super::{
    Lower, Lowered,
    inferred::Key,
    scope::{Bound, Variable},
};
use crate::calculator::compiled::{
    any::Any,
    tree::{Float, Int, Truth},
};

/// A variable or an argument that is its value.
#[derive(Clone, Debug)]
pub(super) struct Alias {
    value: Lowered,
    pub(super) key: Key,
    /// Number of changes before the declaration; `None` if no change concerns the value.
    since: Option<usize>,
    used: bool,
}

impl Lower<'_> {
    /// The variable or argument as an alias; `None` if it needs a place.
    pub(super) fn alias(&self, name: &str, value: &Lowered, key: Key, constant: bool) -> Option<Variable> {
        if self.inferred.is_stored(key) || value.can_fail() {
            return None;
        }
        let since = match key {
            // Functions of the script's own change nothing of their callers.
            Key::Argument(..) => None,
            _ => Some(self.changes).filter(|_| !value.is_constant()),
        };
        // Arrays and maps can't be assigned to.
        let constant = constant || matches!(value, Lowered::Data(_));
        let bound = Bound::Alias(Alias { value: value.clone(), key, since, used: false });
        Some(Variable { name: name.to_owned(), bound, constant })
    }

    /// The value of the alias at a position of the scope; `None` if the name means something else.
    pub(super) fn aliased(&mut self, at: usize) -> Option<Lowered> {
        let Bound::Alias(alias) = &mut self.scope[at].bound else { return None };
        let changed = alias.since.is_some_and(|since| since != self.changes);
        if changed || alias.used && !alias.value.is_simple() {
            self.inferred.store(alias.key);
        }
        alias.used = true;
        Some(alias.value.clone())
    }

    /// Records a change of a variable, by its position in the scope, or of the state (0).
    pub(super) fn change(&mut self, outermost: usize) {
        self.changes += 1;
        self.touched = self.touched.min(outermost);
    }
}

impl Lowered {
    /// Whether an evaluation can fail, or does more than to give the value.
    fn can_fail(&self) -> bool {
        match self {
            Lowered::Int(int) => int.can_fail(),
            Lowered::Float(float) => float.can_fail(),
            Lowered::Truth(truth) => truth.can_fail(),
            Lowered::Any(any) => any.can_fail(),
            Lowered::Data(_) => false,
        }
    }

    /// Whether nothing that a script does changes the value.
    pub(super) fn is_constant(&self) -> bool {
        matches!(
            self,
            Lowered::Int(Int::Const(_) | Int::Time | Int::Now | Int::Step)
                | Lowered::Float(Float::Const(_))
                | Lowered::Truth(Truth::Const(_))
                | Lowered::Any(Any::Const(_) | Any::Input(_))
                | Lowered::Data(_)
        )
    }

    /// Whether evaluating it costs no more than reading a variable.
    fn is_simple(&self) -> bool {
        let place = match self {
            Lowered::Int(Int::Of(any))
            | Lowered::Float(Float::Of(any))
            | Lowered::Truth(Truth::Of(any, _)) => {
                matches!(**any, Any::Local(..))
            }
            Lowered::Int(int) => matches!(int, Int::Slot(_) | Int::Local(_)),
            Lowered::Float(float) => matches!(float, Float::Slot(_) | Float::Local(_)),
            Lowered::Truth(truth) => matches!(truth, Truth::Slot(_) | Truth::Local(_) | Truth::Present(_)),
            Lowered::Any(any) => matches!(any, Any::Text(_) | Any::Local(..)),
            Lowered::Data(_) => false,
        };
        place || self.is_constant()
    }
}
