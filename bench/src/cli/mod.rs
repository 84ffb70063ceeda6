//! Commands with more than a few arguments.

pub(crate) mod end_to_end;
pub(crate) mod services;
pub(crate) mod size;
