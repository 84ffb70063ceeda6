//! Sinks of triggers as a file of settings describes them: `[[sinks]]`, each with exactly one kind of sink.

use serde::{Deserialize, Serialize};
use sinks::{
    LineOutput,
    kafka::{KafkaSinkConfig, KafkaSinkError},
    webhook::{WebhookConfig, WebhookError},
};

use crate::triggers::destinations::{Destination, To};

/// A sink and the channels it takes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SinkSettings {
    /// Channels whose triggers the sink takes; all triggers if left out.
    channels: Vec<String>,
    /// A topic.
    kafka: Option<KafkaSinkConfig>,
    /// An HTTP address.
    webhook: Option<WebhookConfig>,
    /// Lines of JSON.
    lines: Option<LineOutput>,
}

/// The reason why settings do not describe a sink.
#[derive(Debug, thiserror::Error)]
pub(super) enum SinkFault {
    #[error(transparent)]
    Kafka(#[from] KafkaSinkError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error("write one of kafka, webhook and lines, and several sinks one after another")]
    Kind,
}

impl SinkSettings {
    /// The destination that these settings describe.
    ///
    /// # Errors
    /// If the settings are invalid.
    pub(super) fn destination(&self) -> Result<Destination, SinkFault> {
        let to = match (&self.kafka, &self.webhook, &self.lines) {
            (Some(config), None, None) => {
                config.validate()?;
                To::Kafka(config.clone())
            }
            (None, Some(config), None) => {
                config.validate()?;
                To::Webhook(config.clone())
            }
            (None, None, Some(output)) => To::Lines(output.clone()),
            _ => return Err(SinkFault::Kind),
        };
        Ok(Destination { channels: self.channels.clone(), to })
    }

    /// Copy fit to be shown.
    pub(super) fn redacted(&self) -> Self {
        SinkSettings {
            channels: self.channels.clone(),
            kafka: self.kafka.as_ref().map(KafkaSinkConfig::redacted),
            webhook: self.webhook.as_ref().map(WebhookConfig::redacted),
            lines: self.lines.clone(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Destination, String> {
        toml::from_str::<SinkSettings>(text)
            .map_err(|error| error.to_string())?
            .destination()
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_sink_is_of_one_kind() {
        let topic = "kafka = { brokers = \"a:9092\", topic = \"t\", delivery = \"committed\" }\n";
        let destination = read(&format!("channels = [\"coupon\"]\n{topic}")).unwrap();
        assert!(destination.is_committed() && destination.channels == ["coupon"]);
        assert!(matches!(read("lines = \"stdout\"").unwrap().to, To::Lines(LineOutput::Stdout)));
        let file = read("lines = { file = \"out.jsonl\" }").unwrap().to;
        assert!(matches!(file, To::Lines(LineOutput::File(path)) if path.ends_with("out.jsonl")));
        let hook = read("[webhook]\nurl = \"http://a/\"\ndead_letters = \"dead.jsonl\"").unwrap().to;
        assert!(matches!(hook, To::Webhook(config) if config.attempts == 8));
        for both in ["", "channels = []", &format!("{topic}lines = \"stdout\"")] {
            assert!(read(both).unwrap_err().contains("write one of kafka, webhook and lines"), "{both}");
        }
    }

    #[test]
    fn faults_are_told_where_they_are() {
        let fault = |text: &str, named: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        };
        fault("[kafka]\nbrokers = \"a\"\ntopik = \"t\"", "line 3");
        fault("kafka = { brokers = \"a\", topic = \"a b\" }", "topic is not the name of a topic");
        fault("[webhook]\nurl = \"a\"\ndead_letters = \"d\"", "write https://HOST/PATH");
        fault("to = { lines = \"stdout\" }", "unknown field `to`");
    }
}
