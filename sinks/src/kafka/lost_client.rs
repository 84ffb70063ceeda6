//! Detects that the client of a sink has lost the brokers for good.
//!
//! librdkafka 2.10 and later removes brokers that are missing in an answer about the cluster. An answer
//! without any broker, which a broker gives while the controllers consider all of them dead, can leave a
//! client without a broker to ask, for good (confluentinc/librdkafka, issue 5301), and that is not reported. A
//! client that sends in transactions needs no such watch: its calls have a deadline.
//!
//! **Invariant**: a sink fails for that only if nothing that is open was acknowledged for [`QUIET_AFTER`] and
//! since then, [`CONFIRMED`] times in a row, its client got no answer from the brokers and a new client did.

use std::{
    convert::Infallible,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    client::Client,
    config::FromClientConfig as _,
    producer::{BaseProducer, Producer, ThreadedProducer},
};

use super::{
    config::KafkaSinkConfig,
    context::{Acknowledgements, Ledger},
    error::KafkaSinkError,
};

/// Pause between two looks at the acknowledgements.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Time without an acknowledgement after which the brokers are asked.
const QUIET_AFTER: Duration = Duration::from_secs(15);
/// Number of questions in a row that only a new client gets answered.
const CONFIRMED: u32 = 3;
/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Acknowledgements of a sink, as they are seen from look to look.
#[derive(Debug)]
struct Watch {
    acknowledged: u64,
    /// Instant of the first look at `acknowledged`.
    since: Instant,
    unanswered: u32,
}

impl Watch {
    fn new(now: Instant) -> Self {
        Watch { acknowledged: 0, since: now, unanswered: 0 }
    }

    /// Takes the acknowledged number and the count of open triggers, and returns whether the client is lost. Asks
    /// `is_cut_off` whether only a new client gets an answer.
    fn look(
        &mut self,
        acknowledged: u64,
        open: u64,
        now: Instant,
        is_cut_off: impl FnOnce() -> bool,
    ) -> bool {
        if open == 0 || acknowledged != self.acknowledged {
            *self = Watch { acknowledged, ..Watch::new(now) };
        } else if now.duration_since(self.since) >= QUIET_AFTER {
            self.unanswered = if is_cut_off() { self.unanswered + 1 } else { 0 };
        }
        self.unanswered >= CONFIRMED
    }
}

/// Starts the thread that watches `producer`. It ends when the sender of `ended` is dropped.
///
/// # Errors
/// If the thread can't be started.
pub(super) fn watch(
    config: &KafkaSinkConfig,
    ledger: &Arc<Ledger>,
    producer: ThreadedProducer<Acknowledgements>,
    ended: mpsc::Receiver<Infallible>,
) -> Result<(), KafkaSinkError> {
    let (config, ledger) = (config.clone(), Arc::clone(ledger));
    let run = move || {
        let mut watch = Watch::new(Instant::now());
        while ended.recv_timeout(LOOK_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
            let (acknowledged, open) = {
                let counts = ledger.counts();
                (counts.progress.acknowledged(), counts.progress.open())
            };
            let is_cut_off = || !is_answered(producer.client(), &config.topic) && is_new_answered(&config);
            if watch.look(acknowledged, open, Instant::now(), is_cut_off) {
                let topic = &config.topic;
                tracing::error!(%topic, "the Kafka client has lost all brokers, although they answer others; the sink fails, to be opened again");
                ledger.lose_client();
                return;
            }
        }
    };
    let spawned = thread::Builder::new().name("kafka-lost".to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| KafkaSinkError::Fatal(error.to_string()))
}

fn is_answered<C: rdkafka::ClientContext>(client: &Client<C>, topic: &str) -> bool {
    client.fetch_metadata(Some(topic), ANSWER_TIMEOUT).is_ok()
}

fn is_new_answered(config: &KafkaSinkConfig) -> bool {
    BaseProducer::from_config(&config.immediate())
        .is_ok_and(|producer| is_answered(producer.client(), &config.topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at 5 acknowledged triggers with some open, once a second from 0 s on.
    fn looks(open: u64, cut_off: impl Fn(u64) -> bool) -> Option<u64> {
        let begun = Instant::now();
        let mut watch = Watch::new(begun);
        (0..60).find(|s| watch.look(5, open, begun + Duration::from_secs(*s), || cut_off(*s)))
    }

    #[test]
    fn a_client_is_lost_if_only_new_ones_are_answered() {
        assert_eq!(looks(1, |_| true), Some(17), "three answers, from 15 s on");
        assert_eq!(looks(1, |second| second != 16), Some(19), "in a row");
        assert_eq!(looks(1, |_| false), None);
        assert_eq!(looks(0, |_| true), None, "there is nothing to send");
    }

    #[test]
    fn a_client_that_delivers_is_not_lost() {
        let begun = Instant::now();
        let mut watch = Watch::new(begun);
        for second in 0..60 {
            assert!(!watch.look(second / 15, 1, begun + Duration::from_secs(second), || true), "{second}");
        }
    }
}
