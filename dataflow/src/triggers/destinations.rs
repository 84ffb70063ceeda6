//! Where triggers go: one or several sinks, each for all channels or for some.
//!
//! Held-out triggers are only recorded: lines and topics carry them, with `held_out`; a webhook never does, as whoever is
//! called would act.
//!
//! A trigger that is too large for its topic is left out and told in the log: it would be as large whenever it was sent again.
//! Triggers that wait for their checkpoint are left out with it if they are as large as one that the topic did not take.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use operators::model::trigger::Fired;
use serde::{Deserialize, Serialize};
use sinks::{
    LineOutput, LineSink, Outgoing, Sent, SinkError,
    kafka::{Delivery as When, KafkaSink, KafkaSinkConfig, KafkaSinkError, KafkaStats, KafkaTransactions},
    webhook::{WebhookConfig, WebhookError, WebhookSink, WebhookStats},
};

use crate::{
    checkpoint::{Transactions, taking::Delivery},
    protocol::figures::SinkFigures,
};

/// A sink, and what it is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Destination {
    /// The channels whose triggers it takes; none: all triggers.
    #[serde(default)]
    pub channels: Vec<String>,
    /// The sink.
    pub to: To,
}

/// A kind of sink.
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
    /// A sink for everything.
    pub fn all(to: To) -> Self {
        Destination { channels: Vec::new(), to }
    }

    fn takes(&self, fired: &Fired) -> bool {
        (self.channels.is_empty() || fired.channel.as_ref().is_some_and(|c| self.channels.contains(c)))
            && !(fired.held_out && matches!(self.to, To::Webhook(_)))
    }

    /// Whether triggers wait for their checkpoint.
    pub fn is_committed(&self) -> bool {
        matches!(&self.to, To::Kafka(config) if config.delivery == When::Committed)
    }
}

/// Why triggers can't leave.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// Lines.
    #[error(transparent)]
    Lines(#[from] SinkError),
    /// A topic.
    #[error(transparent)]
    Kafka(#[from] KafkaSinkError),
    /// A webhook.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

/// A sink that fails ends the process; the supervisor decides what follows.
pub(super) fn written<T, E: Into<TriggerError>>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| fail(&error.into()))
}

pub(super) fn fail(error: &TriggerError) -> ! {
    let gone = matches!(error, TriggerError::Lines(SinkError::ReaderGone));
    tracing::error!(%error, "a sink failed");
    std::process::exit(if gone { crate::exit::READER_GONE } else { crate::exit::SINK_FAILED })
}

enum Open {
    /// And how many were written.
    Lines(RefCell<LineSink>, Cell<u64>),
    /// And how many were left out.
    Kafka(KafkaSink, Cell<u64>),
    Webhook(WebhookSink),
    /// Published with checkpoints, not from here.
    Committed,
}

/// Open sinks; on worker 0.
#[derive(Default)]
pub struct TriggerSinks(Vec<(Destination, Open)>);

impl TriggerSinks {
    /// Opens sinks.
    ///
    /// # Errors
    /// If one can't be opened.
    pub fn open(destinations: &[Destination]) -> Result<Self, TriggerError> {
        let open = |destination: &Destination| {
            let open = match &destination.to {
                _ if destination.is_committed() => Open::Committed,
                To::Lines(output) => Open::Lines(RefCell::new(output.open()?), Cell::new(0)),
                To::Kafka(config) => Open::Kafka(KafkaSink::start(config)?, Cell::new(0)),
                To::Webhook(config) => Open::Webhook(WebhookSink::start(config)?),
            };
            Ok((destination.clone(), open))
        };
        destinations.iter().map(open).collect::<Result<Vec<_>, _>>().map(TriggerSinks)
    }

    /// Hands a trigger to the sinks that are for it, from the given one on. Gives the one that is full, to be asked again.
    ///
    /// # Errors
    /// If a sink fails for good.
    pub fn send(&self, fired: &Fired, from: usize) -> Result<Option<usize>, TriggerError> {
        for (i, (destination, open)) in self.0.iter().enumerate().skip(from) {
            if !destination.takes(fired) {
                continue;
            }
            let sent = match open {
                Open::Lines(lines, count) => {
                    let mut lines = lines.borrow_mut();
                    if !lines.has_room() {
                        return Ok(Some(i));
                    }
                    lines.line(&fired.line)?;
                    count.set(count.get() + 1);
                    continue;
                }
                Open::Committed => continue,
                Open::Kafka(kafka, left_out) => match kafka.send(outgoing(fired)) {
                    Err(error @ KafkaSinkError::TooLarge { .. }) => {
                        tracing::error!(%error, rule_id = fired.rule_id, "a trigger is left out");
                        left_out.set(left_out.get() + 1);
                        continue;
                    }
                    sent => sent?,
                },
                Open::Webhook(webhook) => webhook.send(outgoing(fired)),
            };
            if matches!(sent, Sent::Full(_)) {
                return Ok(Some(i));
            }
        }
        Ok(None)
    }

    /// Hands lines on to the system; whether it takes them all.
    ///
    /// # Errors
    /// If they can't be written.
    pub fn flush(&self) -> Result<bool, TriggerError> {
        let mut all = true;
        for (_, open) in &self.0 {
            if let Open::Lines(lines, _) = open {
                all &= lines.borrow_mut().flush()?;
            }
        }
        Ok(all)
    }

    /// Whether all sinks go on; they may fail after they were handed a trigger.
    ///
    /// # Errors
    /// If one has failed for good.
    pub fn check(&self) -> Result<(), TriggerError> {
        self.0.iter().try_for_each(|(_, open)| match open {
            Open::Kafka(kafka, _) => Ok(kafka.check()?),
            Open::Lines(..) | Open::Webhook(_) | Open::Committed => Ok(()),
        })
    }

    /// What the sinks show of themselves. What waits for checkpoints is counted with those. Ends the process if one has failed.
    pub fn figures(&self) -> Vec<SinkFigures> {
        written(self.check());
        let figures = |(i, (_, open)): (usize, &(Destination, Open))| {
            let (kind, figures) = match open {
                Open::Lines(_, count) => {
                    ("lines", SinkFigures { delivered: count.get(), ..SinkFigures::default() })
                }
                Open::Kafka(kafka, left_out) => {
                    let KafkaStats { queued, delivered, failed } = kafka.stats();
                    let failed = failed + left_out.get();
                    ("kafka", SinkFigures { queued, delivered, failed, ..SinkFigures::default() })
                }
                Open::Webhook(webhook) => {
                    let WebhookStats { queued, delivered, retried, dead } = webhook.stats();
                    ("webhook", SinkFigures { queued, delivered, retried, dead, ..SinkFigures::default() })
                }
                Open::Committed => ("committed", SinkFigures::default()),
            };
            SinkFigures { sink: format!("{i}-{kind}"), ..figures }
        };
        self.0.iter().enumerate().map(figures).collect()
    }
}

impl Delivery for TriggerSinks {
    fn handed(&self) -> Vec<u64> {
        let accepted = |(_, open): &(Destination, Open)| match open {
            Open::Kafka(kafka, _) => kafka.accepted(),
            Open::Webhook(webhook) => webhook.accepted(),
            Open::Lines(..) | Open::Committed => 0,
        };
        self.0.iter().map(accepted).collect()
    }

    /// Ends the process if a sink has failed: what it was handed would never be settled.
    fn has_settled(&self, handed: &[u64]) -> bool {
        written(self.check());
        self.0.iter().zip(handed).all(|((_, open), handed)| match open {
            Open::Kafka(kafka, _) => kafka.settled() >= *handed,
            Open::Webhook(webhook) => webhook.settled() >= *handed,
            Open::Lines(lines, _) => lines.borrow().is_flushed(),
            Open::Committed => true,
        })
    }
}

fn outgoing(fired: &Fired) -> Outgoing {
    Outgoing { id: fired.trigger_id.clone(), key: fired.key.clone(), line: fired.line.clone() }
}

/// Leaves out what is as large as one that is too large; gives how many that are.
fn leave_out(batch: &mut Vec<Outgoing>, large: &Outgoing) -> usize {
    let size = |outgoing: &Outgoing| outgoing.id.len() + outgoing.key.len() + outgoing.line.len();
    let before = batch.len();
    batch.retain(|outgoing| size(outgoing) < size(large));
    before - batch.len()
}

/// Topics whose triggers wait for their checkpoints.
pub struct CommittedTopics(Vec<(Destination, KafkaTransactions)>);

impl CommittedTopics {
    /// Opens the producers; `owner` names them over all restarts. `None` if there are none.
    ///
    /// # Errors
    /// If one can't be opened.
    pub fn open(destinations: &[Destination], owner: &str) -> Result<Option<Self>, TriggerError> {
        let mut topics = Vec::new();
        for (id, destination, config) in transactional(destinations, owner) {
            topics.push((destination.clone(), KafkaTransactions::open(config, &id)?));
        }
        Ok((!topics.is_empty()).then_some(CommittedTopics(topics)))
    }
}

/// The sinks whose triggers wait for their checkpoints, each with its transactional id: by its topic, and its place among those of the
/// same topic. So other sinks may come and go, and what was published stays known.
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

impl Transactions for CommittedTopics {
    fn last_published(&mut self) -> Result<Option<u64>, String> {
        let mut least = None;
        for (_, topic) in &self.0 {
            let last = topic.last_published().map_err(|e| e.to_string())?.unwrap_or(0);
            least = Some(least.map_or(last, |least: u64| least.min(last)));
        }
        Ok(least)
    }

    fn highest_published(&mut self) -> Result<u64, String> {
        let last = |(_, topic): &(Destination, KafkaTransactions)| topic.last_published();
        let all = self.0.iter().map(last).collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        Ok(all.into_iter().flatten().max().unwrap_or(0))
    }

    fn publish(&mut self, n: u64, fired: &[Fired]) -> Result<(), String> {
        for (destination, topic) in &mut self.0 {
            if topic.last_published().map_err(|e| e.to_string())?.is_some_and(|last| last >= n) {
                continue;
            }
            let mut batch: Vec<Outgoing> =
                fired.iter().filter(|f| destination.takes(f)).map(outgoing).collect();
            while let Err(error) = topic.publish(n, &batch) {
                let KafkaSinkError::TooLarge { outgoing: large } = &error else {
                    return Err(error.to_string());
                };
                tracing::error!(%error, left_out = leave_out(&mut batch, large), "triggers are left out");
            }
        }
        Ok(())
    }
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
        Fired {
            trigger_id: id.to_string(),
            rule_id: "r".into(),
            name: String::new(),
            key: "1".into(),
            channel: None,
            held_out: false,
            seen: 0,
            line: "{}".into(),
        }
    }

    #[test]
    fn transactional_ids_outlive_changes_of_other_sinks() {
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
    fn a_topic_that_refuses_a_trigger_shows_before_the_next() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("triggers", 1, 1).unwrap();
        let config = KafkaSinkConfig::new(cluster.bootstrap_servers(), "triggers");
        let sinks = TriggerSinks::open(&[Destination::all(To::Kafka(config))]).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let wait = |what: &dyn Fn() -> bool| {
            while !what() {
                assert!(Instant::now() < until);
                std::thread::yield_now();
            }
        };
        sinks.send(&fired(1), 0).unwrap();
        wait(&|| sinks.has_settled(&sinks.handed()));
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        cluster.request_errors(RDKafkaApiKey::Produce, &[refusal]);
        sinks.send(&fired(2), 0).unwrap();
        wait(&|| sinks.check().is_err_and(|error| error.to_string().contains("give this user WRITE on it")));
    }
}
