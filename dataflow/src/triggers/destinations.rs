//! Destinations: the sinks of triggers that a job names, each for all channels or for some. They come from
//! `[[sinks]]` of the settings (`cli/sink_settings.rs`) or from `--triggers` (`cli/options/job.rs`).
//!
//! - [`TriggerSinks`]: sinks that receive triggers at once, on worker 0
//! - [`open_transactional`]: sinks whose triggers wait for their checkpoint, for the checkpoint's publisher
//!
//! Held-out triggers are only recorded: lines and topics contain them, with `held_out`; a webhook never does,
//! as its receiver would act.
//!
//! While a receiver is away, its triggers wait in its [spool](super::spools), and nothing waits for them.
//!
//! A trigger that is too large for its topic is left out and logged: it would be too large again on every
//! retry.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use operators::model::trigger::Fired;
use serde::{Deserialize, Serialize};
use sinks::{
    LineOutput, LineSink, Sent, SinkStats, SpoolConfig, SpoolingSink, TransactionError, Trigger, TriggerSink,
    TriggerSinkError,
    kafka::{Delivery as When, KafkaSink, KafkaSinkConfig, KafkaTransactions},
    webhook::{WebhookConfig, WebhookSink},
};

use super::{max_age::max_age, spools::Spools};
use crate::{
    checkpoint::{SelectingSink, taking::Delivery},
    exit::{Fatal, READER_GONE, SINK_FAILED},
    protocol::figures::{SinkFigures, SpoolFigures},
};

/// A sink and the triggers that it takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Destination {
    /// Channels whose triggers the sink takes; empty for all triggers.
    #[serde(default)]
    pub channels: Vec<String>,
    /// The sink.
    pub to: To,
}

/// Kinds of sinks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// Lines of JSON.
    Lines(LineOutput),
    /// A topic.
    Kafka(KafkaSinkConfig),
    /// An HTTP address.
    Webhook(WebhookConfig),
}

impl Destination {
    /// A sink that takes all triggers.
    pub fn all(to: To) -> Self {
        Destination { channels: Vec::new(), to }
    }

    fn takes(&self, fired: &Fired) -> bool {
        (self.channels.is_empty() || fired.channel.as_ref().is_some_and(|c| self.channels.contains(c)))
            && !(fired.held_out && matches!(self.to, To::Webhook(_)))
    }

    /// Whether the sink's triggers wait for their checkpoint.
    pub fn is_committed(&self) -> bool {
        matches!(&self.to, To::Kafka(config) if config.delivery == When::Committed)
    }
}

impl From<TriggerSinkError> for Fatal {
    /// Failure of the process: a sink has failed for good. The supervisor decides about a restart.
    fn from(error: TriggerSinkError) -> Self {
        let gone = matches!(error, TriggerSinkError::ReaderGone);
        Fatal::new(if gone { READER_GONE } else { SINK_FAILED }, "a sink failed", error)
    }
}

/// A destination and its open sink; `None` if its triggers are published with checkpoints.
struct OpenSink {
    destination: Destination,
    sink: Option<Box<dyn TriggerSink>>,
}

impl OpenSink {
    fn new(destination: &Destination, spool: Option<SpoolConfig>) -> Result<Self, TriggerSinkError> {
        let sink: Option<Box<dyn TriggerSink>> = match (&destination.to, spool) {
            _ if destination.is_committed() => None,
            (To::Lines(output), _) => Some(Box::new(LineSink::open(output)?)),
            (To::Kafka(config), None) => Some(Box::new(KafkaSink::start(config)?)),
            (To::Kafka(config), Some(spool)) => {
                Some(Box::new(SpoolingSink::start(Box::new(KafkaSink::start(config)?), spool)?))
            }
            (To::Webhook(config), None) => Some(Box::new(WebhookSink::start(config)?)),
            (To::Webhook(config), Some(spool)) => {
                let webhook = WebhookSink::start_with_spool(config)?;
                Some(Box::new(SpoolingSink::start(Box::new(webhook), spool)?))
            }
        };
        Ok(OpenSink { destination: destination.clone(), sink })
    }

    /// The sink, if it takes this trigger.
    fn sink_for(&self, fired: &Fired) -> Option<&dyn TriggerSink> {
        self.sink.as_deref().filter(|_| self.destination.takes(fired))
    }

    fn figures(&self, index: usize) -> SinkFigures {
        let kind = self.sink.as_ref().map_or("committed", |sink| sink.kind());
        let stats = self.sink.as_ref().map(|sink| sink.stats()).unwrap_or_default();
        let SinkStats { queued, delivered, retried, dead, expired, failed } = stats;
        let spool = self.sink.as_ref().and_then(|sink| sink.spool()).map(SpoolFigures::from);
        SinkFigures {
            sink: format!("{index}-{kind}"),
            queued,
            delivered,
            retried,
            dead,
            expired,
            failed,
            spool,
        }
    }
}

/// The open sinks, in the order of their destinations; on worker 0.
#[derive(Default)]
pub struct TriggerSinks(Vec<OpenSink>);

impl TriggerSinks {
    /// Opens the sinks of all destinations, with their spools.
    ///
    /// # Errors
    /// If one can't be opened.
    pub fn open(destinations: &[Destination], spools: &Spools) -> Result<Self, TriggerSinkError> {
        let configs = spools.of(destinations);
        spools.warn_of_others(&configs);
        let sinks = destinations.iter().zip(configs).map(|(to, spool)| OpenSink::new(to, spool));
        sinks.collect::<Result<_, _>>().map(TriggerSinks)
    }

    /// Offers a trigger to the sinks that take it, from index `from` on. Returns the index of the first that
    /// is full; the caller offers the trigger again from there on.
    ///
    /// # Errors
    /// If a sink has failed for good.
    pub fn send(&self, fired: &Fired, from: usize) -> Result<Option<usize>, TriggerSinkError> {
        let mut built = None;
        for (index, open) in self.0.iter().enumerate().skip(from) {
            let Some(sink) = open.sink_for(fired) else { continue };
            match sink.send(built.get_or_insert_with(|| trigger(fired)))? {
                Sent::Accepted(_) => {}
                Sent::Full => return Ok(Some(index)),
                Sent::Refused(error) => {
                    tracing::error!(error, rule_id = fired.rule_id, "a trigger is dropped");
                }
            }
        }
        Ok(None)
    }

    /// Passes buffered triggers on without blocking, and returns whether no sink has any left.
    ///
    /// # Errors
    /// If a sink has failed for good.
    pub fn flush(&self) -> Result<bool, TriggerSinkError> {
        self.sinks().try_fold(true, |all, sink| Ok(sink.flush()? && all))
    }

    /// Checks whether a sink has failed for good; sinks may fail long after they have accepted a trigger.
    ///
    /// # Errors
    /// If one has failed for good.
    pub fn check(&self) -> Result<(), TriggerSinkError> {
        self.sinks().try_for_each(TriggerSink::check)
    }

    /// Figures of all sinks. Triggers that wait for their checkpoint are counted in the checkpoint's figures.
    ///
    /// # Errors
    /// If a sink has failed for good.
    pub fn figures(&self) -> Result<Vec<SinkFigures>, TriggerSinkError> {
        self.check()?;
        Ok(self.0.iter().enumerate().map(|(index, open)| open.figures(index)).collect())
    }

    fn sinks(&self) -> impl Iterator<Item = &dyn TriggerSink> {
        self.0.iter().filter_map(|open| open.sink.as_deref())
    }
}

impl Delivery for TriggerSinks {
    fn accepted(&self) -> Vec<u64> {
        self.sinks().map(TriggerSink::accepted).collect()
    }

    fn has_acknowledged(&self, accepted: &[u64]) -> Result<bool, Fatal> {
        self.check()?;
        Ok(self.sinks().zip(accepted).all(|(sink, accepted)| sink.acknowledged() >= *accepted))
    }
}

fn trigger(fired: &Fired) -> Trigger {
    let expires = max_age(&fired.line).map(|age| now() + age);
    Trigger { id: fired.trigger_id.clone(), key: fired.key.clone(), line: fired.line.clone(), expires }
}

/// Unix time, ms.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Opens the transactional sinks of all destinations that wait for checkpoints; their transactional ids begin
/// with `owner`, which stays the same over all restarts. Blocks until earlier engines with these ids are
/// fenced.
///
/// # Errors
/// If one can't be opened.
pub fn open_transactional(
    destinations: &[Destination],
    owner: &str,
) -> Result<Vec<SelectingSink>, TransactionError> {
    let open = |(id, destination, config): (String, &Destination, &KafkaSinkConfig)| {
        let sink = Box::new(KafkaTransactions::open(config, &id)?);
        let destination = destination.clone();
        let select = Box::new(move |fired: &Fired| destination.takes(fired).then(|| trigger(fired)));
        Ok(SelectingSink { select, sink })
    };
    transactional(destinations, owner).into_iter().map(open).collect()
}

/// The destinations whose triggers wait for their checkpoint, each with its transactional id: the topic, and
/// the index among the destinations of the same topic. So other sinks may be added or removed, and the last
/// published number is still found.
fn transactional<'d>(
    destinations: &'d [Destination],
    owner: &str,
) -> Vec<(String, &'d Destination, &'d KafkaSinkConfig)> {
    let mut ordinals = BTreeMap::<&str, usize>::new();
    let mut sinks = Vec::new();
    for destination in destinations.iter().filter(|destination| destination.is_committed()) {
        if let To::Kafka(config) = &destination.to {
            let ordinal = ordinals.entry(&config.topic).or_default();
            sinks.push((format!("{owner}-triggers-{}-{ordinal}", config.topic), destination, config));
            *ordinal += 1;
        }
    }
    sinks
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rdkafka::{
        mocking::MockCluster,
        types::{RDKafkaApiKey, RDKafkaRespErr},
    };

    use super::*;

    fn fired(id: u64) -> Fired {
        Fired { trigger_id: id.to_string(), key: "1".into(), line: "{}".into(), ..Fired::default() }
    }

    #[test]
    fn transactional_ids_do_not_depend_on_other_sinks() {
        let to = |topic: &str, delivery| {
            Destination::all(To::Kafka(KafkaSinkConfig { delivery, ..KafkaSinkConfig::new("a:1", topic) }))
        };
        let ids = |sinks: &[Destination]| -> Vec<String> {
            transactional(sinks, "shop").into_iter().map(|(id, ..)| id).collect()
        };
        let (a, b) = (to("a", When::Committed), to("b", When::Committed));
        let lines = Destination::all(To::Lines(LineOutput::Nowhere));
        let others = [lines, to("a", When::Immediate), b, a.clone(), a.clone()];
        assert_eq!(ids(std::slice::from_ref(&a)), ["shop-triggers-a-0"]);
        assert_eq!(ids(&others), ["shop-triggers-b-0", "shop-triggers-a-0", "shop-triggers-a-1"]);
    }

    #[test]
    fn a_topic_that_refuses_a_trigger_fails_the_check_before_the_next() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("triggers", 1, 1).unwrap();
        let config = KafkaSinkConfig::new(cluster.bootstrap_servers(), "triggers");
        let sinks = TriggerSinks::open(&[Destination::all(To::Kafka(config))], &Spools::OFF).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let wait = |what: &dyn Fn() -> bool| {
            while !what() {
                assert!(Instant::now() < until);
                std::thread::yield_now();
            }
        };
        sinks.send(&fired(1), 0).unwrap();
        wait(&|| sinks.has_acknowledged(&sinks.accepted()).unwrap());
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        cluster.request_errors(RDKafkaApiKey::Produce, &[refusal]);
        sinks.send(&fired(2), 0).unwrap();
        wait(&|| sinks.check().is_err_and(|error| error.to_string().contains("give this user WRITE on it")));
    }
}
