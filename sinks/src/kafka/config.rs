//! Configuration of the Kafka sinks.

use std::{collections::BTreeMap, fmt, time::Duration};

use rdkafka::{ClientConfig, error::KafkaError};
use serde::{Deserialize, Serialize};

use super::error::KafkaSinkError;

/// Options on which the guarantees of the sinks rest, each with the setting to use instead.
const RESERVED: [(&str, &str); 15] = [
    ("bootstrap.servers", "write brokers instead"),
    ("metadata.broker.list", "write brokers instead"),
    ("queue.buffering.max.messages", "write queue instead"),
    ("queue.buffering.max.kbytes", "write queue_bytes instead"),
    ("transactional.id", "it is chosen by the engine"),
    ("group.id", "it is chosen by the engine"),
    ("enable.auto.commit", "it does not apply"),
    ("isolation.level", "it is always read_committed"),
    ("enable.idempotence", "it is always on"),
    ("acks", "it is always all"),
    ("request.required.acks", "it is always all"),
    ("message.timeout.ms", "triggers are never given up"),
    ("delivery.timeout.ms", "triggers are never given up"),
    ("retries", "triggers are never given up"),
    ("message.send.max.retries", "triggers are never given up"),
];

/// Time and guarantee of delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Immediately, at least once.
    #[default]
    Immediate,
    /// With the checkpoint, exactly once.
    Committed,
}

/// Configuration of a Kafka sink. `Debug` hides the values of options; serialization does not, so display
/// [`KafkaSinkConfig::redacted`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSinkConfig {
    /// Bootstrap brokers, `HOST:PORT`, separated by commas.
    pub brokers: String,
    /// The topic; it must exist, unless the brokers create topics automatically.
    pub topic: String,
    /// Time of delivery: `immediate` (the default) or `committed`.
    #[serde(default)]
    pub delivery: Delivery,
    /// Further options of librdkafka by name, such as `security.protocol`, `sasl.password` or
    /// `compression.type`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Upper bound of unacknowledged triggers; 100000 by default.
    #[serde(default = "default_queue")]
    pub queue: u32,
    /// Upper bound of the bytes of unacknowledged triggers; 64 MiB by default, 1 KiB to 1 TiB.
    #[serde(default = "default_queue_bytes")]
    pub queue_bytes: u64,
    /// With `committed`: time for which one publish is retried while brokers are away, in milliseconds;
    /// 120000 by default. A call under way at the deadline is not interrupted, which may take 10 seconds
    /// more.
    #[serde(default = "default_publish_timeout_ms")]
    pub publish_timeout_ms: u64,
}

fn default_queue() -> u32 {
    100_000
}

fn default_queue_bytes() -> u64 {
    64 << 20
}

fn default_publish_timeout_ms() -> u64 {
    120_000
}

impl KafkaSinkConfig {
    /// A configuration with the defaults.
    #[must_use]
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        KafkaSinkConfig {
            brokers: brokers.into(),
            topic: topic.into(),
            delivery: Delivery::default(),
            options: BTreeMap::new(),
            queue: default_queue(),
            queue_bytes: default_queue_bytes(),
            publish_timeout_ms: default_publish_timeout_ms(),
        }
    }

    /// Checks every field without network access. Options are checked when the client is created.
    ///
    /// # Errors
    /// Names the first invalid field and what to write instead.
    pub fn validate(&self) -> Result<(), KafkaSinkError> {
        let fault = |field: &str, reason: &str| {
            Err(KafkaSinkError::Config { field: field.to_owned(), reason: reason.to_owned() })
        };
        if self.brokers.split(',').any(|broker| broker.trim().is_empty()) {
            return fault("brokers", "has an empty entry; write HOST:PORT, several with commas");
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.topic.is_empty() || self.topic.len() > 249 || !self.topic.chars().all(legal) {
            return fault(
                "topic",
                "is not the name of a topic; write 1 to 249 letters, digits, dots, _ and -",
            );
        }
        if !(1..=10_000_000).contains(&self.queue) {
            return fault("queue", "has to lie between 1 and 10000000");
        }
        if !(1 << 10..=1 << 40).contains(&self.queue_bytes) {
            return fault("queue_bytes", "has to lie between 1024 and 1099511627776");
        }
        if self.publish_timeout_ms < 1000 {
            return fault("publish_timeout_ms", "is below 1000; write 120000");
        }
        for (name, instead) in RESERVED {
            if self.options.contains_key(name) {
                return fault(&format!("options.{name}"), &format!("can't be set: {instead}"));
            }
        }
        Ok(())
    }

    /// The same configuration for display: the values of all options are hidden.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let options = self.options.keys().map(|name| (name.clone(), "***".to_owned())).collect();
        KafkaSinkConfig { options, ..self.clone() }
    }

    pub(super) fn publish_timeout(&self) -> Duration {
        Duration::from_millis(self.publish_timeout_ms)
    }

    /// Settings of all producers.
    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("client.id", "strateye");
        // Reconnects to a broker within a second instead of ten.
        client.set("reconnect.backoff.max.ms", "1000");
        client.set("partitioner", "murmur2_random");
        client.set("linger.ms", "1");
        client.extend(self.options.clone());
        client.set("bootstrap.servers", &self.brokers);
        client.set("queue.buffering.max.messages", self.queue.to_string());
        client.set("queue.buffering.max.kbytes", (self.queue_bytes >> 10).to_string());
        client.set("enable.idempotence", "true");
        client.set("acks", "all");
        client
    }

    /// Settings of the client that sends immediately and never gives up.
    pub(super) fn immediate(&self) -> ClientConfig {
        let mut client = self.client();
        client.set("message.timeout.ms", "0");
        client
    }

    /// Settings of the client that sends every record in a batch of its own, otherwise as
    /// [`immediate`](Self::immediate).
    pub(super) fn single(&self) -> ClientConfig {
        let mut client = self.immediate();
        client.set("batch.num.messages", "1");
        client
    }

    /// Settings of the client that sends in transactions. Records time out with their transaction.
    pub(super) fn transactional(&self, transactional_id: &str) -> ClientConfig {
        let mut client = self.client();
        client.set("transactional.id", transactional_id);
        if !self.options.contains_key("transaction.timeout.ms") {
            // Long enough for the largest batch and a broker's restart, below the 15 minutes that brokers
            // allow. After a crash nothing waits for it: opening the transactional id again ends open
            // transactions.
            client.set("transaction.timeout.ms", "300000");
        }
        client
    }

    /// Settings of the client that reads the last published number; it consumes nothing.
    pub(super) fn marker(&self, transactional_id: &str) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("client.id", "strateye");
        client.set("reconnect.backoff.max.ms", "1000");
        client.extend(self.options.clone());
        client.set("bootstrap.servers", &self.brokers);
        client.set("group.id", transactional_id);
        client.set("enable.auto.commit", "false");
        client.set("isolation.level", "read_committed");
        client
    }
}

/// Error for a client that can't be created, without the value of the invalid option.
pub(super) fn client_error(error: KafkaError) -> KafkaSinkError {
    match error {
        KafkaError::ClientConfig(_, _, name, _) => KafkaSinkError::Config {
            field: format!("options.{name}"),
            reason: "is unknown, or does not take this value; see librdkafka's CONFIGURATION.md".to_owned(),
        },
        KafkaError::ClientCreation(reason) => KafkaSinkError::Client(reason),
        other => KafkaSinkError::Client(other.to_string()),
    }
}

impl fmt::Debug for KafkaSinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.redacted();
        f.debug_struct("KafkaSinkConfig")
            .field("brokers", &shown.brokers)
            .field("topic", &shown.topic)
            .field("delivery", &shown.delivery)
            .field("options", &shown.options)
            .field("queue", &shown.queue)
            .field("queue_bytes", &shown.queue_bytes)
            .field("publish_timeout_ms", &shown.publish_timeout_ms)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(field: &str, value: serde_json::Value) -> Result<KafkaSinkConfig, String> {
        let mut document = json!({"brokers": "a:9092,b:9092", "topic": "triggers"});
        document[field] = value;
        let config: KafkaSinkConfig = serde_json::from_value(document).map_err(|e| e.to_string())?;
        config.validate().map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn what_is_left_out_has_the_documented_defaults() {
        let config = with("delivery", json!("immediate")).unwrap();
        assert_eq!(config, KafkaSinkConfig::new("a:9092,b:9092", "triggers"));
        assert_eq!(
            (config.queue, config.queue_bytes, config.publish_timeout_ms),
            (100_000, 64 << 20, 120_000)
        );
        assert_eq!(with("delivery", json!("committed")).unwrap().delivery, Delivery::Committed);
    }

    #[test]
    fn faults_name_the_field_and_the_remedy() {
        for (field, value, expected) in [
            ("brokers", json!("a:1,,b:1"), "write HOST:PORT"),
            ("topic", json!("a b"), "1 to 249 letters"),
            ("queue", json!(0), "between 1 and 10000000"),
            ("queue_bytes", json!(1), "between 1024"),
            ("publish_timeout_ms", json!(1), "write 120000"),
            ("options", json!({"acks": "1"}), "options.acks can't be set: it is always all"),
            ("options", json!({"bootstrap.servers": "c"}), "write brokers instead"),
            ("retries", json!(3), "unknown field `retries`"),
        ] {
            let error = with(field, value).unwrap_err();
            assert!(error.contains(expected) && error.contains(field), "{field}: {error}");
        }
    }

    #[test]
    fn options_reach_the_client_and_promises_stay() {
        let config = with("options", json!({"linger.ms": "50", "transaction.timeout.ms": "9000"})).unwrap();
        let client = config.immediate();
        assert_eq!((client.get("linger.ms"), client.get("acks")), (Some("50"), Some("all")));
        assert_eq!(
            (client.get("enable.idempotence"), client.get("message.timeout.ms")),
            (Some("true"), Some("0"))
        );
        assert_eq!(config.transactional("x").get("transaction.timeout.ms"), Some("9000"));
        assert_eq!(config.transactional("x").get("transactional.id"), Some("x"));
    }

    #[test]
    fn no_text_about_it_holds_a_secret() {
        let mut config = with("options", json!({"sasl.password": "pass-1"})).unwrap();
        let shown = format!("{config:?} {}", serde_json::to_string(&config.redacted()).unwrap());
        assert!(shown.contains("sasl.password") && !shown.contains("pass-"), "{shown}");
        config.options.insert("sasl.pasword".to_owned(), "pass-2".to_owned());
        let error = crate::kafka::KafkaSink::start(&config).err().unwrap().to_string();
        assert!(error.contains("options.sasl.pasword") && !error.contains("pass-"), "{error}");
    }
}
