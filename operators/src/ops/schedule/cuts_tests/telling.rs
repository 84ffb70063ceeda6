//! A story of events, epochs and barriers on its way through a matcher and a schedule.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    iter::Cycle,
    rc::Rc,
    slice,
};

use super::{
    super::*,
    books::{ALL_BOOKS, BOOKS, Books},
};
use crate::{
    model::{
        decode::Decoder,
        ids::{BookGeneration, IngestTime, Offset, PartitionId},
        raw::{RawBatch, RawRecord},
        routed::Routed,
    },
    ops::{matcher::Matcher, signal::Correction},
    rule::{book::RuleBook, catalog::Catalog},
    state::delta::Change,
};

const PARTITION: PartitionId = PartitionId(0);

/// A step of a story.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// An event of a user, some time after the one before.
    Event { guid: u64, kind: &'static str, after: i64 },
    /// The next epoch is announced.
    Epoch,
    /// The next book is announced, if there is one and no other is.
    Switch,
    /// A checkpoint is announced.
    Checkpoint,
    /// A correction of a user's count is announced.
    Correct { guid: u64 },
    /// All barriers are passed and clocks applied.
    Clocks,
}

/// How records reach the schedule.
#[derive(Clone, Debug)]
pub(super) struct Cuts {
    /// Most records of each batch, repeated cyclically; an epoch ends a batch too.
    pub(super) sizes: Vec<usize>,
    /// Epochs by which the frontier of each call lags behind the last one announced, repeated cyclically.
    pub(super) lags: Vec<u64>,
}

/// Parts of a checkpoint.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SavedParts {
    pub(super) number: CheckpointNumber,
    /// Changes of state, by name and key.
    pub(super) changes: BTreeMap<(String, String), Option<String>>,
    /// Lines of triggers.
    pub(super) triggers: Vec<String>,
}

/// Everything that a story leads to.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    /// Lines of triggers, in their order.
    pub(super) triggers: Vec<String>,
    pub(super) saved: Vec<SavedParts>,
    /// Figures of all states at the end.
    pub(super) figures: BTreeSet<String>,
    pub(super) refused: Vec<String>,
}

/// Parts of checkpoints, as they were saved.
#[derive(Clone, Default)]
struct Saved(Rc<RefCell<Vec<(CheckpointNumber, Part)>>>);

impl Saver for Saved {
    fn holds_triggers(&self) -> bool {
        true
    }

    fn save(&self, number: CheckpointNumber, part: Part) {
        self.0.borrow_mut().push((number, part));
    }
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Output<Epoch> for Lines {
    fn send(&mut self, fired: &mut Vec<Fired>, emitted: &mut Emitted, _at: &Epoch) {
        assert!(emitted.failures.is_empty(), "no call fails");
        self.0.extend(fired.drain(..).map(|fired| fired.line));
    }
}

/// A story on its way through a matcher and a schedule.
struct Telling<'c> {
    schedule: Schedule<Epoch>,
    matcher: Matcher,
    books: Arc<Books>,
    saved: Saved,
    lines: Lines,
    sizes: Cycle<slice::Iter<'c, usize>>,
    size: usize,
    lags: Cycle<slice::Iter<'c, u64>>,
    /// Last epoch announced.
    epoch: Epoch,
    /// Frontier of routed records, as the schedule knows it.
    frontier: Epoch,
    /// Switch announced and not yet in force in `match`.
    switch: Option<(Epoch, BookGeneration)>,
    generation: BookGeneration,
    checkpoints: CheckpointNumber,
    /// Lines not matched yet.
    batch: RawBatch,
    offset: Offset,
    /// Time of the last event, unix ms.
    now: i64,
}

impl<'c> Telling<'c> {
    fn new(cuts: &'c Cuts) -> Self {
        let empty: Arc<RuleBook> = Catalog::default().book();
        let (books, saved) = (Arc::clone(&ALL_BOOKS), Saved::default());
        let place = WorkerPlace { index: 0, peers: 1 };
        let shelf = Arc::<Books>::clone(&books);
        let schedule =
            Schedule::new(Evaluator::new(Arc::clone(&empty)), shelf, Box::new(saved.clone()), place);
        let mut sizes = cuts.sizes.iter().cycle();
        let mut telling = Telling {
            schedule,
            matcher: Matcher::new(Decoder::of_milliseconds(), empty, false),
            books,
            saved,
            lines: Lines::default(),
            size: *sizes.next().unwrap(),
            sizes,
            lags: cuts.lags.iter().cycle(),
            epoch: Epoch::default(),
            frontier: Epoch::default(),
            switch: None,
            generation: BookGeneration::default(),
            checkpoints: CheckpointNumber::default(),
            batch: RawBatch::default(),
            offset: Offset(0),
            now: 1_000,
        };
        telling.schedule.signal(&Signal::Start(Arc::default()));
        telling.act(&Act::Switch);
        telling.act(&Act::Clocks);
        telling
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Event { guid, kind, after } => self.event(*guid, kind, *after),
            Act::Epoch => self.announce(),
            Act::Switch if self.switch.is_none() && self.generation < BookGeneration(BOOKS) => {
                self.generation = self.generation.next();
                let (generation, at) = (self.generation, self.epoch.next_barrier());
                self.switch = Some((at, generation));
                self.schedule.signal(&Signal::Switch { generation, at });
            }
            Act::Switch => {}
            Act::Checkpoint => {
                self.checkpoints.0 += 1;
                let (number, at) = (self.checkpoints, self.epoch.next_barrier());
                self.schedule.signal(&Signal::Checkpoint { number, at });
            }
            Act::Correct { guid } => {
                let correction = Correction {
                    rule_id: "limited".to_owned(),
                    condition: "n".to_owned(),
                    key: guid.to_string(),
                    text: None,
                    by: "test".to_owned(),
                };
                let (corrections, at) = (Arc::new(vec![correction]), self.epoch.next_barrier());
                self.schedule.signal(&Signal::Correct { corrections, at });
            }
            Act::Clocks => self.clocks(),
        }
    }

    fn event(&mut self, guid: u64, kind: &str, after: i64) {
        self.now += after;
        let line = format!(
            r#"{{"guid": {guid}, "ip": "10.0.0.{}", "event_id": "{kind}", "event_time": {}}}"#,
            guid / 2,
            self.now
        );
        let start = self.batch.bytes.len() as u32;
        self.batch.bytes.extend_from_slice(line.as_bytes());
        let end = self.batch.bytes.len() as u32;
        self.batch.records.push(RawRecord { offset: self.offset, start, end, time: None });
        self.offset = self.offset.next();
        if self.batch.records.len() >= self.size {
            self.send();
        }
    }

    /// Sends what is read as one batch.
    fn send(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.size = *self.sizes.next().unwrap();
        let mut routed = Routed::default();
        self.matcher.batch(&batch, &mut routed, &mut Vec::new());
        self.schedule.wait(self.epoch, self.epoch, routed);
        let lag = *self.lags.next().unwrap();
        self.work(lag, Epoch::default());
    }

    /// Announces the next epoch; the batch before it ends.
    fn announce(&mut self) {
        self.send();
        self.epoch = self.epoch.next();
        self.schedule.signal(&Signal::Epoch(self.epoch));
        if let Some((_, generation)) = self.switch.filter(|(at, _)| *at <= self.epoch) {
            self.matcher.install(Arc::clone(&self.books.0[&generation].book), Default::default());
            self.switch = None;
        }
        let lag = *self.lags.next().unwrap();
        self.work(lag, Epoch::default());
    }

    /// Passes all barriers, and applies the clocks: after a barrier either order would be possible.
    fn clocks(&mut self) {
        (0..2).for_each(|_| self.announce());
        self.work(0, Epoch::default());
        let now = IngestTime(self.now);
        self.schedule.add_clocks(self.epoch, || self.epoch, &mut vec![(PARTITION, now)]);
        self.announce();
        self.work(0, self.epoch);
    }

    fn work(&mut self, lag: u64, slowest: Epoch) {
        self.frontier = self.frontier.max(Epoch(self.epoch.0.saturating_sub(lag)));
        let (routed, slowest) = (Frontier::at(self.frontier), Frontier::at(slowest));
        while self.schedule.work(Progress { routed, stored: Frontier::ENDED, slowest }, &mut self.lines) {}
    }

    fn end(mut self) -> Outcome {
        self.act(&Act::Checkpoint);
        self.act(&Act::Clocks);
        let figures = self.schedule.evaluator.figures(self.now);
        let mut saved = vec![SavedParts::default()];
        for (number, part) in self.saved.0.take() {
            let SavedParts { number: of, changes, triggers } = saved.last_mut().unwrap();
            *of = number;
            match part {
                Part::State(delta) => changes.extend(delta.changes().map(|Change { name, key, text }| {
                    ((name.to_owned(), key.to_owned()), text.map(str::to_owned))
                })),
                Part::Triggers(fired) => triggers.extend(fired.into_iter().map(|fired| fired.line)),
                Part::End => saved.push(SavedParts::default()),
            }
        }
        Outcome {
            triggers: self.lines.0,
            saved,
            figures: figures.iter().map(|figure| format!("{figure:?}")).collect(),
            refused: self.schedule.take_refused(),
        }
    }
}

/// Tells a story.
pub(super) fn outcome(story: &[Act], cuts: &Cuts) -> Outcome {
    let mut telling = Telling::new(cuts);
    story.iter().for_each(|act| telling.act(act));
    telling.end()
}
