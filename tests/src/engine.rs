//! The engine's own parts driven step by step, without timely.
//!
//! They are the register, a matcher, and an evaluator per worker; the caller decides where batches are cut
//! and clocks applied. The output is compared with the reference.
//!
//! Every timer that fires is checked on the way: never before the clock of all partitions, or its own key's
//! next event, has passed its deadline.

use std::{collections::BTreeMap, sync::Arc};

use operators::{
    document::{
        lifecycle::{Gap, Status},
        put::Put,
        spec::{self, Rule},
    },
    filter::profile,
    model::{
        decode::{Decoder, EventFormat},
        guid::Guid,
        ids::{IngestTime, Offset, PartitionId},
        raw::{RawBatch, RawRecord},
        routed::Routed,
        trigger::Trigger,
        wire::{Codec, decode, encode},
    },
    ops::{
        Emitted,
        evaluating::{Evaluator, StateNames, route_correction},
        matcher::Matcher,
        route::owner,
    },
    rule::{
        book::RuleBook,
        catalog::{Applied, Catalog},
        compiler::Compiler,
        crowd::{Crowd, CrowdBuilder},
        register::{Listing, Next, Prepared, Register},
        rows::Rows,
    },
    state::delta::Change,
};
use serde_json::{Value as Json, json};

use crate::compiler::compiler;

/// Layout of the work. None of it may change the output.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Evaluators that share the keys.
    pub workers: usize,
    /// Encoding by which routed records are written and read on their way; `None` to pass them on directly.
    pub codec: Option<Codec>,
    /// Partition of each next event, repeated cyclically; if empty, one partition is read to its end, then
    /// the next.
    pub turns: Vec<usize>,
    /// Numbers of events read as one batch, repeated cyclically, each at least 1; if empty each event is one
    /// batch.
    pub batches: Vec<usize>,
    /// Numbers of batches after which clocks are applied, repeated cyclically; if empty only at the end.
    pub clocks_after: Vec<usize>,
    /// Numbers of batches after which state is saved, repeated cyclically; whether all state is then dropped
    /// and restored from the saved state, and for how many workers.
    pub saves: Vec<(usize, bool, usize)>,
    /// How events are written.
    pub format: EventFormat,
}

impl Default for Layout {
    fn default() -> Self {
        Layout {
            workers: 1,
            codec: None,
            turns: Vec::new(),
            batches: Vec::new(),
            clocks_after: Vec::new(),
            saves: Vec::new(),
            format: EventFormat::default(),
        }
    }
}

/// Register, catalog, matcher and evaluators.
pub struct Engine {
    layout: Layout,
    register: Register,
    compiler: Compiler,
    /// Rules as a store would contain them, by id.
    stored: BTreeMap<String, Put>,
    catalog: Catalog,
    crowds: BTreeMap<u32, Crowd>,
    /// Rows of the crowds in force.
    rows: Arc<Rows>,
    /// Rows that the matcher receives after the next batch.
    rows_after_batch: Option<Arc<Rows>>,
    /// Rows that the matcher receives with the next switch.
    rows_at_switch: Option<Arc<Rows>>,
    matcher: Matcher,
    evaluators: Vec<Evaluator>,
    offsets: Vec<u64>,
    emitted: Emitted,
    /// Triggers fired so far.
    pub triggers: Vec<Trigger>,
}

impl Engine {
    /// Makes an engine without rules that reads this number of partitions.
    pub fn new(layout: Layout, partitions: usize) -> Self {
        let compiler = compiler();
        let catalog = Catalog::new(compiler.clone());
        let book = catalog.book();
        let mut matcher = Matcher::new(Decoder::new(&layout.format), Arc::clone(&book), false);
        for partition in 0..partitions {
            matcher.move_clock(PartitionId(partition as u32), IngestTime::MIN);
        }
        Engine {
            evaluators: (0..layout.workers).map(|_| evaluator(&book, &layout)).collect(),
            layout,
            register: Register::new(u64::MAX),
            compiler,
            stored: BTreeMap::new(),
            catalog,
            crowds: BTreeMap::new(),
            rows: Arc::default(),
            rows_after_batch: None,
            rows_at_switch: None,
            matcher,
            offsets: vec![0; partitions],
            emitted: Emitted::default(),
            triggers: Vec::new(),
        }
    }

    /// Puts documents in force, as published at `at`; a rule that exists already is edited, and stays paused
    /// if it is.
    pub fn put(&mut self, rules: &[Json], version: u64, at: i64, profiles: &[Json]) {
        for rule in rules {
            let rule_id = rule["rule_id"].as_str().unwrap().to_owned();
            let status = if self.pause_of(&rule_id).is_some() { Status::Paused } else { Status::Online };
            let put = Put {
                rule_id,
                document: rule.to_string().into(),
                status,
                version: Some(version),
                gap: Gap::Replay,
            };
            if let Next::Prepare { publish } = self.register.receive(&put, Listing::Later) {
                let document = Rule::parse(&put.document).unwrap();
                let (crowd, publish) = (crowd(rule, profiles), publish.unwrap_or(at));
                let prepared =
                    Prepared::compile(&document, crowd, BTreeMap::new(), publish, &self.compiler).unwrap();
                self.register.publish(&put, prepared, at).unwrap();
            }
            self.stored.insert(put.rule_id.clone(), put);
        }
        self.apply();
    }

    /// Pauses a rule that is in force.
    pub fn pause(&mut self, rule_id: &str) {
        self.set_status(rule_id, Status::Paused, Gap::Replay);
    }

    /// Resumes a paused rule.
    pub fn resume(&mut self, rule_id: &str, gap: Gap) {
        self.set_status(rule_id, Status::Online, gap);
    }

    /// Number of the current pause of a rule.
    pub fn pause_of(&self, rule_id: &str) -> Option<u64> {
        self.register.rule(rule_id)?.published.pause
    }

    fn set_status(&mut self, rule_id: &str, status: Status, gap: Gap) {
        let put = self.stored.get_mut(rule_id).unwrap();
        (put.status, put.gap) = (status, gap);
        assert_eq!(self.register.receive(put, Listing::Later), Next::Done, "it needs no preparation");
        assert_eq!(self.pause_of(rule_id).is_some(), status == Status::Paused);
        self.apply();
    }

    /// Retires a rule.
    pub fn retire(&mut self, rule_id: &str) {
        self.stored.remove(rule_id);
        self.register.retire(rule_id);
        self.apply();
    }

    /// Corrects a condition's state of a key, as people would.
    pub fn correct(&mut self, rule_id: &str, condition: &str, key: &str, text: Option<&str>) {
        let hash = route_correction(&self.catalog.book(), rule_id, condition, key, text).unwrap();
        let workers = self.evaluators.len();
        self.evaluators[owner(hash, workers)].correct(rule_id, condition, key, text).unwrap();
    }

    /// Saves the changes since the last call: by state name and key.
    pub fn save_to(&mut self, stored: &mut BTreeMap<(String, String), String>) {
        for evaluator in &mut self.evaluators {
            while evaluator.has_unsaved() {
                // Small portions, so that saving is split over several deltas.
                for Change { name, key, text } in evaluator.save(3).changes() {
                    let at = (name.to_owned(), key.to_owned());
                    match text {
                        Some(text) => drop(stored.insert(at, text.to_owned())),
                        None => drop(stored.remove(&at)),
                    }
                }
            }
        }
    }

    /// Drops all state, and restores the stored state for this number of workers.
    pub fn restore(&mut self, workers: usize, stored: &BTreeMap<(String, String), String>) {
        let book = self.catalog.book();
        let names = StateNames::of(&book);
        self.layout.workers = workers;
        self.evaluators = (0..workers).map(|_| evaluator(&book, &self.layout)).collect();
        for ((name, key), text) in stored {
            let Some(hash) = names.route(&book, name, key) else { continue };
            let change = Change { name, key, text: Some(text) };
            self.evaluators[owner(hash, workers)].restore(&names, &change).unwrap();
        }
        let clock = self.clock();
        self.evaluators.iter_mut().for_each(|e| e.restored(clock));
    }

    /// Puts the pending changes of the register in force.
    fn apply(&mut self) {
        let ordered = self.register.order().expect("something changed");
        let Applied { book, crowds, rejected, failing } = self.catalog.apply(&ordered.set);
        assert!(rejected.is_empty() && failing.is_empty(), "{rejected:?} {failing:?}");
        self.register.in_force();
        for change in crowds {
            match change.after {
                Some(crowd) => self.crowds.insert(change.slot, crowd),
                None => self.crowds.remove(&change.slot),
            };
        }
        self.install_crowds(&book);
        self.evaluators.iter_mut().for_each(|e| e.install(Arc::clone(&book)));
    }

    /// Installs the crowds, and rows of them as they may come: before the switch, after the next batch, with
    /// the next switch, or never.
    fn install_crowds(&mut self, book: &Arc<RuleBook>) {
        let rows = Arc::new(self.rows.changed(&self.crowds, usize::MAX).unwrap());
        self.rows_after_batch = None;
        if let Some(rows) = self.rows_at_switch.take() {
            self.matcher.use_rows(Some(rows));
        }
        match book.generation.0 % 4 {
            0 => self.matcher.use_rows(Some(Arc::clone(&rows))),
            1 => self.rows_after_batch = Some(Arc::clone(&rows)),
            2 => self.rows_at_switch = Some(Arc::clone(&rows)),
            _ => self.matcher.use_rows(None),
        }
        self.rows = rows;
        self.matcher.install(Arc::clone(book), self.crowds.clone().into_iter().collect());
    }

    /// Reads one line of a partition.
    pub fn event(&mut self, partition: usize, line: &str) {
        self.events(partition, &[line.to_owned()]);
    }

    /// Reads lines of a partition as one batch.
    pub fn events(&mut self, partition: usize, lines: &[String]) {
        let batch = batch(partition, lines, &mut self.offsets[partition]);
        let mut routed = Routed::default();
        self.matcher.batch(&batch, &mut routed, &mut Vec::new());
        if let Some(rows) = self.rows_after_batch.take() {
            self.matcher.use_rows(Some(rows));
        }
        if let Some(codec) = self.layout.codec {
            let mut bytes = Vec::new();
            encode(&routed, codec, &mut bytes);
            routed = decode(&bytes, codec).expect("what was encoded decodes");
        }
        for next in 0..routed.len() {
            let record = routed.get(next).unwrap();
            let worker = owner(record.hash, self.evaluators.len());
            self.evaluators[worker].prefetch(&routed, next);
            self.evaluators[worker].record(&record, &mut self.emitted);
            let own = record.now;
            self.collect(own);
        }
    }

    /// Applies the current clocks: the least of all partitions.
    pub fn apply_clocks(&mut self) {
        let clock = self.clock();
        self.advance(clock);
        self.evaluators.iter_mut().for_each(|e| e.sweep(3));
    }

    /// Ends all partitions: each clock stands just after its last `now`.
    pub fn end(&mut self) {
        let clock = self.clock().saturating_add(1);
        self.advance(clock);
    }

    /// The least clock of all partitions.
    fn clock(&self) -> i64 {
        self.matcher.clocks().least().map_or(i64::MIN, |(_, clock)| clock.0)
    }

    fn advance(&mut self, clock: i64) {
        for worker in 0..self.evaluators.len() {
            while !self.evaluators[worker].advance(clock, 3, &mut self.emitted) {}
            self.collect(clock);
        }
    }

    fn collect(&mut self, passed: i64) {
        // Expressions may fail on random operands; the reference takes them as false too.
        self.emitted.failures.clear();
        for fired in self.emitted.triggers.drain(..) {
            let trigger = fired.read().expect("the line is a trigger");
            let deadline = trigger.cause.as_ref().and_then(|c| c.deadline);
            assert!(deadline.is_none_or(|d| d < passed), "a timer fired at {passed}, too soon: {trigger:?}");
            self.triggers.push(trigger);
        }
    }

    /// Every figure that differs from a new key's, at `now`.
    pub fn state(&mut self, now: i64) -> BTreeMap<(String, String, String), Json> {
        let all = self.evaluators.iter_mut().flat_map(|e| e.figures(now));
        all.map(|f| ((f.rule_id, f.key, f.condition), f.outputs)).collect()
    }

    /// Number of keys with state.
    pub fn keys(&self) -> usize {
        self.evaluators.iter().map(Evaluator::keys).sum()
    }
}

/// Runs rules over partitions of lines to the end.
pub fn run(
    rules: &[Json],
    partitions: &[Vec<String>],
    publish: i64,
    profiles: &[Json],
    layout: &Layout,
) -> Engine {
    let mut engine = Engine::new(layout.clone(), partitions.len());
    engine.put(rules, 1, publish, profiles);
    let mut next = vec![0; partitions.len()];
    let mut clocks = layout.clocks_after.iter().cycle();
    let mut until_clocks = clocks.next().copied();
    let (mut saves, mut stored) = (layout.saves.iter().cycle(), BTreeMap::new());
    let mut until_save = saves.next().copied();
    let mut turns = layout.turns.iter().cycle();
    let mut batches = layout.batches.iter().cycle();
    while let Some(open) = (0..partitions.len()).find(|p| next[*p] < partitions[*p].len()) {
        let turn = turns.next().map_or(open, |t| t % partitions.len());
        let partition = if next[turn] < partitions[turn].len() { turn } else { open };
        let left = &partitions[partition][next[partition]..];
        let batch = batches.next().map_or(1, |size| *size).min(left.len());
        engine.events(partition, &left[..batch]);
        next[partition] += batch;
        if let Some((left, restart, workers)) = until_save {
            until_save = if left == 0 { saves.next().copied() } else { Some((left - 1, restart, workers)) };
            if left == 0 {
                engine.save_to(&mut stored);
                if restart {
                    engine.restore(workers, &stored);
                }
            }
        }
        if let Some(left) = until_clocks {
            until_clocks = if left == 0 { clocks.next().copied() } else { Some(left - 1) };
            if left == 0 {
                engine.apply_clocks();
            }
        }
    }
    engine.end();
    engine
}

/// A batch of these lines, the first at offset `next`; advances `next` behind the last.
pub fn batch(partition: usize, lines: &[String], next: &mut u64) -> RawBatch {
    let mut batch = RawBatch { partition: PartitionId(partition as u32), ..RawBatch::default() };
    for line in lines {
        let start = batch.bytes.len() as u32;
        batch.bytes.extend_from_slice(line.as_bytes());
        let end = batch.bytes.len() as u32;
        batch.records.push(RawRecord { offset: Offset(*next), start, end, time: None });
        *next += 1;
    }
    batch
}

/// The crowd of a rule; its query is answered from `profiles`.
///
/// # Panics
/// If the document's crowd is none.
pub fn crowd(rule: &Json, profiles: &[Json]) -> Option<Crowd> {
    match serde_json::from_value::<spec::Crowd>(rule.get("crowd")?.clone()).unwrap() {
        spec::Crowd::Guids(guids) => Some(Crowd::listed(guids)),
        spec::Crowd::Bitmap(text) => Some(Crowd::from_base64(&text).unwrap()),
        spec::Crowd::Profile(query) => {
            let inside = profiles.iter().filter(|p| profile::holds(&query, p.as_object().unwrap()));
            let mut crowd = CrowdBuilder::default();
            inside.for_each(|p| crowd.add(Guid::of_json(&p["guid"]).unwrap()));
            Some(crowd.build())
        }
    }
}

/// A trigger in the form of the reference.
pub fn as_reference(trigger: &Trigger) -> Json {
    json!({
        "rule_id": trigger.rule_id, "key_by": trigger.key_by, "key": trigger.key, "guid": trigger.guid, "cause": trigger.cause,
        "fired_at": trigger.fired_at, "values": trigger.values, "held_out": trigger.held_out, "action": trigger.action,
    })
}

/// Triggers as lines with sorted fields, sorted: equal for equal multisets.
pub fn sorted(triggers: impl IntoIterator<Item = Json>) -> Vec<String> {
    fn in_order(json: Json) -> Json {
        match json {
            Json::Object(map) => {
                let map: BTreeMap<String, Json> = map.into_iter().map(|(k, v)| (k, in_order(v))).collect();
                map.into_iter().collect()
            }
            Json::Array(items) => items.into_iter().map(in_order).collect(),
            other => other,
        }
    }
    let mut lines: Vec<String> = triggers.into_iter().map(|t| in_order(t).to_string()).collect();
    lines.sort();
    lines
}

fn evaluator(book: &Arc<RuleBook>, layout: &Layout) -> Evaluator {
    Evaluator::new(Arc::clone(book)).remembering(layout.format.dedupe_for)
}
