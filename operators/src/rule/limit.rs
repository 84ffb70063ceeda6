//! Limit of a rule's firings per key.

use crate::{
    calculator::aggregate::Cut,
    document::spec::{Limit, Per},
};

/// At most `times` firings in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitPlan {
    /// Number of firings.
    pub times: u32,
    /// The window that a firing looks back on; all firings count if absent.
    pub per: Option<Cut>,
}

impl LimitPlan {
    /// The limit of a document.
    pub fn new(limit: &Limit) -> Self {
        let per = limit.per.as_ref().map(|per| match per {
            Per::Last(span) => Cut::last(span.0),
            Per::This(period) => Cut::Calendar(period.calendar()),
        });
        LimitPlan { times: limit.times, per }
    }

    /// First instant whose firings count at `at`, unix ms.
    pub fn since(self, at: i64) -> i64 {
        self.per.map_or(i64::MIN, |per| per.since(at))
    }
}
