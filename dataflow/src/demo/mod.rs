//! Content of `strateye demo`: fifty rules over the generator's events, and a story of changes to them.
//!
//! | module | content |
//! | --- | --- |
//! | [`rules`] | the rules that are live from the start; their documents lie under `rules/` |
//! | [`story`] | what a marketing and a risk team do to the rules while events flow |
//! | `crowd` | the rules' crowds |
//!
//! Invariant: no I/O. Documents are part of the binary, crowds are computed from the number of users.

mod crowd;
pub mod rules;
pub mod story;

pub use rules::rules;
pub use story::{Act, StoryChange, story};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
