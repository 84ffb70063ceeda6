//! `evaluate` as it is connected in the graph, driven step by step.
//!
//! The test decides when epochs, checkpoints, compactions and reloads happen, and the store is a map.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use operators::{
    model::{
        decode::Decoder,
        epoch::Epoch,
        ids::{BookGeneration, CheckpointNumber, IngestTime, PartitionId},
        routed::Routed,
        trigger::Fired,
    },
    ops::{
        Bounded, Correction, EvaluateGauge, Loaded, Loader, Part, Saver, Shelf, Signal, Start, Stored,
        Wanted,
        evaluate::{EvaluateParts, evaluate},
        evaluating::{Evaluator, StateNames},
        matcher::Matcher,
    },
    rule::{
        book::RuleBook,
        catalog::{Applied, Catalog},
        change::{ChangeSet, RuleChange},
        crowd::Crowd,
    },
    state::{Delta, delta::Change},
};
use serde_json::{Value as Json, json};
use strateye_tests::{compiler::compiler, engine::batch};
use timely::{
    WorkerConfig,
    communication::{Allocator, allocator::thread::Thread},
    container::CapacityContainerBuilder,
    dataflow::{
        InputHandle,
        operators::{Input, Inspect},
    },
    scheduling::SyncActivator,
    worker::Worker,
};

/// Name and key of a state.
type At = (String, String);
/// Changes of a checkpoint.
type Changes = Vec<(At, Option<String>)>;

/// Bytes from which decisions are drawn, repeated cyclically.
#[derive(Clone, Debug)]
pub(crate) struct Decisions(Vec<u8>, usize);

impl Decisions {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Decisions(bytes, 0)
    }

    /// A number below `most`, from the next byte.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.1 += 1;
        let byte = self.0.get(self.1 % self.0.len().max(1)).copied().unwrap_or(0);
        usize::from(byte) % most.max(1)
    }
}

/// Content of the store.
#[derive(Default)]
struct Kept {
    hashes: BTreeMap<At, String>,
    /// Checkpoints committed and not compacted, oldest first.
    unfolded: VecDeque<(CheckpointNumber, Changes)>,
    /// Changes of the checkpoint being taken.
    taking: Changes,
    last: CheckpointNumber,
}

impl Kept {
    fn fold(&mut self) -> Option<CheckpointNumber> {
        let (n, changes) = self.unfolded.pop_front()?;
        for (at, text) in changes {
            match text {
                Some(text) => drop(self.hashes.insert(at, text)),
                None => drop(self.hashes.remove(&at)),
            }
        }
        Some(n)
    }

    fn read(&self, wanted: &Wanted) -> Loaded {
        let text = |(place, name): (usize, &String)| {
            let text = self.hashes.get(&(name.clone(), wanted.key.key.to_string()))?;
            Some((place, text.clone()))
        };
        Loaded { wanted: wanted.clone(), texts: wanted.names.iter().enumerate().filter_map(text).collect() }
    }
}

struct Writes(Rc<RefCell<Kept>>);

impl Saver for Writes {
    fn holds_triggers(&self) -> bool {
        false
    }

    fn save(&self, n: CheckpointNumber, part: Part) {
        let mut kept = self.0.borrow_mut();
        match part {
            Part::State(delta) => {
                let changes = delta.changes();
                kept.taking.extend(
                    changes.map(|c| ((c.name.to_owned(), c.key.to_owned()), c.text.map(str::to_owned))),
                );
            }
            Part::Triggers(_) => unreachable!("nobody asked for them"),
            Part::End => {
                let changes = std::mem::take(&mut kept.taking);
                kept.unfolded.push_back((n, changes));
                kept.last = n;
            }
        }
    }
}

/// Requests not answered yet, with the store's answers at the time of the request; and answers given.
#[derive(Default)]
struct Asked {
    open: Vec<(Wanted, Loaded)>,
    answered: Vec<Loaded>,
    wake: Option<SyncActivator>,
}

struct Reads(Rc<RefCell<Kept>>, Rc<RefCell<Asked>>);

impl Loader for Reads {
    fn request(&self, keys: Vec<Wanted>) {
        let kept = self.0.borrow();
        self.1.borrow_mut().open.extend(keys.into_iter().map(|wanted| {
            let read = kept.read(&wanted);
            (wanted, read)
        }));
    }

    fn loaded(&self) -> Vec<Loaded> {
        std::mem::take(&mut self.1.borrow_mut().answered)
    }

    fn wakes(&self, activator: SyncActivator) {
        self.1.borrow_mut().wake = Some(activator);
    }
}

#[derive(Default)]
struct Books(std::sync::Mutex<HashMap<BookGeneration, Arc<Applied>>>);

impl Shelf for Books {
    fn applied(&self, generation: BookGeneration) -> Option<Arc<Applied>> {
        self.0.lock().unwrap().get(&generation).cloned()
    }
}

/// State of a running process.
struct Running {
    worker: Worker,
    signals: InputHandle<Epoch, CapacityContainerBuilder<Vec<Signal>>>,
    routed: InputHandle<Epoch, CapacityContainerBuilder<Routed>>,
    clocks: InputHandle<Epoch, CapacityContainerBuilder<Vec<(PartitionId, IngestTime)>>>,
    epoch: Epoch,
    taking: Option<CheckpointNumber>,
    folded: CheckpointNumber,
}

/// An engine of one worker, and everything that outlives its processes.
pub(crate) struct World {
    bound: Option<usize>,
    decisions: Decisions,
    kept: Rc<RefCell<Kept>>,
    asked: Rc<RefCell<Asked>>,
    books: Arc<Books>,
    catalog: Catalog,
    generation: BookGeneration,
    crowds: HashMap<u32, Crowd>,
    matcher: Matcher,
    offsets: Vec<u64>,
    next_checkpoint: CheckpointNumber,
    running: Option<Running>,
    gauge: Rc<Cell<EvaluateGauge>>,
    fired: Rc<RefCell<Vec<Json>>>,
    refused: Rc<RefCell<Vec<String>>>,
    /// Highest number of evicted keys, and number of reloads.
    pub(crate) evicted: (usize, u64),
}

impl World {
    /// Makes a world with a bound of memory, or none.
    pub(crate) fn new(bound: Option<usize>, partitions: usize, decisions: Decisions) -> Self {
        let catalog = Catalog::new(compiler());
        let mut matcher = Matcher::new(Decoder::default(), catalog.book(), false);
        for partition in 0..partitions {
            matcher.move_clock(PartitionId(partition as u32), IngestTime::MIN);
        }
        World {
            bound,
            decisions,
            kept: Rc::default(),
            asked: Rc::default(),
            books: Arc::default(),
            catalog,
            generation: BookGeneration::default(),
            crowds: HashMap::new(),
            matcher,
            offsets: vec![0; partitions],
            next_checkpoint: CheckpointNumber(1),
            running: None,
            gauge: Rc::default(),
            fired: Rc::default(),
            refused: Rc::default(),
            evicted: (0, 0),
        }
    }

    /// Starts a process from the last checkpoint.
    fn start(&mut self) {
        let mut worker =
            Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), Some(Instant::now()));
        self.asked = Rc::default();
        let loader = Reads(Rc::clone(&self.kept), Rc::clone(&self.asked));
        let parts = EvaluateParts {
            shelf: Arc::<Books>::clone(&self.books),
            evaluator: Evaluator::new(Catalog::default().book()),
            saver: Box::new(Writes(Rc::clone(&self.kept))),
            gauge: Rc::clone(&self.gauge),
            bounded: self.bound.map(|bytes| Bounded { bytes, loader: Box::new(loader) }),
            refused: Rc::clone(&self.refused),
            split: Rc::default(),
        };
        let fired = Rc::clone(&self.fired);
        let (signals, routed, clocks, mut stored) = worker.dataflow::<Epoch, _, _>(|scope| {
            let (signals, signal_stream) = scope.new_input::<Vec<Signal>>();
            let (routed, routed_stream) = scope.new_input::<Routed>();
            let (clocks, clock_stream) = scope.new_input::<Vec<(PartitionId, IngestTime)>>();
            let (stored, stored_stream) = scope.new_input::<Vec<Stored>>();
            let out = evaluate(routed_stream, signal_stream, clock_stream, stored_stream, parts);
            out.fired
                .inspect(move |f: &Fired| fired.borrow_mut().push(serde_json::from_str(&f.line).unwrap()));
            (signals, routed, clocks, stored)
        });
        let kept = self.kept.borrow();
        let clocks_then = self.matcher.clocks().clone();
        let start = Start {
            clocks: clocks_then,
            checkpoint: Some(kept.last).filter(|n| *n > CheckpointNumber::default()),
            ..Start::default()
        };
        let item = |order: u64, (name, key): &At, text: Option<&String>| {
            let mut states = Delta::default();
            let name = states.name(name.clone());
            states.push(name, key, text.map(|text| |to: &mut String| to.push_str(text)));
            Stored { to: 0, order, states }
        };
        let mut items: Vec<Stored> = kept.hashes.iter().map(|(at, text)| item(0, at, Some(text))).collect();
        for (order, (_, changes)) in kept.unfolded.iter().enumerate() {
            // Of several texts of one state in a blob the last counts.
            let last: BTreeMap<&At, &Option<String>> = changes.iter().map(|(at, text)| (at, text)).collect();
            items.extend(last.into_iter().map(|(at, text)| item(order as u64 + 1, at, text.as_ref())));
        }
        drop(kept);
        let mut running = Running {
            worker,
            signals,
            routed,
            clocks,
            epoch: Epoch::default(),
            taking: None,
            folded: CheckpointNumber::default(),
        };
        running.signals.send(Signal::Start(Arc::new(start)));
        // In any order.
        while !items.is_empty() {
            let next = self.decisions.below(items.len());
            stored.send(items.swap_remove(next));
            if self.decisions.below(4) == 0 {
                stored.flush();
                running.worker.step();
            }
        }
        if self.generation > BookGeneration::default() {
            running.signals.send(Signal::Switch { generation: self.generation, at: Epoch(1) });
        }
        stored.close();
        self.running = Some(running);
        self.epoch();
    }

    /// Announces the next epoch.
    fn epoch(&mut self) {
        let Some(running) = &mut self.running else { return };
        running.epoch = running.epoch.next();
        let epoch = running.epoch;
        running.signals.advance_to(epoch);
        running.signals.send(Signal::Epoch(epoch));
        running.signals.flush();
        running.routed.advance_to(epoch);
        running.clocks.advance_to(epoch);
        self.look();
    }

    fn look(&mut self) {
        let Some(running) = &mut self.running else { return };
        running.worker.step();
        let gauge = self.gauge.get();
        self.evicted.0 = self.evicted.0.max(gauge.evicted_keys);
        if running.taking.is_some_and(|n| self.kept.borrow().last == n) {
            running.taking = None;
        }
    }

    /// Random steps of the engine's surroundings: checkpoints, compactions, reloads.
    fn something(&mut self) {
        if self.decisions.below(3) == 0 {
            self.checkpoint();
        }
        for _ in 0..self.decisions.below(3) {
            self.fold();
        }
        for _ in 0..self.decisions.below(5) {
            self.answer();
        }
        for _ in 0..self.decisions.below(3) {
            self.look();
        }
    }

    fn checkpoint(&mut self) {
        let Some(running) = self.running.as_mut().filter(|r| r.taking.is_none()) else { return };
        let (n, at) = (self.next_checkpoint, running.epoch.next_barrier());
        // Checkpoint numbers ascend, not necessarily by one.
        self.next_checkpoint.0 += 1 + self.decisions.below(2) as u64;
        running.taking = Some(n);
        running.signals.send(Signal::Checkpoint { number: n, at });
    }

    fn fold(&mut self) {
        let (Some(n), Some(running)) = (self.kept.borrow_mut().fold(), self.running.as_mut()) else { return };
        running.folded = n;
        running.signals.send(Signal::Compacted(n));
    }

    /// Answers a request by the present content of the store, or by its content at the time of the request.
    fn answer(&mut self) -> bool {
        let mut asked = self.asked.borrow_mut();
        if asked.open.is_empty() {
            return false;
        }
        let which = self.decisions.below(asked.open.len());
        let (wanted, early) = asked.open.swap_remove(which);
        let late = self.kept.borrow().read(&wanted);
        asked.answered.push(if self.decisions.below(2) == 0 { early } else { late });
        if let Some(wake) = &asked.wake {
            wake.activate().unwrap();
        }
        true
    }

    /// Puts changes of rules in force.
    pub(crate) fn apply(&mut self, changes: Vec<RuleChange>) {
        self.generation = self.generation.next();
        let applied = self.catalog.apply(&ChangeSet { generation: self.generation, changes });
        assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
        for change in &applied.crowds {
            match &change.after {
                Some(crowd) => self.crowds.insert(change.slot, crowd.clone()),
                None => self.crowds.remove(&change.slot),
            };
        }
        let book = Arc::clone(&applied.book);
        self.books.0.lock().unwrap().insert(self.generation, Arc::new(applied));
        if self.running.is_none() {
            self.matcher.install(book, self.crowds.clone());
            return self.start();
        }
        self.settle();
        let Some(running) = &mut self.running else { return };
        let at = running.epoch.next_barrier();
        running.signals.send(Signal::Switch { generation: self.generation, at });
        self.epoch();
        self.matcher.install(book, self.crowds.clone());
        self.epoch();
    }

    /// Corrects states.
    pub(crate) fn correct(&mut self, corrections: Vec<Correction>) {
        self.settle();
        let Some(running) = &mut self.running else { return };
        let at = running.epoch.next_barrier();
        running.signals.send(Signal::Correct { corrections: Arc::new(corrections), at });
        self.epoch();
        self.epoch();
    }

    /// Has all reads evaluated and their clocks applied: after a barrier, either order would be possible.
    fn settle(&mut self) {
        self.epoch();
        while self.answer() || self.gauge.get().reload_waiting > 0 {
            self.look();
        }
        (0..4).for_each(|_| self.look());
        while self.answer() {
            (0..4).for_each(|_| self.look());
        }
    }

    /// Reads lines of a partition.
    pub(crate) fn events(&mut self, partition: usize, lines: &[String]) {
        let batch = batch(partition, lines, &mut self.offsets[partition]);
        let mut routed = Routed::default();
        self.matcher.batch(&batch, &mut routed, &mut Vec::new());
        self.epoch();
        if let Some(running) = &mut self.running {
            running.routed.send_batch(&mut routed);
            running.routed.flush();
        }
        self.tell(0);
        self.something();
    }

    /// Sends the clocks, each advanced by `further`.
    fn tell(&mut self, further: i64) {
        let Some(running) = &mut self.running else { return };
        for (partition, clock) in self.matcher.clocks().iter() {
            running.clocks.send((partition, IngestTime(clock.0.saturating_add(further))));
        }
        running.clocks.flush();
    }

    /// Makes a last checkpoint, and ends the process.
    pub(crate) fn stop(&mut self) {
        while self.running.as_ref().is_some_and(|r| r.taking.is_some()) {
            self.epoch();
            while self.answer() {}
        }
        self.checkpoint();
        let mut turns = 0;
        while self.running.as_ref().is_some_and(|r| r.taking.is_some()) {
            self.epoch();
            turns += 1;
            // The checkpoint has to wait for keys being reloaded.
            let most = if turns < 5 { self.decisions.below(2) } else { usize::MAX };
            (0..most).any(|_| !self.answer());
        }
        self.evicted.1 += self.gauge.get().reloads;
        if let Some(Running { mut worker, signals, routed, clocks, .. }) = self.running.take() {
            signals.close();
            routed.close();
            clocks.close();
            while worker.has_dataflows() {
                worker.step();
                while self.answer() {}
            }
        }
        assert_eq!(self.refused.borrow().len(), 0, "{:?}", self.refused.borrow());
    }

    /// Ends the process, and starts another one from its last checkpoint.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Ends all partitions: each clock stands 1 ms past its last `now`.
    pub(crate) fn end(&mut self) {
        self.epoch();
        self.tell(1);
        self.epoch();
        self.stop();
        while self.kept.borrow_mut().fold().is_some() {}
    }

    /// Triggers fired, with the fields that the reference computes.
    pub(crate) fn triggers(&self) -> Vec<Json> {
        let fields = |t: &Json| {
            json!({
                "rule_id": t["rule_id"], "key_by": t["key_by"], "key": t["key"], "guid": t["guid"], "cause": t["cause"],
                "fired_at": t["fired_at"], "values": t["values"], "held_out": t["held_out"], "action": t["action"],
            })
        };
        self.fired.borrow().iter().map(fields).collect()
    }

    /// Every figure of stored state that differs from a new key's, at `now`.
    pub(crate) fn state(&self, now: i64) -> BTreeMap<(String, String, String), Json> {
        let book: Arc<RuleBook> = self.catalog.book();
        let names = StateNames::of(&book);
        let mut evaluator = Evaluator::new(book);
        for ((name, key), text) in &self.kept.borrow().hashes {
            evaluator.restore(&names, &Change { name, key, text: Some(text) }).unwrap();
        }
        evaluator.restored(now);
        let all = evaluator.figures(now).into_iter();
        all.map(|f| ((f.rule_id, f.key, f.condition), f.outputs)).collect()
    }
}
