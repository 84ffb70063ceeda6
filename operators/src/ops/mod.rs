//! The timely operators, and the structs that make their decisions.
//!
//! Data flow: reads of sources -> `match` -> routed records, exchanged by key -> `evaluate` -> triggers. Each
//! operator only moves data and capabilities; its decisions are made by a struct without timely, which is
//! tested by itself ([`matching`], [`schedule`]).
//!
//! **Invariants**
//! - Timely time is an epoch number. Worker 0 is the only clock: it announces epochs by [`Signal`], and the
//!   reads of a source carry the last epoch announced.
//! - A record is processed by the rule book of its own epoch, in `match` as in `evaluate`.
//!
//! | file | holds |
//! | --- | --- |
//! | [`signal`] | messages of worker 0 to all workers, and traits of the process for its operators |
//! | [`kit`] | outputs, frontiers, held epochs |
//! | [`read`] | messages of sources |
//! | [`match_events`] | the operator `match` |
//! | [`matching`] | decides which reads may be matched when |
//! | [`matcher`] | events to routed records |
//! | [`crowds`] | the crowds, arranged |
//! | [`membership`] | whether a user is in a rule's crowd |
//! | [`ascending`] | order of the targets of a record |
//! | [`outgoing`] | routed records, a batch per owner |
//! | [`route`] | the exchange by key |
//! | [`mod@evaluate`] | the operator `evaluate` |
//! | [`schedule`] | decides what may be evaluated when |
//! | [`evaluating`] | keyed state, timers, checkpoints of it |
//! | [`judge`] | one rule, one key, one occurrence |
//! | [`lapsed`] | when a key's state no longer counts |
//! | [`lists`] | folding of lists |
//! | [`emitted`] | triggers and failures |
//! | [`reload`] | keys on their way back into memory |
//! | [`gauge`] | figures |

mod ascending;
pub mod crowds;
mod emitted;
pub mod evaluate;
pub mod evaluating;
mod gauge;
mod judge;
pub mod kit;
mod lapsed;
mod lists;
pub mod match_events;
pub mod matcher;
mod matching;
mod membership;
pub mod outgoing;
pub mod read;
pub mod reload;
pub mod route;
mod schedule;
pub mod signal;

pub use emitted::{Emitted, RuleFailure};
pub use gauge::{EvaluateCounts, EvaluateGauge};
pub use reload::{Bounded, Loaded, Loader, Wanted};
pub use signal::{Correction, NoSaver, Part, Saver, Shelf, Signal, Start, Stored, StoredBlob};
