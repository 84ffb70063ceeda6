//! From the source of rules to rule books.
//!
//! - [`feed`]: documents become change sets, on a thread of its own in process 0
//! - `missing`: rules of the checkpoint that the source no longer has
//! - [`breaker`]: rules that fire far beyond what they used to
//! - [`books`]: the rule books of a process, made off its worker's thread
//! - [`rule_log`]: events in the life of rules, for the log and the supervisor

pub mod books;
pub mod breaker;
pub mod feed;
mod missing;
pub mod rule_log;
