//! What a person writes: the rule document, and the life of a rule.
//!
//! The ground floor of this crate: nothing here knows how a rule is compiled or run.
//!
//! - [`spec`]: the document, field by field
//! - [`predicate`]: conditions on an event's properties and on profiles
//! - [`span`]: durations and instants
//! - [`lifecycle`]: online, paused, retired; and what the engine makes of it
//! - [`fault`]: what is wrong with a document, where, and what to write instead

pub mod fault;
pub mod lifecycle;
pub mod predicate;
pub mod span;
pub mod spec;
