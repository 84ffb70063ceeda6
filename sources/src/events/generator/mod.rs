//! A realistic load that needs no service: users who browse, favourite, order, forget to pay and mistype
//! passwords.
//!
//! The load is open: event i of a partition is due at start + i / rate, whether or not the reader keeps up. A
//! source that is behind emits at once what is due, stamped with the time it was due.
//!
//! **Invariant**: events are a function of the settings and their number only: the same seed and start give
//! the same bytes, however they are batched.
//!
//! [`write_profiles`] writes the profiles of the same users.
//!
//! - `catalogue`: articles, pages, coupons
//! - `people`: users and their profiles
//! - `journey`: scripts of users, and the wheel that schedules them
//! - `load`: the sequence of events
//! - `kind`, `write`: kinds of events; events as JSON
//! - `random`: the random numbers

mod catalogue;
mod journey;
mod kind;
mod load;
mod people;
mod random;
mod write;

use std::{
    thread,
    time::{Duration, Instant},
};

use operators::model::{
    ids::{Offset, PartitionId, Positions},
    raw::{RawBatch, RawRecord},
};
pub use people::{write_profile, write_profiles};
use serde::{Deserialize, Serialize};

use self::load::Load;
use super::{
    EventSource, MAX_BATCH_BYTES, MAX_RECORDS, Next, ReadProgress, lines::position, wall_ms, wall_us,
};
use crate::SourceError;

/// Shortest sleep: a batch for each event would cost more than the event.
const LEAST_SLEEP: Duration = Duration::from_millis(2);

/// Settings of a generated load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeneratorConfig {
    /// Seed of the random numbers.
    pub seed: u64,
    /// Number of users over all partitions; guids are 1 to `users`, and lie in partition guid mod
    /// `partitions`.
    pub users: u64,
    /// Events per second of this partition, 0.001 to 1e9.
    pub rate: f64,
    /// This partition.
    pub partition: PartitionId,
    /// Number of partitions.
    pub partitions: u32,
    /// Origin of the schedule.
    pub start: Start,
    /// Whether events are held back until they are due. If not, they come as fast as they are read.
    pub paced: bool,
    /// Resume point: events below this offset are skipped.
    pub first_offset: Offset,
    /// Offset before which the load ends; `None`: never.
    pub limit: Option<Offset>,
    /// Most records in a batch.
    pub max_records: usize,
}

/// Origin of the schedule; event times are unix ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The moment the source is created.
    Now,
    /// An earlier moment of the same clock: a source that was interrupted continues where its schedule stands
    /// by now.
    Since(u64),
    /// Event times count from this moment, but events are due from the moment the source is created.
    Fixed(u64),
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        GeneratorConfig {
            seed: 1,
            users: 100_000,
            rate: 1000.0,
            partition: PartitionId(0),
            partitions: 1,
            start: Start::Now,
            paced: true,
            first_offset: Offset(0),
            limit: None,
            max_records: MAX_RECORDS,
        }
    }
}

impl GeneratorConfig {
    fn check(&self) -> Result<(), SourceError> {
        let refuse = |setting, reason: String| Err(SourceError::Setting { setting, reason });
        if !(self.rate.is_finite() && (1e-3..=1e9).contains(&self.rate)) {
            return refuse("rate", format!("is {}; write events per second, 0.001 to 1e9", self.rate));
        }
        if self.partition.0 >= self.partitions {
            let (partition, partitions) = (self.partition, self.partitions);
            return refuse(
                "partition",
                format!("is {partition}; with {partitions} partitions it lies below {partitions}"),
            );
        }
        if !(u64::from(self.partitions)..=100_000_000).contains(&self.users) {
            let reason = format!("is {}; write at least one per partition and at most 100000000", self.users);
            return refuse("users", reason);
        }
        if !(1..=1 << 20).contains(&self.max_records) {
            return refuse(
                "max_records",
                format!("is {}; write a number from 1 to 1048576", self.max_records),
            );
        }
        Ok(())
    }
}

/// Source of the generated events of one partition.
#[derive(Debug)]
pub struct GeneratorSource {
    config: GeneratorConfig,
    load: Load,
    /// Event time of the schedule's origin, unix ms.
    started_at: u64,
    /// Wall clock at the schedule's origin, unix µs.
    started_at_us: u64,
    /// Creation of the source on the monotonic clock, and how long before it the schedule began.
    origin: Instant,
    head_start: Duration,
    interval_us: f64,
    offset: Offset,
    bytes: u64,
}

impl GeneratorSource {
    /// Creates the source and starts its schedule.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn new(config: GeneratorConfig) -> Result<Self, SourceError> {
        config.check()?;
        let now = wall_us();
        let (started_at, head_start) = match config.start {
            Start::Now => (now / 1000, 0),
            Start::Since(ms) => (ms, now.saturating_sub(ms.saturating_mul(1000))),
            Start::Fixed(ms) => (ms, 0),
        };
        Ok(GeneratorSource {
            load: Load::new(config.seed, config.users, config.partition.0, config.partitions),
            started_at,
            started_at_us: now.saturating_sub(head_start),
            origin: Instant::now(),
            head_start: Duration::from_micros(head_start),
            interval_us: 1e6 / config.rate,
            offset: Offset(0),
            bytes: 0,
            config,
        })
    }

    /// Time at which an event is due, µs after the schedule's origin.
    fn due(&self, offset: Offset) -> u64 {
        (offset.0 as f64 * self.interval_us) as u64
    }

    /// Time since the schedule's origin.
    fn now(&self) -> Duration {
        self.origin.elapsed() + self.head_start
    }

    fn emit(&mut self, out: &mut Vec<u8>) {
        let now = self.due(self.offset) / 1000;
        self.load.event(out, now, self.started_at.saturating_add(now));
        self.offset = self.offset.next();
    }

    /// Skips what lies before the resume point; false if the deadline came first.
    fn resume(&mut self, deadline: Instant) -> bool {
        let mut out = Vec::new();
        while self.offset < self.config.first_offset {
            self.emit(&mut out);
            out.clear();
            if self.offset.0.is_multiple_of(4096) && Instant::now() >= deadline {
                break;
            }
        }
        self.offset >= self.config.first_offset
    }

    /// Everything that is due before `until`, µs of the schedule, up to a batch.
    fn batch(&mut self, until: u64) -> RawBatch {
        let limit = self.config.limit.unwrap_or(Offset(u64::MAX));
        let mut batch = RawBatch { partition: self.config.partition, ..RawBatch::default() };
        let mut bytes = Vec::new();
        while batch.records.len() < self.config.max_records
            && batch.bytes.len() < MAX_BATCH_BYTES
            && self.offset < limit
            && self.due(self.offset) <= until
        {
            let (offset, start) = (self.offset, position(&batch));
            std::mem::swap(&mut bytes, &mut batch.bytes);
            self.emit(&mut bytes);
            std::mem::swap(&mut bytes, &mut batch.bytes);
            batch.records.push(RawRecord { offset, start, end: position(&batch), time: None });
        }
        self.bytes += batch.bytes.len() as u64;
        batch.read_at = match (self.config.paced, batch.records.first()) {
            // Activity was due earlier counts as read then: a source that fell behind does not hide it from
            // latencies.
            (true, Some(first)) => self.started_at_us.saturating_add(self.due(first.offset)),
            _ => wall_us(),
        };
        batch
    }
}

impl EventSource for GeneratorSource {
    fn positions(&self) -> Positions {
        Positions::from([(self.config.partition, self.offset.max(self.config.first_offset))])
    }

    fn next(&mut self, wait: Duration) -> Result<Next, SourceError> {
        let deadline = Instant::now() + wait;
        if !self.resume(deadline) {
            return Ok(Next::Idle);
        }
        if self.config.limit.is_some_and(|limit| self.offset >= limit) {
            return Ok(Next::End);
        }
        if !self.config.paced {
            return Ok(Next::Batch(self.batch(u64::MAX)));
        }
        let asked = wall_ms();
        let ahead = Duration::from_micros(self.due(self.offset)).saturating_sub(self.now());
        if !ahead.is_zero() {
            // Pacing is the purpose of this source: nothing is due before.
            thread::sleep(ahead.max(LEAST_SLEEP).min(deadline.saturating_duration_since(Instant::now())));
        }
        let now = self.now().as_micros() as u64;
        if self.due(self.offset) > now {
            return Ok(Next::CaughtUp { partitions: self.partitions(), at: asked });
        }
        Ok(Next::Batch(self.batch(now)))
    }

    fn progress(&self) -> ReadProgress {
        ReadProgress { bytes: self.bytes, total: None }
    }
}

#[cfg(test)]
mod tests;
