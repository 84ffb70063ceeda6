//! Settings of a Kafka source, and the client options derived from them.

use std::{collections::BTreeMap, fmt};

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use serde::{Deserialize, Serialize};

use super::KafkaError;
use crate::events::MAX_RECORD_BYTES;

/// Client options that the source sets itself, and what to write instead.
const OWN_OPTIONS: [(&str, &str); 15] = [
    ("bootstrap.servers", "write `brokers`"),
    ("metadata.broker.list", "write `brokers`"),
    ("group.id", "write `group`"),
    ("auto.offset.reset", "write `start` and `on_lost`"),
    ("queued.max.messages.kbytes", "write `max_prefetch_bytes`"),
    ("fetch.queue.backoff.ms", "leave it out: a full queue is looked at again after 5 ms"),
    ("enable.auto.commit", "leave it out: positions are committed when a checkpoint holds them"),
    ("auto.commit.enable", "leave it out: positions are committed when a checkpoint holds them"),
    ("enable.auto.offset.store", "leave it out: positions are committed when a checkpoint holds them"),
    ("enable.partition.eof", "leave it out: the end of a partition is asked for"),
    ("allow.auto.create.topics", "create the topic before the start"),
    ("group.protocol", "leave it out: partitions are assigned by worker"),
    ("group.instance.id", "leave it out: partitions are assigned by worker"),
    ("statistics.interval.ms", "leave it out: nobody reads the client's statistics"),
    ("log.queue", "leave it out: the client's log is part of this process's log"),
];

/// Range of `max_prefetch_bytes`; the upper bound is the client's own.
const PREFETCH: std::ops::RangeInclusive<usize> = 1 << 20..=1 << 30;
/// Most bytes of one fetch response, unless the options say otherwise; the prefetch may be exceeded by it.
const MAX_FETCH: usize = 16 << 20;

/// Settings of a topic of events.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Bootstrap brokers, `HOST:PORT,HOST:PORT`.
    pub brokers: String,
    /// The topic; it must exist.
    pub topic: String,
    /// Consumer group to which the positions of checkpoints are committed, for lag tools. Nothing is resumed
    /// from it, and it assigns no partitions.
    #[serde(default = "default_group")]
    pub group: String,
    /// Where a partition without a position to resume from begins.
    #[serde(default)]
    pub start: StartAt,
    /// Reaction to a position to resume from that is no longer, or not yet, in the partition.
    #[serde(default)]
    pub on_lost: OnLost,
    /// Bytes that are fetched ahead, 1 MiB to 1 GiB; one fetch response (16 MiB) may come on top.
    #[serde(default = "default_prefetch")]
    pub max_prefetch_bytes: usize,
    /// Bytes of the longest record; longer ones are refused.
    #[serde(default = "default_record")]
    pub max_record_bytes: usize,
    /// Further options of librdkafka: `security.protocol`, `sasl.mechanism`, `ssl.ca.location` and the like.
    /// `isolation.level` is `read_committed` unless given here.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// Where reading of a partition begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartAt {
    /// At the oldest record.
    Earliest,
    /// Behind the newest record at the time the source is opened. If other partitions have positions to
    /// resume from, at the oldest record instead: the partition is newer than the last checkpoint.
    #[default]
    Latest,
    /// At the first record whose own time is at least this, unix ms; if there is none, as `Latest`.
    Timestamp(i64),
}

/// Reaction to a position that is out of the partition's range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// The source fails; the error names the range of missing records.
    #[default]
    Fail,
    /// Reading continues at the oldest record, with a warning.
    Earliest,
}

fn default_group() -> String {
    "strateye".to_owned()
}

fn default_prefetch() -> usize {
    64 << 20
}

fn default_record() -> usize {
    MAX_RECORD_BYTES
}

/// Without the options' values, which may be passwords.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .field("group", &self.group)
            .field("start", &self.start)
            .field("on_lost", &self.on_lost)
            .field("max_prefetch_bytes", &self.max_prefetch_bytes)
            .field("max_record_bytes", &self.max_record_bytes)
            .field("options", &self.options.keys())
            .finish()
    }
}

impl KafkaConfig {
    /// Settings for this topic of these brokers; everything else has its default.
    pub fn new(brokers: &str, topic: &str) -> Self {
        KafkaConfig {
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
            group: default_group(),
            start: StartAt::default(),
            on_lost: OnLost::default(),
            max_prefetch_bytes: default_prefetch(),
            max_record_bytes: default_record(),
            options: BTreeMap::new(),
        }
    }

    /// Checks every field without network access. Options are checked when the client is created.
    ///
    /// # Errors
    /// [`KafkaError::Setting`] names the first invalid field and what to write instead.
    pub fn validate(&self) -> Result<(), KafkaError> {
        let wrong =
            |setting: &str, reason: String| Err(KafkaError::Setting { setting: setting.to_owned(), reason });
        for (setting, value) in [("brokers", &self.brokers), ("topic", &self.topic), ("group", &self.group)] {
            if value.trim().is_empty() || value.contains('\0') {
                return wrong(setting, "is empty or holds a zero byte; write a name".to_owned());
            }
        }
        if !PREFETCH.contains(&self.max_prefetch_bytes) {
            let (least, most) = PREFETCH.into_inner();
            return wrong("max_prefetch_bytes", format!("is out of range; write {least} to {most}"));
        }
        if !(1..=1 << 30).contains(&self.max_record_bytes) {
            return wrong("max_record_bytes", format!("is out of range; write 1 to {}", 1 << 30));
        }
        let own = OWN_OPTIONS.iter().find(|(name, _)| self.options.contains_key(*name));
        own.map_or(Ok(()), |(name, instead)| {
            wrong(&format!("options.{name}"), format!("can't be set: {instead}"))
        })
    }

    /// The same settings without the values of the options, fit to be shown.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let options = self.options.keys().map(|name| (name.clone(), "***".to_owned())).collect();
        KafkaConfig { options, ..self.clone() }
    }

    /// Client options common to the reading and the watching consumer.
    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set_log_level(RDKafkaLogLevel::Info);
        client
            .set("client.id", "strateye")
            .set("isolation.level", "read_committed")
            .set("fetch.max.bytes", self.max_prefetch_bytes.min(MAX_FETCH).to_string());
        for (name, value) in &self.options {
            client.set(name, value);
        }
        client
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group)
            .set("fetch.queue.backoff.ms", "5")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false");
        client
    }

    /// Client options of the consumer that reads the events.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut client = self.client();
        client.set("queued.max.messages.kbytes", (self.max_prefetch_bytes >> 10).to_string());
        client
    }

    /// Client options of the consumer that queries for ends. It fetches next to nothing.
    pub(super) fn watcher(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50")
            .set("max.partition.fetch.bytes", "65536")
            .set("queued.min.messages", "1")
            .set("queued.max.messages.kbytes", "1024");
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_settings_are_refused_by_name() {
        for (name, _) in OWN_OPTIONS {
            let mut config = KafkaConfig::new("localhost:9092", "events");
            config.options.insert(name.to_owned(), "x".to_owned());
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let mut config = KafkaConfig::new("localhost:9092", "events");
        config.options.insert("isolation.level".to_owned(), "read_uncommitted".to_owned());
        config.validate().unwrap();
        assert_eq!(config.reader().get("isolation.level"), Some("read_uncommitted"));
        config.max_prefetch_bytes = 1;
        assert!(config.validate().unwrap_err().to_string().contains("max_prefetch_bytes"));
        assert!(
            KafkaConfig::new("localhost:9092", "").validate().unwrap_err().to_string().contains("`topic`")
        );
    }

    #[test]
    fn defaults_and_every_start_can_be_written() {
        let config: KafkaConfig =
            serde_json::from_str(r#"{"brokers": "localhost:9092", "topic": "events"}"#).unwrap();
        assert_eq!(config, KafkaConfig::new("localhost:9092", "events"));
        let start = |text| serde_json::from_str::<StartAt>(text).unwrap();
        assert_eq!(start(r#""earliest""#), StartAt::Earliest);
        assert_eq!(start(r#"{"timestamp": 1766000000000}"#), StartAt::Timestamp(1_766_000_000_000));
        assert!(serde_json::from_str::<KafkaConfig>(r#"{"brokers": "b", "topic": "t", "x": 1}"#).is_err());
    }

    #[test]
    fn passwords_are_not_shown() {
        let mut config = KafkaConfig::new("localhost:9092", "events");
        config.options.insert("sasl.password".to_owned(), "secret".to_owned());
        let shown = format!("{config:?}");
        assert!(shown.contains("sasl.password") && !shown.contains("secret"), "{shown}");
    }
}
