//! Rules: from a checked [document](crate::document) to the rule book of one instant.
//!
//! - [`compile`](mod@compile): compiles a document into a plan, or refuses it with all faults; `params`
//!   checks calculators
//! - [`compiler`]: compiles each rule once per process; [`interpret`]: rules that it leaves to the
//!   interpreter
//! - [`plan`]: a rule as it runs; [`guards`]: its instants and spans; [`met`]: what it asks of its
//!   conditions; [`verdict`]: `when` as a table; [`action`]: the content of its triggers; [`scripts`]:
//!   calculators that it names; [`programs`]: those that conditions share
//! - [`trigger_line`]: a firing as the line that sinks write
//! - [`crowd`]: members of a crowd, and people who left it; [`rows`]: the crowds of each user
//! - [`lineage`]: the versions at which a rule's states began; [`identity`]: how they are
//!   recognized
//! - [`register`]: decides what becomes of each rule, and orders change sets
//! - [`remembered`]: a rule as the register and the checkpoint keep it
//! - [`change`]: a change set, as it is sent to all processes
//! - [`book`]: all rules of one instant; [`candidates`]: what an event may have to do with them;
//!   [`field_sets`]: the fields that it takes; [`catalog`]: makes books from change sets

pub mod action;
pub mod book;
pub mod candidates;
pub mod catalog;
pub mod change;
pub mod compile;
pub mod compiler;
pub mod crowd;
pub mod field_sets;
pub mod guards;
pub mod identity;
pub mod interpret;
pub mod limit;
pub mod lineage;
pub mod met;
mod params;
pub mod plan;
pub mod programs;
pub mod register;
pub mod remembered;
pub mod rows;
pub mod scripts;
pub mod trigger_line;
pub mod verdict;
