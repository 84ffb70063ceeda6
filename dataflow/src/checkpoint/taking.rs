//! Taking: the protocol of a checkpoint, run by worker 0.
//!
//! **Protocol.** A barrier is announced two epochs ahead. Every worker's sources report their positions at
//! the end of the last epoch before it, every `evaluate` hands over its changes; when all of a worker's blobs
//! are written, it reports them. Once all workers have reported, the dataflow has completed the epochs before
//! the barrier, and the sinks have delivered the triggers of those epochs, the keeper commits. Then the
//! positions are passed to the sources, and the next checkpoint may begin.
//!
//! **Invariants**
//! - One checkpoint at a time: while the store is away, none is begun, and changes are only noted: keys by
//!   their places, and the stored states that are gone. So the waiting changes are bounded by one checkpoint,
//!   by the places for keys, and by the stored state.
//! - A commit's positions, clocks, rules and state are all as of its barrier.
//! - All triggers fired before the barrier have left the sinks when the commit is made.
//! - If triggers wait for their commit and it takes longer than [`HOLD_AFTER`], sources pause until it is
//!   made.

use std::{
    mem,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use operators::{
    model::{
        epoch::Epoch,
        ids::{CheckpointNumber, Clocks, Positions},
    },
    ops::{
        Signal, Start,
        read::{BarrierReached, SourceBarrier},
    },
    rule::remembered::Remembered,
};

use crate::{
    checkpoint::{Keeper, Snapshot},
    exit::Fatal,
    protocol::report::{BlobRef, Report},
};

/// Longest wait of triggers for their commit before sources pause.
const HOLD_AFTER: Duration = Duration::from_secs(10);

/// Progress of the sinks of triggers.
pub trait Delivery {
    /// Number of triggers that each sink has accepted so far.
    fn accepted(&self) -> Vec<u64>;

    /// Whether each sink has acknowledged at least this number of triggers.
    ///
    /// # Errors
    /// If a sink has failed for good: it would never acknowledge the rest.
    fn has_acknowledged(&self, accepted: &[u64]) -> Result<bool, Fatal>;
}

/// State of taking checkpoints, on worker 0.
pub struct Checkpoints {
    keeper: Keeper,
    every: Duration,
    delivery: Rc<dyn Delivery>,
    /// Whether triggers wait for their commit.
    holds_triggers: bool,
    next: CheckpointNumber,
    last: Instant,
    /// Positions of the checkpoint before, and its clocks.
    positions: Positions,
    clocks: Clocks,
    rules: Option<Arc<Vec<Remembered>>>,
    dropped: Vec<String>,
    taking: Option<Taking>,
    holding: bool,
    /// The number last broadcast, up to which checkpoints are readable.
    compacted: CheckpointNumber,
    last_one: LastOne,
}

/// The checkpoint that follows the end of all sources.
#[derive(Default)]
struct LastOne {
    begun: bool,
    /// Number of the checkpoint, once it is committed.
    committed: Option<CheckpointNumber>,
}

/// A checkpoint being taken.
struct Taking {
    number: CheckpointNumber,
    at: Epoch,
    asked: Instant,
    reached: usize,
    saved: usize,
    blobs: Vec<BlobRef>,
    rules: Arc<Vec<Remembered>>,
    dropped: Vec<String>,
    corrections: Option<String>,
    /// Number of triggers handed to each sink when the dataflow had passed the barrier.
    fired: Option<Vec<u64>>,
    sent: bool,
    last_one: bool,
}

impl Checkpoints {
    /// Continues from `start`, with a checkpoint every `every`.
    pub fn new(
        keeper: Keeper,
        start: &Start,
        every: Duration,
        delivery: Rc<dyn Delivery>,
        holds_triggers: bool,
    ) -> Self {
        let next = keeper.first();
        Checkpoints {
            keeper,
            every,
            delivery,
            holds_triggers,
            next,
            last: Instant::now(),
            positions: start.positions.clone(),
            clocks: start.clocks.clone(),
            rules: None,
            dropped: Vec::new(),
            taking: None,
            holding: false,
            compacted: CheckpointNumber::default(),
            last_one: LastOne::default(),
        }
    }

    /// Records a change of the rules: the new ones are in force after all barriers announced so far.
    pub fn rules_change(&mut self, dropped: Vec<String>, rules: Arc<Vec<Remembered>>) {
        self.dropped.extend(dropped);
        self.rules = Some(rules);
    }

    /// Processes a worker's report of a checkpoint.
    pub fn receive(&mut self, report: Report) {
        let Some(taking) = &mut self.taking else { return };
        match report {
            Report::BarrierReached(BarrierReached {
                barrier: SourceBarrier::Checkpoint(number),
                positions,
                clocks,
            }) if number == taking.number => {
                taking.reached += 1;
                self.positions.extend(positions);
                for (partition, clock) in clocks {
                    self.clocks.advance(partition, clock);
                }
            }
            Report::Saved { number, blobs } if number == taking.number => {
                taking.saved += 1;
                taking.blobs.extend(blobs);
            }
            _ => {}
        }
    }

    /// Whether the checkpoint after the end of all sources is made, and triggers that wait for checkpoints
    /// are published.
    pub fn all_saved(&self) -> bool {
        self.last_one.committed.is_some_and(|number| self.keeper.has_published(number))
    }

    /// Does everything that is due. `at` is the epoch of a barrier announced now, `passed` returns whether
    /// all epochs before an epoch are complete.
    ///
    /// # Errors
    /// If a sink has failed for good.
    pub fn work(
        &mut self,
        at: Epoch,
        peers: usize,
        passed: &dyn Fn(Epoch) -> bool,
        ended: bool,
        signals: &mut Vec<Signal>,
    ) -> Result<(), Fatal> {
        self.done(signals);
        self.correct(at, signals);
        let compacted = self.keeper.readable_up_to();
        if compacted > self.compacted {
            self.compacted = compacted;
            signals.push(Signal::Compacted(compacted));
        }
        if self.taking.is_none() && (self.last.elapsed() >= self.every || (ended && !self.last_one.begun)) {
            self.begin(at, ended, signals);
        }
        self.commit(peers, passed)?;
        let late = self.taking.as_ref().is_some_and(|taking| taking.asked.elapsed() > HOLD_AFTER);
        if self.holds_triggers && late != self.holding {
            self.holding = late;
            signals.push(Signal::Hold(late));
        }
        Ok(())
    }

    /// Begins a checkpoint with a barrier at `at`, once rules are known.
    fn begin(&mut self, at: Epoch, ended: bool, signals: &mut Vec<Signal>) {
        let Some(rules) = &self.rules else { return };
        let number = self.next;
        self.next = number.next();
        self.last = Instant::now();
        self.last_one.begun |= ended;
        self.taking = Some(Taking {
            number,
            at,
            asked: Instant::now(),
            reached: 0,
            saved: 0,
            blobs: Vec::new(),
            rules: Arc::clone(rules),
            dropped: mem::take(&mut self.dropped),
            corrections: self.keeper.corrected(),
            fired: None,
            sent: false,
            last_one: ended,
        });
        signals.push(Signal::Checkpoint { number, at });
    }

    /// Passes the checkpoint to the keeper when all workers have reported, the dataflow has passed the
    /// barrier and the sinks have acknowledged the triggers fired before it.
    ///
    /// # Errors
    /// If a sink has failed for good.
    fn commit(&mut self, peers: usize, passed: &dyn Fn(Epoch) -> bool) -> Result<(), Fatal> {
        let complete = |taking: &&mut Taking| taking.reached == peers && taking.saved == peers;
        let Some(taking) = self.taking.as_mut().filter(complete).filter(|taking| !taking.sent) else {
            return Ok(());
        };
        if taking.fired.is_none() && passed(taking.at) {
            taking.fired = Some(self.delivery.accepted());
        }
        if let Some(fired) = &taking.fired
            && self.delivery.has_acknowledged(fired)?
        {
            taking.sent = true;
            self.keeper.commit(Snapshot {
                number: taking.number,
                positions: self.positions.clone(),
                clocks: self.clocks.clone(),
                rules: Arc::clone(&taking.rules),
                dropped: mem::take(&mut taking.dropped),
                corrections: taking.corrections.take(),
                blobs: mem::take(&mut taking.blobs),
                asked: taking.asked,
            });
        }
        Ok(())
    }

    /// Processes the commits that the keeper has made.
    fn done(&mut self, signals: &mut Vec<Signal>) {
        while let Some(done) = self.keeper.done() {
            if let Some(taking) = self.taking.take_if(|taking| taking.number == done.number) {
                if taking.last_one {
                    self.last_one.committed = Some(done.number);
                }
                signals.push(Signal::Committed(Arc::new(self.positions.clone())));
            }
        }
    }

    /// Broadcasts corrections by people. They belong to the checkpoint that is announced next.
    fn correct(&mut self, at: Epoch, signals: &mut Vec<Signal>) {
        let corrections = if self.rules.is_some() { self.keeper.corrections() } else { Vec::new() };
        if !corrections.is_empty() {
            signals.push(Signal::Correct { corrections: Arc::new(corrections), at });
        }
    }
}
