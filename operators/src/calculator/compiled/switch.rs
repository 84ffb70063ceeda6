//! Values as `switch` looks at them.

use std::hash::{Hash, Hasher};

use ahash::AHasher;
use rhai::Dynamic;

use super::{held::View, tree::Range};

/// Rhai's hash of a value. Rhai keeps hashes of the literals of a `switch`, not the literals.
pub(super) fn hash(view: View<'_>) -> i64 {
    let value = match view {
        View::Unit => Dynamic::UNIT,
        View::Bool(b) => b.into(),
        View::Int(i) => i.into(),
        View::Float(f) => f.into(),
        View::Char(c) => c.into(),
        View::Text(t) => t.into(),
    };
    let mut hasher = AHasher::default();
    value.hash(&mut hasher);
    hasher.finish().cast_signed()
}

impl Range {
    /// Whether a value is in the range; only numbers can be.
    pub(super) fn has(&self, view: View<'_>) -> bool {
        match view {
            View::Int(int) if self.inclusive => (self.start..=self.end).contains(&int),
            View::Int(int) => (self.start..self.end).contains(&int),
            View::Float(float) if self.inclusive => (self.start as f64..=self.end as f64).contains(&float),
            View::Float(float) => (self.start as f64..self.end as f64).contains(&float),
            _ => false,
        }
    }
}
