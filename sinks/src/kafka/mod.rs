//! Triggers as records of a Kafka topic.
//!
//! Record: the key is the trigger's key, the value its line, the header `trigger_id` its id. Partitions are chosen as
//! the Java client chooses them (murmur2 of the key), so triggers of one key are in order.
//!
//! | delivery | by | promise |
//! | --- | --- | --- |
//! | `immediate` | [`KafkaSink`] | at least once: leaves at once; what is above [`KafkaSink::settled`] at a crash is sent again by the caller |
//! | `committed` | [`KafkaTransactions`] | exactly once for consumers with `isolation.level=read_committed`: triggers wait for their checkpoint and leave in one transaction with its number |

mod alone;
mod attempt;
mod config;
mod context;
mod error;
mod sink;
mod transactions;

pub use config::{Delivery, KafkaSinkConfig};
pub use error::KafkaSinkError;
pub use sink::{KafkaSink, KafkaStats};
pub use transactions::KafkaTransactions;

use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::BaseRecord,
    util::IntoOpaque,
};

use crate::outgoing::Outgoing;

/// The record of a trigger.
fn record<'a, D: IntoOpaque>(
    topic: &'a str,
    outgoing: &'a Outgoing,
    opaque: D,
) -> BaseRecord<'a, str, str, D> {
    let id = Header { key: "trigger_id", value: Some(outgoing.id.as_str()) };
    BaseRecord::with_opaque_to(topic, opaque)
        .key(outgoing.key.as_str())
        .payload(outgoing.line.as_str())
        .headers(OwnedHeaders::new_with_capacity(1).insert(id))
}
