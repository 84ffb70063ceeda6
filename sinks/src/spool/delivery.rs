//! What waits for a receiver: triggers in memory, triggers in the log, and those of both that the other sink
//! holds. Without a thread and a clock: [`work`](Delivery::work) does everything that is due.

use std::{collections::VecDeque, path::PathBuf};

use super::{
    SpoolConfig, SpoolStats,
    breaker::{Breaker, BreakerState, Observation},
    log::{SegmentNumber, SpoolLog},
    storage::Storage,
};
use crate::{
    dead_letters::{DeadLetter, DeadLetterFile},
    private,
    trigger::Trigger,
    trigger_sink::{Sent, SinkStats, TriggerSink, TriggerSinkError},
};

/// Most triggers that the other sink may hold for a further one to be handed to it while the breaker is open.
const PROBES: usize = 16;
/// Pause after a failed call of the disk, ms.
pub(super) const PAUSE: u64 = 1_000;

/// The present time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Now {
    /// Since the start, ms; never goes back.
    pub(super) elapsed: u64,
    /// Unix time, ms.
    pub(super) unix: u64,
}

/// A trigger that is not in the log.
struct InMemory {
    trigger: Trigger,
    /// Since the start, ms.
    since: u64,
}

/// Where a trigger is kept that the other sink holds.
#[derive(Clone, Copy)]
enum Place {
    Memory,
    Log(SegmentNumber),
}

/// A trigger that the other sink holds: done once this number is acknowledged there.
struct Outstanding {
    number: u64,
    place: Place,
}

/// What became of a trigger that was next.
enum Handed {
    /// The other sink has it, under this number.
    As(u64),
    /// Nobody delivers it: it is in the dead letters, or was refused and logged.
    GivenUp,
    /// It remains the next one.
    Not,
}

pub(super) struct Delivery<S> {
    inner: Box<dyn TriggerSink + Send>,
    log: SpoolLog<S>,
    breaker: Breaker,
    /// In the order in which they came; behind everything in the log.
    memory: VecDeque<InMemory>,
    /// How many of the first in memory were handed to the other sink.
    handed: usize,
    outstanding: VecDeque<Outstanding>,
    /// Read from the log, for the next free place of the other sink.
    next: Option<(SegmentNumber, Trigger)>,
    folder: PathBuf,
    dead_letters: DeadLetterFile,
    receiver: String,
    acknowledged: u64,
    acknowledged_bytes: u64,
    expired: u64,
    /// Whether the log takes no more.
    full: bool,
    /// Until then the disk is left alone, ms since the start.
    pause_until: u64,
}

impl<S: Storage> Delivery<S> {
    pub(super) fn new(
        inner: Box<dyn TriggerSink + Send>,
        log: SpoolLog<S>,
        config: &SpoolConfig,
        now: Now,
    ) -> Self {
        let state = if log.is_empty() { BreakerState::Closed } else { BreakerState::Open };
        let after = u64::try_from(config.after.as_millis()).unwrap_or(u64::MAX);
        if !log.is_empty() {
            let (receiver, triggers) = (&config.receiver, log.triggers());
            tracing::info!(
                receiver,
                triggers,
                "triggers of an earlier run wait in the spool; they are delivered first"
            );
        }
        Delivery {
            inner,
            log,
            breaker: Breaker::new(state, after, now.elapsed),
            memory: VecDeque::new(),
            handed: 0,
            outstanding: VecDeque::new(),
            next: None,
            folder: config.folder.clone(),
            dead_letters: DeadLetterFile::new(&config.dead_letters),
            receiver: config.receiver.clone(),
            acknowledged: 0,
            acknowledged_bytes: 0,
            expired: 0,
            full: false,
            pause_until: 0,
        }
    }

    /// Takes a trigger; it is behind all that were taken before.
    pub(super) fn take(&mut self, trigger: Trigger, now: Now) {
        self.memory.push_back(InMemory { trigger, since: now.elapsed });
    }

    /// Does everything that is due.
    ///
    /// # Errors
    /// If the other sink has failed for good.
    pub(super) fn work(&mut self, now: Now) -> Result<(), TriggerSinkError> {
        self.inner.flush()?;
        self.inner.check()?;
        self.reap();
        self.observe(now);
        if now.elapsed >= self.pause_until {
            self.log.remove_finished();
        }
        if self.spools() {
            self.spool(now);
        }
        self.feed(now)?;
        self.reap();
        Ok(())
    }

    /// Number of taken triggers up to which all are acknowledged, and the sum of their bytes.
    pub(super) fn acknowledged(&self) -> (u64, u64) {
        (self.acknowledged, self.acknowledged_bytes)
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.memory.is_empty() && self.outstanding.is_empty() && self.log.is_empty()
    }

    /// Figures of the other sink, and triggers given up here; what is queued is not counted.
    pub(super) fn stats(&self) -> SinkStats {
        let inner = self.inner.stats();
        SinkStats { dead: inner.dead + self.expired, expired: inner.expired + self.expired, ..inner }
    }

    pub(super) fn spool_stats(&self) -> SpoolStats {
        SpoolStats {
            breaker: self.breaker.state(),
            triggers: self.log.triggers(),
            bytes: self.log.bytes(),
            full: self.full,
        }
    }

    /// Whether triggers go to the log, and not to the other sink directly.
    fn spools(&self) -> bool {
        self.breaker.state() == BreakerState::Open || !self.log.is_empty()
    }

    /// Drops triggers that are done.
    fn reap(&mut self) {
        let acknowledged = self.inner.acknowledged();
        while let Some(done) = self.outstanding.pop_front() {
            if done.number > acknowledged {
                self.outstanding.push_front(done);
                break;
            }
            match done.place {
                Place::Log(segment) => self.log.done(segment),
                Place::Memory => {
                    self.handed -= 1;
                    self.acknowledge(1);
                }
            }
        }
    }

    /// Drops the first triggers in memory, and counts them as acknowledged.
    fn acknowledge(&mut self, count: usize) {
        for kept in self.memory.drain(..count) {
            self.acknowledged += 1;
            self.acknowledged_bytes += kept.trigger.bytes() as u64;
        }
    }

    fn observe(&mut self, now: Now) {
        let changed = self.breaker.observe(
            now.elapsed,
            Observation {
                delivered: self.inner.stats().delivered,
                waiting_since: self.memory.front().map(|first| first.since),
                outstanding: !self.outstanding.is_empty(),
                spooled: !self.log.is_empty(),
            },
        );
        let (receiver, spooled) = (&self.receiver, self.log.triggers());
        match changed {
            Some(BreakerState::Open) => {
                tracing::warn!(receiver, "the receiver takes nothing; its triggers go to the spool");
            }
            Some(BreakerState::HalfOpen) => {
                tracing::info!(
                    receiver,
                    spooled,
                    "the receiver takes triggers again, those of the spool first"
                );
            }
            Some(BreakerState::Closed) => tracing::info!(receiver, "nothing is left in the spool"),
            None => {}
        }
    }

    /// Appends the triggers in memory to the log, as many as it takes.
    fn spool(&mut self, now: Now) {
        if now.elapsed < self.pause_until {
            return;
        }
        while !self.memory.is_empty() {
            match self.log.append(self.memory.iter().map(|kept| &kept.trigger)) {
                Ok(Some((count, segment))) => self.durable(count, segment),
                Ok(None) => return self.hold_back(&"it is full; raise max_mb, or see to the receiver"),
                Err(error) => {
                    self.pause_until = now.elapsed + PAUSE;
                    return self.hold_back(&error);
                }
            }
        }
        self.full = false;
    }

    /// Acknowledges the first `count` triggers in memory, which stand in the log now.
    fn durable(&mut self, count: usize, segment: SegmentNumber) {
        let handed = self.handed.min(count);
        self.log.skip(segment, handed);
        let in_memory = self.outstanding.iter_mut().filter(|held| matches!(held.place, Place::Memory));
        in_memory.take(handed).for_each(|held| held.place = Place::Log(segment));
        self.handed -= handed;
        self.acknowledge(count);
    }

    fn hold_back(&mut self, reason: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.full, true) {
            let (receiver, folder) = (&self.receiver, self.folder.display());
            tracing::error!(receiver, %folder, %reason, "the spool takes no more; triggers are held back");
        }
    }

    /// Hands triggers to the other sink, as many as it may have.
    fn feed(&mut self, now: Now) -> Result<(), TriggerSinkError> {
        while now.elapsed >= self.pause_until {
            let (place, trigger) = match self.following() {
                Ok(Some(following)) => following,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.pause_until = now.elapsed + PAUSE;
                    tracing::error!(receiver = self.receiver, %error, "the spool can't be read; it is tried again");
                    return Ok(());
                }
            };
            let sent = match trigger.is_expired(now.unix) {
                true => self.bury(&trigger, now),
                false => self.hand(&trigger)?,
            };
            match (sent, place) {
                (Handed::Not, _) => {
                    self.put_back(place, trigger);
                    return Ok(());
                }
                (Handed::As(number), _) => self.outstanding.push_back(Outstanding { number, place }),
                (Handed::GivenUp, Place::Log(segment)) => self.log.done(segment),
                // Acknowledged as soon as all before it are.
                (Handed::GivenUp, Place::Memory) => {
                    self.outstanding.push_back(Outstanding { number: self.inner.accepted(), place });
                }
            }
        }
        Ok(())
    }

    /// The next trigger that the other sink has not been handed, and its place.
    fn following(&mut self) -> std::io::Result<Option<(Place, Trigger)>> {
        if let Some((segment, trigger)) = self.next.take() {
            return Ok(Some((Place::Log(segment), trigger)));
        }
        if let Some((segment, trigger)) = self.log.next()? {
            return Ok(Some((Place::Log(segment), trigger)));
        }
        let is_probed = self.breaker.state() == BreakerState::Open && !self.outstanding.is_empty();
        if !self.log.is_empty() || is_probed {
            return Ok(None);
        }
        let Some(kept) = self.memory.get(self.handed) else { return Ok(None) };
        self.handed += 1;
        Ok(Some((Place::Memory, kept.trigger.clone())))
    }

    fn put_back(&mut self, place: Place, trigger: Trigger) {
        match place {
            Place::Log(segment) => self.next = Some((segment, trigger)),
            Place::Memory => self.handed -= 1,
        }
    }

    /// Hands a trigger to the other sink, if that may have more.
    fn hand(&self, trigger: &Trigger) -> Result<Handed, TriggerSinkError> {
        if self.breaker.state() == BreakerState::Open && self.outstanding.len() >= PROBES {
            return Ok(Handed::Not);
        }
        Ok(match self.inner.send(trigger)? {
            Sent::Accepted(number) => Handed::As(number),
            Sent::Full => Handed::Not,
            Sent::Refused(reason) => {
                tracing::error!(reason, trigger = trigger.id, "a trigger is dropped");
                Handed::GivenUp
            }
        })
    }

    /// Writes a trigger that is too old to the dead letters.
    fn bury(&mut self, trigger: &Trigger, now: Now) -> Handed {
        let letter = DeadLetter::expired(trigger, &self.receiver, now.unix, 0);
        // For letters that lie in the spool's own folder; whether it could be made shows in what follows.
        let _ = private::create_folder(&self.folder);
        match self.dead_letters.append(&letter) {
            Ok(()) => {
                self.expired += 1;
                Handed::GivenUp
            }
            Err(error) => {
                self.pause_until = now.elapsed + PAUSE;
                tracing::error!(trigger = trigger.id, %error, "a dead letter can't be written; it is tried again");
                Handed::Not
            }
        }
    }

    #[cfg(test)]
    pub(super) fn into_storage(self) -> S {
        self.log.into_storage()
    }
}
