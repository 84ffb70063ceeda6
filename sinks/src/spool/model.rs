//! A disk and a receiver in memory, both of which fail on demand.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{record, storage::Storage};
use crate::{
    trigger::Trigger,
    trigger_sink::{Sent, SinkStats, TriggerSink, TriggerSinkError},
};

#[derive(Clone, Default)]
struct SimulatedFile {
    bytes: Vec<u8>,
    /// Bytes that survive a crash.
    synced: usize,
    /// Whether its name survives a crash.
    named: bool,
}

#[derive(Default)]
struct DiskState {
    files: BTreeMap<u64, SimulatedFile>,
    /// Removed, but not in a way that survives a crash.
    removed: BTreeMap<u64, SimulatedFile>,
    /// Calls until one fails, and whether all fail from then on.
    fault: Option<(u64, bool)>,
}

/// A disk; clones share it.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<DiskState>>);

impl Disk {
    fn state(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap()
    }

    /// Makes the `nth` following call fail, and if `for_good` all after it.
    pub(super) fn fail(&self, nth: u64, for_good: bool) {
        self.state().fault = Some((nth, for_good));
    }

    pub(super) fn heal(&self) {
        self.state().fault = None;
    }

    /// Crash of the machine: of what is not synced, `part` of 256 survives.
    pub(super) fn crash(&self, part: u8) {
        let mut state = self.state();
        state.fault = None;
        let removed = std::mem::take(&mut state.removed);
        if part < 128 {
            state.files.extend(removed);
        }
        state.files.retain(|_, file| file.named || part >= 64);
        for file in state.files.values_mut() {
            let survives = (file.bytes.len() - file.synced) * usize::from(part) / 256;
            file.bytes.truncate(file.synced + survives);
        }
    }

    /// Ids of the triggers that a crash does not take away.
    pub(super) fn durable(&self) -> Vec<String> {
        let state = self.state();
        let synced = state.files.values().filter(|file| file.named).map(|file| &file.bytes[..file.synced]);
        let lines = synced.flat_map(|bytes| bytes.split_inclusive(|byte| *byte == b'\n'));
        lines.filter_map(|line| Some(record::read(line.strip_suffix(b"\n")?)?.id)).collect()
    }

    pub(super) fn files(&self) -> usize {
        self.state().files.len()
    }

    /// A call: returns how much of it is done before it fails, of 256; `None` if it does not fail.
    fn call(&self) -> Option<usize> {
        let mut state = self.state();
        let (left, for_good) = state.fault.as_mut()?;
        *left = left.saturating_sub(1);
        let fails = *left == 0;
        let for_good = *for_good;
        if fails && !for_good {
            state.fault = None;
        }
        fails.then_some(100)
    }
}

fn failed() -> io::Error {
    io::Error::other("a failure was armed")
}

impl Storage for Disk {
    fn open(&mut self) -> io::Result<Vec<u64>> {
        match self.call() {
            Some(_) => Err(failed()),
            None => Ok(self.state().files.keys().copied().collect()),
        }
    }

    fn read(&mut self, segment: u64) -> io::Result<Vec<u8>> {
        let failure = self.call();
        match self.state().files.get(&segment) {
            Some(file) if failure.is_none() => Ok(file.bytes.clone()),
            _ => Err(failed()),
        }
    }

    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()> {
        let failure = self.call();
        let part = failure.map_or(bytes.len(), |part| bytes.len() * part / 256);
        self.state().files.entry(segment).or_default().bytes.extend_from_slice(&bytes[..part]);
        failure.map_or(Ok(()), |_| Err(failed()))
    }

    fn sync(&mut self, segment: u64) -> io::Result<()> {
        if self.call().is_some() {
            return Err(failed());
        }
        let mut state = self.state();
        let file = state.files.get_mut(&segment).ok_or_else(failed)?;
        (file.synced, file.named) = (file.bytes.len(), true);
        // The folder is synced with it.
        state.removed.clear();
        Ok(())
    }

    fn truncate(&mut self, segment: u64, length: u64) -> io::Result<()> {
        if self.call().is_some() {
            return Err(failed());
        }
        if let Some(file) = self.state().files.get_mut(&segment) {
            file.bytes.truncate(length as usize);
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        if self.call().is_some() {
            return Err(failed());
        }
        let mut state = self.state();
        let removed = state.files.remove(&segment);
        state.removed.extend(removed.map(|file| (segment, file)));
        Ok(())
    }

    fn set_aside(&mut self, segment: u64) -> io::Result<()> {
        self.remove(segment)
    }
}

#[derive(Default)]
struct ReceiverState {
    is_up: bool,
    taken: Vec<String>,
    queued: VecDeque<String>,
    accepted: u64,
}

/// A sink with its receiver; clones share both.
#[derive(Clone, Default)]
pub(super) struct Receiver(Arc<Mutex<ReceiverState>>);

impl Receiver {
    /// Triggers that the sink queues.
    pub(super) const QUEUE: usize = 20;

    fn state(&self) -> MutexGuard<'_, ReceiverState> {
        self.0.lock().unwrap()
    }

    /// Opens or closes the receiver.
    pub(super) fn set(&self, is_up: bool) {
        self.state().is_up = is_up;
    }

    /// Delivers up to `count` triggers, if the receiver is open.
    pub(super) fn deliver(&self, count: usize) {
        let mut state = self.state();
        let count = if state.is_up { count.min(state.queued.len()) } else { 0 };
        let delivered: Vec<_> = state.queued.drain(..count).collect();
        state.taken.extend(delivered);
    }

    /// Ids of the triggers that have arrived.
    pub(super) fn taken(&self) -> Vec<String> {
        self.state().taken.clone()
    }

    /// Triggers that the sink holds.
    pub(super) fn held(&self) -> usize {
        self.state().queued.len()
    }

    /// The sink of a new process, with the same receiver.
    pub(super) fn restart(&self) {
        let mut state = self.state();
        state.queued.clear();
        state.accepted = state.taken.len() as u64;
    }
}

impl TriggerSink for Receiver {
    fn kind(&self) -> &'static str {
        "model"
    }

    fn send(&self, trigger: &Trigger) -> Result<Sent, TriggerSinkError> {
        let mut state = self.state();
        if state.queued.len() == Self::QUEUE {
            return Ok(Sent::Full);
        }
        state.queued.push_back(trigger.id.clone());
        state.accepted += 1;
        Ok(Sent::Accepted(state.accepted))
    }

    fn accepted(&self) -> u64 {
        self.state().accepted
    }

    fn acknowledged(&self) -> u64 {
        let state = self.state();
        state.accepted - state.queued.len() as u64
    }

    fn stats(&self) -> SinkStats {
        let delivered = self.acknowledged();
        SinkStats { queued: self.accepted() - delivered, delivered, ..SinkStats::default() }
    }
}
