//! What flows through the dataflow: raw records, events, routed batches, triggers.

pub mod decode;
pub mod event;
pub mod field;
pub mod key;
pub mod raw;
pub mod routed;
pub mod trigger;
pub mod value;
pub mod wire;
