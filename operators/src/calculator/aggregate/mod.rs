//! Native aggregates that scripts hold in their state: what a script could say only slowly, or only with loops.
//!
//! Every aggregate exists plain (all that was folded) and sliding (in [`Buckets`] over the last so many ms).

pub mod buckets;
pub mod distinct;
pub mod latest;
pub mod stats;
pub mod top;

use serde::{Deserialize, Serialize};

pub use buckets::Buckets;
pub use distinct::Distinct;
pub use latest::Latest;
pub use stats::Stats;
pub use top::Top;

/// An aggregate of any kind, as a state field holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Events in a sliding window. (Without a window a count is a plain integer.)
    Count(Buckets<u64>),
    /// Sum, count, least and greatest.
    Stats(Stats),
    /// The same in a sliding window.
    WindowStats(Buckets<Stats>),
    /// The n largest.
    Top(Top),
    /// So many of the largest in a sliding window.
    WindowTop(usize, Buckets<Top>),
    /// How many different values.
    Distinct(Distinct),
    /// The same in a sliding window.
    WindowDistinct(Buckets<Distinct>),
    /// The most recent value, with or without a window.
    Latest(Latest),
}

/// What can be kept per bucket and added up over the buckets of a window.
pub trait Merge {
    /// Takes in what `other` has folded.
    fn merge(&mut self, other: &Self);
}

impl Merge for u64 {
    fn merge(&mut self, other: &u64) {
        *self += other;
    }
}
