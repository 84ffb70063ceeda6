//! Commits of checkpoints' positions to the consumer group, for tools that show the lag.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use operators::model::ids::Positions;
use rdkafka::consumer::{CommitMode, Consumer};

use super::{
    KafkaConfig,
    client::{Client, assignment, exact_offset},
};

/// Time after which a commit without an answer no longer holds back the next one.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Positions to commit. One commit is under way at a time; positions that come meanwhile wait for the next.
#[derive(Default)]
pub(super) struct Commits {
    waiting: Positions,
    under_way: Arc<AtomicBool>,
    /// Time of the last commit.
    sent: Option<Instant>,
}

impl Commits {
    /// Flag of a commit under way, for a new client, which clears it when the commit is answered. A commit that
    /// an earlier client has under way is given up.
    pub(super) fn for_client(&mut self) -> Arc<AtomicBool> {
        self.under_way = Arc::default();
        Arc::clone(&self.under_way)
    }

    /// Adds positions, which replace earlier ones of their partitions.
    pub(super) fn add(&mut self, positions: Positions) {
        self.waiting.extend(positions);
    }

    /// Commits the waiting positions through `client`, unless a commit is under way. Does not block.
    pub(super) fn send(&mut self, client: &Client, config: &KafkaConfig) {
        let unanswered =
            self.under_way.load(Ordering::Acquire) && self.sent.is_some_and(|sent| sent.elapsed() < TIMEOUT);
        if self.waiting.is_empty() || unanswered {
            return;
        }
        let positions = mem::take(&mut self.waiting);
        let offsets = positions.into_iter().map(|(partition, position)| (partition, exact_offset(position)));
        self.under_way.store(true, Ordering::Release);
        self.sent = Some(Instant::now());
        let result =
            assignment(&config.topic, offsets).and_then(|list| client.commit(&list, CommitMode::Async));
        if let Err(error) = result {
            self.under_way.store(false, Ordering::Release);
            tracing::warn!(group = %config.group, "offsets could not be committed: {error}");
        }
    }
}
