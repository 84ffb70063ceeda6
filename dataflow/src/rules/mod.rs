//! From the source of rules to rule books.
//!
//! ```text
//! source ─► feed ─► Register ─► change sets ─► control ─► books (every process) ─► workers
//!            │  ▲                                  │
//!            ▼  └── inbox ◄── effects ─────────────┘
//!        preparation (crowds, compiling)
//! ```
//!
//! What becomes of a rule is decided by the [`Register`](operators::rule::register::Register), which does no
//! I/O; the threads and channels are here.
//!
//! - [`feed`]: the thread that reads the source and orders change sets, in process 0
//! - [`inbox`]: the channel into the feed
//! - [`preparation`]: the thread that selects crowds and compiles, so that the feed never waits for either
//! - `crowds`: the members of the crowds that documents describe
//! - `missing`: rules of the checkpoint that the source no longer has
//! - [`breaker`]: rules that fire far beyond their usual rate
//! - `record`: how rules stand, written to the source and the log
//! - [`rule_log`]: events in the life of rules, for the log and the supervisor
//! - [`books`]: the rule books of a process, made off its worker's thread
//! - `crowd_rows`: the crowds of each user as a row of bits, built beside the books

pub mod books;
pub mod breaker;
mod crowd_rows;
mod crowds;
pub mod feed;
pub mod inbox;
mod missing;
pub mod preparation;
mod record;
pub mod rule_log;
