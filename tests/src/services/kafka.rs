//! An Apache Kafka broker.

use std::ops::Deref;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use super::Service;
use crate::command::WITHIN;

/// A broker that is its own controller. Transactions work; topics are made by [`topic`](Self::topic) only.
///
/// What it acknowledged survives a kill. A restart after a kill takes some 4 s, because the former session
/// has to end; after a stop 2 s.
#[derive(Debug)]
pub struct Kafka(Service);

impl Kafka {
    /// Starts a broker.
    ///
    /// # Panics
    /// If it can't be started; the message names what to install.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a broker with further settings, as in `&["message.max.bytes=1000"]`; those that begin with a
    /// dash are options of its JVM.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        Self(Service::start("kafka", settings))
    }

    /// Client settings for this broker.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address());
        config
    }

    /// Creates a topic; returns when all its partitions have a leader.
    ///
    /// # Panics
    /// If it can't be created, as when there is one of that name.
    pub fn topic(&self, name: &str, partitions: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let count = i32::try_from(partitions).expect("a number of partitions");
        let topic = NewTopic::new(name, count, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(WITHIN)).request_timeout(Some(WITHIN));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let results = runtime.block_on(admin.create_topics([&topic], &options)).expect("an answer");
        for result in results {
            result.unwrap_or_else(|(name, error)| panic!("the topic {name} can't be made: {error}"));
        }
        // The controller has the topic before the broker does.
        let end = Instant::now() + WITHIN;
        while led(&admin, name) != partitions {
            assert!(Instant::now() < end, "{name} has {} of {partitions} partitions", led(&admin, name));
        }
    }
}

/// Number of a topic's partitions that have a leader; zero while the broker is too busy to answer.
fn led(admin: &AdminClient<DefaultClientContext>, topic: &str) -> usize {
    let Ok(metadata) = admin.inner().fetch_metadata(Some(topic), Duration::from_secs(5)) else { return 0 };
    metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
        .filter(|partition| partition.leader() >= 0)
        .count()
}

impl Deref for Kafka {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}
