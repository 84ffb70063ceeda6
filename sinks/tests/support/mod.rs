//! Support of the sinks' tests.

pub(crate) mod receiver;
