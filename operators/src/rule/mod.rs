//! The rule: what a marketer writes ([`spec`]), how it is checked and compiled ([`compile`](mod@compile)), what runs ([`plan`]), and
//! all rules of one instant together ([`book`]).

pub mod action;
pub mod book;
pub mod compile;
pub mod crowd;
pub mod error;
pub mod lineage;
mod params;
pub mod plan;
pub mod predicate;
pub mod scripts;
pub mod span;
pub mod spec;
