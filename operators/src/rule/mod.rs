//! The rule: how a [document](crate::document) is checked and compiled ([`compile`](mod@compile)), what runs ([`plan`]), and
//! all rules of one instant together ([`book`]).

pub mod action;
pub mod book;
pub mod compile;
pub mod compiler;
pub mod crowd;
pub mod lineage;
mod params;
pub mod plan;
pub mod register;
pub mod remembered;
pub mod scripts;
