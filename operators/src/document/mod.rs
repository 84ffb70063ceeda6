//! The rule document that a person writes, and the life of a rule.
//!
//! The lowest layer of this crate: it does not depend on how a rule is compiled or run.
//!
//! - [`spec`]: the document, field by field
//! - [`rule_id`], [`condition_id`]: which texts are ids of rules and conditions
//! - [`predicate`]: conditions on an event's properties and on profiles
//! - [`span`]: durations and instants; [`window`]: windows of time
//! - [`lifecycle`]: the status of a rule, as people and as the engine set it
//! - [`put`]: a document as a rule store contains it
//! - [`text`]: its text, and the digest by which texts are compared; [`user_list`]: a long list in it
//! - `limits`: what may be published
//! - [`fault`]: faults of a document: where, what is wrong, what to write instead

pub mod condition_id;
pub mod fault;
pub mod lifecycle;
mod limits;
pub mod predicate;
pub mod put;
pub mod rule_id;
pub mod span;
pub mod spec;
pub mod text;
pub mod user_list;
pub mod window;
