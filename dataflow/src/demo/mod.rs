//! What `strateye demo` plays: fifty rules over the generator's events, and a storyline of changes to them.
//!
//! | module | what |
//! | --- | --- |
//! | [`rules`] | the rules that are live from the start; their documents lie under `rules/` |
//! | [`story`] | what a marketing and a risk team do to the rules while events flow |
//!
//! Nothing here does I/O: documents are part of the binary, crowds are made of the number of users.

mod crowd;
pub mod rules;
pub mod story;

pub use rules::rules;
pub use story::{Act, What, story};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
