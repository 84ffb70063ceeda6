//! Configuration of the producer: the topic of raw events and their keys.

use std::{collections::BTreeMap, fmt};

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use serde::{Deserialize, Serialize};

use super::ProduceError;

/// Client options that the producer sets itself, each with the setting to use instead.
const OWN_OPTIONS: [(&str, &str); 6] = [
    ("bootstrap.servers", "write `brokers`"),
    ("metadata.broker.list", "write `brokers`"),
    ("partitioner", "leave it out: keys lie where the Java client puts them; or write `partition_by`"),
    ("transactional.id", "leave it out: lines are not sent in transactions"),
    ("delivery.report.only.error", "leave it out: deliveries are counted"),
    ("statistics.interval.ms", "leave it out: nobody reads the client's statistics"),
];

/// A topic that raw events are written to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProduceConfig {
    /// Brokers to connect to first, `HOST:PORT,HOST:PORT`.
    pub brokers: String,
    /// The topic; it must exist.
    pub topic: String,
    /// The field whose value, as text, is the record's key: `device_id`, `guid`, `ip`, .. or
    /// `properties.NAME`. Its camelCase spelling is accepted as well.
    #[serde(default = "default_key")]
    pub key: String,
    /// Source of the records' timestamps.
    #[serde(default)]
    pub timestamps: Timestamps,
    /// Chooses the partition by a number instead of by the key.
    #[serde(default)]
    pub partition_by: Option<PartitionBy>,
    /// Further options of librdkafka: `security.protocol`, `compression.type`, `linger.ms` and the like.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// Source of the records' timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timestamps {
    /// The time of sending.
    #[default]
    Now,
    /// The event's own time; the time of sending for an event without one.
    Event,
}

/// Partition = (the field's integer mod `modulo`) mod the number of partitions. For loads in which users
/// share an `ip` by such a remainder, so that those users share a partition too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionBy {
    /// A field with an unsigned integer, named like the key. A line without it is partitioned by its key.
    pub field: String,
    /// At least 1.
    pub modulo: u64,
}

fn default_key() -> String {
    "device_id".to_owned()
}

/// Omits the values of the options: passwords are among them.
impl fmt::Debug for ProduceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProduceConfig")
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .field("key", &self.key)
            .field("timestamps", &self.timestamps)
            .field("partition_by", &self.partition_by)
            .field("options", &self.options.keys())
            .finish()
    }
}

impl ProduceConfig {
    /// A configuration for this topic and these brokers, with defaults for all other settings.
    pub fn new(brokers: &str, topic: &str) -> Self {
        ProduceConfig {
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
            key: default_key(),
            timestamps: Timestamps::default(),
            partition_by: None,
            options: BTreeMap::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ProduceError> {
        let wrong =
            |setting: String, reason: &str| Err(ProduceError::Setting { setting, reason: reason.to_owned() });
        let by = self.partition_by.as_ref().map_or("field", |by| by.field.as_str());
        for (setting, value) in [
            ("brokers", self.brokers.as_str()),
            ("topic", &self.topic),
            ("key", self.key.strip_prefix("properties.").unwrap_or(&self.key)),
            ("partition_by.field", by.strip_prefix("properties.").unwrap_or(by)),
        ] {
            if value.trim().is_empty() || value.contains('\0') {
                return wrong(setting.to_owned(), "is empty or holds a zero byte; write a name");
            }
        }
        if self.partition_by.as_ref().is_some_and(|by| by.modulo == 0) {
            return wrong("partition_by.modulo".to_owned(), "is 0; write at least 1");
        }
        let own = OWN_OPTIONS.iter().find(|(name, _)| self.options.contains_key(*name));
        own.map_or(Ok(()), |(name, instead)| {
            wrong(format!("options.{name}"), &format!("can't be set: {instead}"))
        })
    }

    /// Settings of the client: idempotent and in order, with a queue of at most 64 MiB, unless the options
    /// override them.
    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set_log_level(RDKafkaLogLevel::Info);
        client
            .set("client.id", "strateye")
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .set("queue.buffering.max.kbytes", "65536");
        for (name, value) in &self.options {
            client.set(name, value);
        }
        client.set("bootstrap.servers", &self.brokers).set("partitioner", "murmur2_random");
        client
    }
}
