//! The operators: what they do as plain structs ([`matching`], [`evaluating`]), and their timely wrappings.
//!
//! Timely time is an epoch number. Worker 0 is the only clock: it announces epochs by [`Signal`], and what a source reads carries the
//! last epoch announced. **Invariant**: a record is read by the rule book of its own epoch, in `match` as in `evaluate`.

pub mod crowds;
pub mod evaluate;
pub mod evaluating;
mod judge;
pub mod kit;
pub mod match_events;
pub mod matcher;
mod matching;
mod membership;
pub mod read;
pub mod reload;
pub mod route;
mod schedule;
pub mod signal;

pub use judge::EvaluateCounts;
pub use reload::{Bounded, Loaded, Loader, Wanted};
pub use schedule::EvaluateGauge;
pub use signal::{Correction, NoSaver, Part, Saver, Shelf, Signal, Start, Stored};
