//! Data that flows through the dataflow: raw records, events, routed batches, triggers.
//!
//! A source reads [`raw`] batches; `match` decodes them ([`decode`]) to [`event`]s and sends [`routed`]
//! records to the worker that owns their [`key`]; `evaluate` emits [`trigger`]s.
//!
//! - `calendar`: days, weeks and months
//! - `decode`: record to event
//! - `epoch`: the timestamps of the dataflow
//! - `event`, `field`, `value`: decoded events
//! - `guid`: users
//! - `ids`: partitions, offsets and other numbers that identify something
//! - `json`: JSON written straight into a text
//! - `key`: keys and their routing hash
//! - `number`: numbers by numeric value
//! - `raw`: records as sources read them
//! - `routed`, `wire`: records between workers, and their codecs
//! - `text`: forms of texts that are equal
//! - `trigger`: triggers
//! - `zone`: time zones

pub mod calendar;
pub mod decode;
pub mod epoch;
pub mod event;
pub mod field;
pub mod guid;
pub mod ids;
pub mod json;
pub mod key;
pub mod number;
pub mod raw;
pub mod routed;
pub(crate) mod text;
pub mod trigger;
pub mod value;
pub mod wire;
pub mod zone;
