//! Decides what `events` may send when; independent of timely.
//!
//! **Invariants**
//! - A barrier comes after everything sent in an epoch below its own, and before everything else; its
//!   positions are those of what was sent before it, and of all open partitions. So it waits until the source
//!   is open.
//! - Nothing is read before the epoch of the first switch: it would be older than its rules.
//! - Bytes sent in epochs that are not complete are bounded by `read_ahead` and one [`SLICE`].

use std::{
    collections::VecDeque,
    sync::mpsc::{self, TryRecvError},
};

use operators::{
    model::{epoch::Epoch, ids::Positions},
    ops::{
        Signal,
        read::{Read, SourceBarrier},
    },
};

/// Least record bytes sent in one activation before the worker lets other operators run.
const SLICE: usize = 1 << 20;

/// A worker's reads on their way from its source to the dataflow.
pub(super) struct Intake {
    source: Source,
    /// First offset not sent, by partition.
    positions: Positions,
    /// Barriers announced and not sent, with their epochs.
    barriers: VecDeque<(Epoch, SourceBarrier)>,
    under_way: UnderWay,
    /// Epoch of the first switch, once it is announced.
    begin: Option<Epoch>,
    /// Whether worker 0 has signalled that sources pause.
    paused: bool,
    end_reported: bool,
}

/// State of a source.
enum Source {
    /// Its thread is not started yet.
    Waiting,
    /// It has not sent its starting positions yet.
    Opening(mpsc::Receiver<Read>),
    /// It is open and being read.
    Open(mpsc::Receiver<Read>),
    /// Its thread has ended.
    Ended {
        /// Whether it had been opened.
        opened: bool,
    },
}

/// Outcome of one activation.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Reads to be sent at the given epoch.
    pub(super) reads: Vec<Read>,
    /// Whether the source has ended in this turn, everything sent.
    pub(super) ended: bool,
    /// Time of the next turn.
    pub(super) next: NextTurn,
}

/// Time at which an operator is to be activated again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NextTurn {
    /// When its inputs or its source wake it.
    #[default]
    Woken,
    /// At once: there may be more to send.
    AtOnce,
    /// Shortly: the dataflow has to complete epochs first.
    Soon,
}

impl Intake {
    /// Makes the intake of a source that sends at most `read_ahead` bytes, and a slice, ahead of what is
    /// complete.
    pub(super) fn new(read_ahead: usize) -> Self {
        Intake {
            source: Source::Waiting,
            positions: Positions::default(),
            barriers: VecDeque::new(),
            under_way: UnderWay { read_ahead, epochs: VecDeque::new() },
            begin: None,
            paused: false,
            end_reported: false,
        }
    }

    /// Starts taking reads from this channel; its end is the end of the source.
    pub(super) fn start(&mut self, reads: mpsc::Receiver<Read>) {
        self.source = Source::Opening(reads);
    }

    /// Processes a signal of worker 0.
    pub(super) fn signal(&mut self, signal: &Signal) {
        match signal {
            Signal::Switch { generation, at } => {
                self.begin.get_or_insert(*at);
                self.barriers.push_back((*at, SourceBarrier::Switch(*generation)));
            }
            Signal::Checkpoint { number, at } => {
                self.barriers.push_back((*at, SourceBarrier::Checkpoint(*number)))
            }
            Signal::Hold(paused) => self.paused = *paused,
            Signal::Epoch(_)
            | Signal::Prepare(_)
            | Signal::Start(_)
            | Signal::Correct { .. }
            | Signal::Committed(_)
            | Signal::Compacted(_) => {}
        }
    }

    /// Reads to send at `epoch`, the last one announced; `is_complete` returns whether the dataflow has
    /// completed an epoch.
    pub(super) fn turn(&mut self, epoch: Epoch, is_complete: impl Fn(Epoch) -> bool) -> Turn {
        let mut turn = Turn::default();
        if !self.is_opened() {
            // The first read of a source contains its starting positions.
            turn.reads.extend(self.next());
        }
        let opened = self.is_opened();
        if opened {
            self.send_barriers(epoch, &mut turn.reads);
        }
        self.under_way.complete(is_complete);
        let may_read = opened && !self.paused && self.begin.is_some_and(|begin| begin <= epoch);
        let mut bytes = 0;
        if may_read && self.under_way.is_full() {
            turn.next = NextTurn::Soon;
        } else if may_read {
            bytes = self.send_slice(&mut turn);
        }
        if !turn.reads.is_empty() {
            self.under_way.add(epoch, bytes);
        }
        if may_read && matches!(self.source, Source::Ended { .. }) {
            turn.ended = !std::mem::replace(&mut self.end_reported, true);
        }
        turn
    }

    fn is_opened(&self) -> bool {
        matches!(self.source, Source::Open(_) | Source::Ended { opened: true })
    }

    /// Sends the barriers at or before `epoch`.
    fn send_barriers(&mut self, epoch: Epoch, reads: &mut Vec<Read>) {
        while let Some((_, barrier)) = self.barriers.front().copied().filter(|(at, _)| *at <= epoch) {
            self.barriers.pop_front();
            reads.push(Read::Barrier { barrier, positions: self.positions.clone() });
        }
    }

    /// Sends reads of the source, up to a slice; returns their record bytes.
    fn send_slice(&mut self, turn: &mut Turn) -> usize {
        let mut bytes = 0;
        while bytes < SLICE {
            let Some(read) = self.next() else { return bytes };
            if let Read::Batch(batch) = &read {
                bytes += batch.bytes.len();
            }
            turn.reads.push(read);
        }
        turn.next = NextTurn::AtOnce;
        bytes
    }

    /// Next read of the source, if there is one at present.
    fn next(&mut self) -> Option<Read> {
        let (Source::Opening(reads) | Source::Open(reads)) = &self.source else { return None };
        let read = match reads.try_recv() {
            Ok(read) => read,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                self.source = Source::Ended { opened: self.is_opened() };
                return None;
            }
        };
        match &read {
            Read::Batch(batch) => {
                self.positions.extend(batch.next_offset().map(|next| (batch.partition, next)));
            }
            Read::Opened(partitions) => {
                self.positions.extend(partitions.iter());
                self.source = match std::mem::replace(&mut self.source, Source::Waiting) {
                    Source::Opening(reads) => Source::Open(reads),
                    source => source,
                };
            }
            Read::Idle { .. } | Read::Barrier { .. } | Read::End { .. } => {}
        }
        Some(read)
    }
}

/// Record bytes sent in epochs that are not complete.
struct UnderWay {
    /// Bytes from which on nothing more is read.
    read_ahead: usize,
    /// Bytes by epoch, ascending.
    epochs: VecDeque<(Epoch, usize)>,
}

impl UnderWay {
    fn add(&mut self, epoch: Epoch, bytes: usize) {
        match self.epochs.back_mut() {
            Some((last, sum)) if *last == epoch => *sum += bytes,
            _ => self.epochs.push_back((epoch, bytes)),
        }
    }

    fn complete(&mut self, is_complete: impl Fn(Epoch) -> bool) {
        while self.epochs.front().is_some_and(|(epoch, _)| is_complete(*epoch)) {
            self.epochs.pop_front();
        }
    }

    fn is_full(&self) -> bool {
        self.epochs.iter().map(|(_, bytes)| bytes).sum::<usize>() >= self.read_ahead
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
