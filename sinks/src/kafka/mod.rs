//! Triggers as records of a Kafka topic.
//!
//! - `sink`: [`KafkaSink`], triggers that are sent immediately
//! - `single`: records that were refused in a batch, sent again one by one
//! - `lost_client`: detection of a client that has lost the brokers for good
//! - `transactions`: [`KafkaTransactions`], triggers that are sent with their checkpoint
//! - `client`, `attempt`: the client of a transaction, its deadline and its failures
//! - `context`: callbacks of librdkafka's threads: acknowledgements, errors, log lines
//! - `config`, `error`: settings, and errors with remedies
//!
//! Record: the key is the trigger's key, the value its line, the header `trigger_id` its id. Partitions are
//! chosen as the Java client chooses them (murmur2 of the key), so triggers of one key are in order.
//!
//! | delivery | by | promise |
//! | --- | --- | --- |
//! | `immediate` | [`KafkaSink`] | at least once: after a crash the caller resends unacknowledged triggers; while brokers are away they wait in its [spool](crate::spool) |
//! | `committed` | [`KafkaTransactions`] | exactly once: sent in one transaction with the checkpoint number |
//!
//! Exactly once holds for consumers with `isolation.level=read_committed`; the triggers wait for their
//! checkpoint.

mod attempt;
mod client;
mod config;
mod context;
mod error;
mod lost_client;
mod single;
mod sink;
mod transactions;

pub use config::{Delivery, KafkaSinkConfig};
pub use error::KafkaSinkError;
pub use sink::KafkaSink;
pub use transactions::KafkaTransactions;

use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::BaseRecord,
    util::IntoOpaque,
};

use crate::trigger::Trigger;

/// Makes the record of a trigger.
fn record<'a, D: IntoOpaque>(topic: &'a str, trigger: &'a Trigger, opaque: D) -> BaseRecord<'a, str, str, D> {
    let id = Header { key: "trigger_id", value: Some(trigger.id.as_str()) };
    BaseRecord::with_opaque_to(topic, opaque)
        .key(trigger.key.as_str())
        .payload(trigger.line.as_str())
        .headers(OwnedHeaders::new_with_capacity(1).insert(id))
}
