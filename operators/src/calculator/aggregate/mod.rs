//! Native aggregates that scripts hold in their state: what a script could compute only slowly, or only with
//! loops.
//!
//! Every aggregate exists plain (over all that was folded) and sliding (in [`Buckets`], over the last `span`
//! ms).
//!
//! - `buckets`: sliding windows
//! - `distinct`: number of distinct values
//! - `figures`: reading an aggregate of any kind
//! - `fold`: folding into an aggregate of any kind
//! - `latest`: the most recent value
//! - `stats`: sum, count, minimum, maximum
//! - `sum`: exact sums of decimals
//! - `top`: the n largest numbers
//! - `weight`: approximate memory

pub mod cut;
pub mod distinct;
pub mod figures;
pub mod fold;
pub mod latest;
pub mod sliding;
pub mod stats;
pub mod sum;
pub mod top;
pub(crate) mod weight;
pub mod window;

pub use cut::Cut;
pub use distinct::Distinct;
pub use figures::{Figure, Summary};
pub use latest::Latest;
pub use sliding::Sliding;
pub use stats::Stats;
pub use sum::Sum;
pub use top::Top;
pub use window::{Figures, Window};

/// An aggregate of any kind, as a cell of the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregate {
    /// Number of events in a sliding window. (Without a window a count is a plain integer.)
    Count(Window<u64>),
    /// Sum, count, minimum and maximum.
    Stats(Stats),
    /// Sum, count, minimum and maximum in a sliding window.
    WindowStats(Window<Stats>),
    /// The n largest numbers.
    Top(Top),
    /// The n largest numbers in a sliding window; n comes first.
    WindowTop(usize, Window<Top>),
    /// Number of distinct values.
    Distinct(Distinct),
    /// Number of distinct values in a sliding window.
    WindowDistinct(Window<Distinct>),
    /// The most recent value, with or without a window.
    Latest(Latest),
}

impl Figures for u64 {
    type Fold = ();

    fn fold(&mut self, (): ()) {
        *self += 1;
    }

    fn merge(&mut self, other: &u64) {
        *self += other;
    }
}
