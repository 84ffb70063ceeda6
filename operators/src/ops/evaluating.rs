//! Evaluate: keep every key's state, fold what concerns it, run its timers, and emit triggers.
//!
//! Two inputs drive it, both as data: routed records, in the order they arrive, and the ingest clock. A key's own timers with a
//! deadline below the `now` of its next event run before that event, whenever the clock itself gets there; so the
//! outcome depends on the events alone.

use std::{collections::BTreeMap, sync::Arc};

use self::{eviction::Memory, saving::Unsaved, split::Split};
pub use self::{
    eviction::MemoryGauge,
    saving::{StateNames, route_correction},
    split::SplitKeys,
};
use super::judge::{EvaluateCounts, Judge, Seen};
use crate::{
    calculator::Runner,
    document::spec::KeyBy,
    model::{
        field::Field,
        key::{self, KeyFields},
        routed::RoutedRecord,
        trigger::{Cause, Trigger},
        value::Value,
    },
    rule::{
        book::{RuleBook, Target},
        plan::RulePlan,
    },
    state::{Armed, KeyBlock, KeyId, RULE_LEVEL_BIT, RuleState, Store},
};

mod eviction;
mod saving;
#[cfg(test)]
mod saving_tests;
#[cfg(test)]
mod scene;
mod split;
#[cfg(test)]
mod timer_tests;

/// An event further ahead of `now` than this (ms) counts as `now`.
pub const MAX_AHEAD: i64 = 5 * 60_000;

/// Calls of a rule that failed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RuleFailure {
    /// The rule.
    pub rule_id: String,
    /// How many.
    pub count: u64,
    /// What the last one said.
    pub message: String,
}

/// What evaluating gives out.
#[derive(Debug, Default)]
pub struct Emitted {
    /// Triggers, in the order they fired.
    pub triggers: Vec<Trigger>,
    /// Failures by rule.
    pub failures: BTreeMap<String, RuleFailure>,
}

/// Keyed state and what works on it; one per worker.
#[derive(Debug)]
pub struct Evaluator {
    book: Arc<RuleBook>,
    store: Store,
    /// Per rule of the book, per condition.
    runners: Vec<Vec<Option<Runner>>>,
    clock: i64,
    counts: EvaluateCounts,
    /// What changed since the last checkpoint.
    unsaved: Unsaved,
    /// In so many places restored states are settled.
    settled: usize,
    /// How much may be in memory, and what is not.
    memory: Memory,
    /// Keys of several partitions.
    split: Split,
}

/// Why a rule fired.
enum Why<'w> {
    Event(&'w Seen<'w>, u64),
    Timer(&'w Armed),
    Publish,
}

impl Evaluator {
    /// No keys yet, and an empty book.
    pub fn new(book: Arc<RuleBook>) -> Self {
        let mut evaluator = Evaluator {
            book: Arc::clone(&book),
            store: Store::default(),
            runners: Vec::new(),
            clock: i64::MIN,
            counts: EvaluateCounts::default(),
            unsaved: Unsaved::default(),
            settled: 0,
            memory: Memory::default(),
            split: Split::default(),
        };
        evaluator.install(book);
        evaluator
    }

    /// Works by another book from now on. State of rules that left it is swept out bit by bit.
    pub fn install(&mut self, book: Arc<RuleBook>) {
        let mut former: Vec<_> = std::mem::take(&mut self.runners).into_iter().map(Some).collect();
        for (plan, group) in book.rules.iter().zip(&book.rule_key) {
            let before = self.book.at_slot(plan.slot);
            let same = |i: &usize| Arc::ptr_eq(&self.book.rules[*i], plan);
            let kept = before.filter(same).and_then(|i| former.get_mut(i)?.take());
            self.runners.push(kept.unwrap_or_else(|| plan.conditions.iter().map(|_| None).collect()));
            if let Some(publish) = before.map(|i| self.book.rules[i].publish).filter(|p| *p > plan.publish) {
                // Keys that are to be judged at publish have a timer by the former one at the latest.
                self.store.hasten(*group, publish - 1, plan.publish - 1);
                self.memory.hasten(*group, publish - 1, plan.publish - 1);
            }
        }
        self.memory.install(&book);
        self.book = book;
    }

    /// The book it works by.
    pub fn book(&self) -> &RuleBook {
        &self.book
    }

    /// What was counted.
    pub fn counts(&self) -> EvaluateCounts {
        self.counts
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.store.len()
    }

    /// Evaluates one routed record; made under the same book. Its key is not [evicted](Self::is_evicted).
    pub fn record(&mut self, record: &RoutedRecord<'_>, out: &mut Emitted) {
        self.counts.records += 1;
        let id = self.store.entry(record.hash, record.key_group, record.key);
        let block = self.store.block_mut(id);
        let now = record.now.max(block.last_now);
        block.last_now = now;
        block.recent = true;
        if let Some(first) = block.origin.see(record.partition) {
            self.split.note(&self.book, record, first);
        }
        if block.next_deadline() < now {
            self.run_key(id, now, out);
        }
        let values: Vec<(Field, Value<'_>)> = record.values().collect();
        let seen = Seen {
            now,
            time: if record.time > now + MAX_AHEAD { now } else { record.time },
            partition: record.partition,
            offset: record.offset,
            guid: record.guid,
            event_id: record.event_id,
            event_time: record.time,
            values: &values,
        };
        let book = Arc::clone(&self.book);
        let mut targets: Vec<Target> = Vec::with_capacity(8);
        for chunk in record.targets.chunk_by(|a, b| rule_of(&book, *a) == rule_of(&book, *b)) {
            targets.clear();
            targets.extend(chunk.iter().filter_map(|t| book.targets.get(*t as usize)));
            if let Some(target) = targets.first() {
                self.event(&book, target.rule(), id, &targets, &seen, record.seen, out);
            }
        }
    }

    /// An event concerns a rule for a key.
    #[expect(clippy::too_many_arguments, reason = "the event, where it goes, and where its triggers go")]
    fn event(
        &mut self,
        book: &RuleBook,
        rule: usize,
        id: KeyId,
        targets: &[Target],
        seen: &Seen<'_>,
        read_at: u64,
        out: &mut Emitted,
    ) {
        let plan = &*book.rules[rule];
        let now = seen.now;
        if !plan.active(now) {
            return;
        }
        if plan.spec.late.is_some_and(|late| now - seen.time > late.0) {
            self.counts.late += 1;
            return;
        }
        let mut state = self.enter(plan, id, now);
        let mut failures = Vec::new();
        let mut judge = judge(plan, &mut state, &mut self.runners[rule], &mut self.counts, &mut failures);
        let before = judge.before(now);
        let trigger_event = judge.fold(targets, seen);
        if judge.fires(before, trigger_event, now) {
            fire(&mut judge, &self.store.block(id).key, &Why::Event(seen, read_at), now, out);
        }
        state.touched = now;
        if plan.rule_level {
            state.dirty |= RULE_LEVEL_BIT;
        }
        if now < plan.publish && plan.fires_at_publish() {
            state.extra_mut().judge_at_publish = true;
        }
        report(out, plan, failures);
        self.put_back(plan, id, state);
    }

    /// Takes the key's state of a rule as it stands at `now`, a fresh one if there is none.
    fn enter(&mut self, plan: &RulePlan, id: KeyId, now: i64) -> RuleState {
        let mut fresh = RuleState::fresh(plan, now);
        // What is stored of another key or life of the rule is named otherwise.
        let Some(mut state) = self.store.take(id, plan.slot).filter(|state| state.is_of(plan)) else {
            fresh.enter(plan);
            return fresh;
        };
        state.enter(plan);
        if is_over(plan, &state, &self.store.block(id).key, now) {
            fresh.enter(plan);
            // What was stored is to be overwritten.
            fresh.dirty_all();
            fresh.stored = state.stored;
            return fresh;
        }
        state
    }

    /// Puts a state back into its key's block, unless it is as good as new, and files its timers.
    fn put_back(&mut self, plan: &RulePlan, id: KeyId, state: RuleState) {
        let Evaluator { store, unsaved, .. } = self;
        let block = store.block_mut(id);
        if state.dirty != 0 {
            block.changed_in = unsaved.next;
        }
        if state.is_fresh(plan) {
            unsaved.gone(&state, &block.key);
            return;
        }
        if state.dirty != 0 {
            unsaved.changed(id, &mut block.listed);
        }
        self.store.file_sooner(id, state.next_deadline(plan.publish));
        self.store.put(id, state);
    }

    /// Runs the timers of one key with deadlines below `now`, earliest first.
    fn run_key(&mut self, id: KeyId, now: i64, out: &mut Emitted) {
        let book = Arc::clone(&self.book);
        while self.run_next(&book, id, now, out) {}
    }

    /// Runs the earliest timer of a key, if its deadline lies below `now`; else files it as it stands. Whether one was run.
    fn run_next(&mut self, book: &RuleBook, id: KeyId, now: i64, out: &mut Emitted) -> bool {
        let deadlines = self.store.block(id).rules.iter().filter_map(|state| {
            let rule = book.at_slot(state.slot)?;
            Some((state.next_deadline(book.rules[rule].publish), rule))
        });
        match deadlines.min() {
            Some((deadline, rule)) if deadline < now => {
                self.run_rule(book, rule, id, deadline, out);
                true
            }
            next => {
                self.store.file(id, next.map_or(i64::MAX, |(deadline, _)| deadline));
                false
            }
        }
    }

    /// Runs the next timer of one rule and key, if it is due at `deadline`.
    fn run_rule(&mut self, book: &RuleBook, rule: usize, id: KeyId, deadline: i64, out: &mut Emitted) {
        let plan = &*book.rules[rule];
        let block = self.store.block(id);
        match block.position(plan.slot) {
            None => return,
            Some(position) if !block.rules[position].is_of(plan) => {
                self.store.take(id, plan.slot);
                return;
            }
            Some(_) => {}
        }
        let mut state = self.enter(plan, id, deadline);
        if plan.rule_level {
            state.dirty |= RULE_LEVEL_BIT;
        }
        let mut failures = Vec::new();
        if let Some(mut aside) = state.extra_mut().before_pause.take() {
            // Timers that come due during a pause don't fire, nor do they count if the pause doesn't.
            let mut judge =
                judge(plan, &mut aside.1, &mut self.runners[rule], &mut self.counts, &mut failures);
            if let Some(armed) = judge.state.next_armed().filter(|a| a.deadline == deadline).cloned() {
                judge.drop_timer(&armed);
            }
            if deadline == plan.publish - 1 {
                judge.state.extra_mut().judge_at_publish = false;
            }
            state.extra_mut().before_pause = Some(aside);
        }
        let key = &self.store.block(id).key;
        let mut judge = judge(plan, &mut state, &mut self.runners[rule], &mut self.counts, &mut failures);
        let armed = judge.state.next_armed().filter(|a| a.deadline == deadline).cloned();
        if let Some(armed) = armed {
            // A key's time never goes back: a timer that a late event set is judged at the key's last touch.
            let now = deadline.max(judge.state.touched);
            let before = judge.before(now);
            judge.run_out(&armed);
            if plan.active(deadline) && judge.fires(before, false, now) {
                fire(&mut judge, key, &Why::Timer(&armed), now, out);
            }
        } else if judge.state.extra.as_deref().is_some_and(|e| e.judge_at_publish)
            && deadline == plan.publish - 1
        {
            judge.state.extra_mut().judge_at_publish = false;
            // An edit may have moved publish to before what was folded.
            let now = plan.publish.max(judge.state.touched);
            if plan.fires_at_publish()
                && !is_over(plan, judge.state, key, now)
                && plan.active(now)
                && judge.holds(now)
            {
                judge.remember_edge(true);
                fire(&mut judge, key, &Why::Publish, now, out);
            }
        }
        report(out, plan, failures);
        self.put_back(plan, id, state);
    }

    /// The ingest clock has reached `clock`: runs the timers with deadlines below it, at most so many. False if some are left: then call
    /// again with the same clock.
    pub fn advance(&mut self, clock: i64, most: u64, out: &mut Emitted) -> bool {
        self.clock = self.clock.max(clock);
        let book = Arc::clone(&self.book);
        let mut run = 0;
        while let Some((deadline, id)) = self.store.due(clock) {
            if run == most {
                return false;
            }
            run += 1;
            // If the key's own is later by now, it is filed anew and has its turn then.
            self.run_next(&book, id, deadline + 1, out);
        }
        true
    }

    /// Looks at the next `budget` keys, round and round, and forgets what is no longer needed: states of rules that are gone or keyed
    /// otherwise, of keys idle beyond `ttl`, and of people who left the crowd long ago. What a pause that is over put aside is settled.
    pub fn sweep(&mut self, budget: usize) {
        let (book, clock) = (Arc::clone(&self.book), self.clock);
        for _ in 0..budget.min(self.store.places()) {
            let Some(id) = self.store.next_in_turn() else { continue };
            let Evaluator { store, unsaved, .. } = self;
            let KeyBlock { key, rules, changed_in, listed, .. } = store.block_mut(id);
            let (mut lighter, mut soonest) = (0, i64::MAX);
            rules.retain_mut(|state| {
                let of = book.at_slot(state.slot).map(|rule| &*book.rules[rule]);
                let Some(plan) = of.filter(|plan| state.is_of(plan)) else {
                    lighter += state.weight as usize;
                    return false;
                };
                let paused = state.before_pause().is_some();
                if paused {
                    soonest = soonest.min(state.settle(plan).unwrap_or(i64::MAX));
                    if state.dirty != 0 {
                        unsaved.changed(id, listed);
                    }
                }
                if state.touched == i64::MIN && clock > i64::MIN {
                    // People set it before a clock was known.
                    state.touched = clock;
                    state.dirty |= RULE_LEVEL_BIT;
                    unsaved.changed(id, listed);
                }
                let over = is_over(plan, state, key, clock) || (paused && state.is_fresh(plan));
                if over {
                    unsaved.gone(state, key);
                    lighter += state.weight as usize;
                }
                if over || state.dirty != 0 {
                    *changed_in = unsaved.next;
                }
                !over
            });
            store.lighten(lighter);
            store.file_sooner(id, soonest);
            store.remove_if_idle(id, clock);
        }
    }

    /// Conditions' outputs for every key at `now`: rule id, key, condition id, outputs. Figures that a key never seen would have are
    /// left out, and so are keys idle beyond their rule's `ttl`.
    pub fn outputs(&mut self, now: i64) -> Vec<(String, String, String, serde_json::Value)> {
        let book = Arc::clone(&self.book);
        let mut all = Vec::new();
        for block in self.store.blocks() {
            for state in &block.rules {
                let Some(rule) = book.at_slot(state.slot) else { continue };
                let plan = &*book.rules[rule];
                let mut state = state.clone();
                state.enter(plan);
                if is_over(plan, &state, &block.key, now) {
                    continue;
                }
                let mut ignored = (EvaluateCounts::default(), Vec::new());
                let mut values = |state: &mut RuleState| {
                    judge(plan, state, &mut self.runners[rule], &mut ignored.0, &mut ignored.1).values(now)
                };
                let fresh = values(&mut RuleState::fresh(plan, now));
                let differing =
                    values(&mut state).into_iter().filter(|(id, outputs)| fresh.get(id) != Some(outputs));
                all.extend(
                    differing.map(|(id, outputs)| (plan.id().to_owned(), block.key.to_string(), id, outputs)),
                );
            }
        }
        all
    }
}

fn rule_of(book: &RuleBook, target: u32) -> Option<usize> {
    book.targets.get(target as usize).map(|t| t.rule())
}

/// Whether a key's state of a rule counts no more: idle beyond `ttl`, or left long ago by its user. One of which is not known when it
/// was touched is not idle.
fn is_over(plan: &RulePlan, state: &RuleState, key: &str, now: i64) -> bool {
    let idle = |ttl: i64| state.touched > i64::MIN && now.saturating_sub(state.touched) > ttl;
    plan.spec.ttl.is_some_and(|ttl| idle(ttl.0)) || left(plan, state.touched, key, now)
}

/// Whether the key is of somebody who left so long ago that state last touched then counts no more.
fn left(plan: &RulePlan, touched: i64, key: &str, now: i64) -> bool {
    let mut over = plan.departed.iter().filter(|d| d.is_over(touched, now)).peekable();
    // Few keys get so far as to be read.
    over.peek().is_some()
        && guid_of(&plan.key, &key::show(&plan.key, key))
            .is_some_and(|guid| over.any(|d| d.guids.contains(guid)))
}

fn judge<'j>(
    plan: &'j RulePlan,
    state: &'j mut RuleState,
    runners: &'j mut [Option<Runner>],
    counts: &'j mut EvaluateCounts,
    failures: &'j mut Vec<String>,
) -> Judge<'j> {
    let outputs = plan.conditions.iter().map(|_| None).collect();
    Judge { plan, state, runners, counts, failures, outputs }
}

fn report(out: &mut Emitted, plan: &RulePlan, failures: Vec<String>) {
    let count = failures.len() as u64;
    if let Some(message) = failures.into_iter().next_back() {
        let failure = out.failures.entry(plan.id().to_owned()).or_insert_with(|| RuleFailure {
            rule_id: plan.id().to_owned(),
            count: 0,
            message: String::new(),
        });
        failure.count += count;
        failure.message = message;
    }
}

/// The user that a key names.
fn guid_of(key: &KeyFields, shown: &serde_json::Value) -> Option<u64> {
    match &key.0[..] {
        [Field::GUID] => shown.as_u64(),
        fields => shown.get(fields.iter().position(|f| *f == Field::GUID)?)?.as_u64(),
    }
}

/// Lets a rule fire, as far as publish, pause and limit allow it.
fn fire(judge: &mut Judge<'_>, key: &str, why: &Why<'_>, at: i64, out: &mut Emitted) {
    let plan = judge.plan;
    if plan.sealed(at) {
        judge.counts.sealed += 1;
        return;
    }
    if !judge.allowed(at) {
        return;
    }
    judge.counts.triggers += 1;
    let values = judge.values(at);
    let found = |values: &'_ [(Field, Value<'_>)], field: Field| values.iter().position(|(f, _)| *f == field);
    let (cause, guid, action, seen) = match why {
        Why::Event(seen, read_at) => {
            let cause = Cause {
                partition: seen.partition,
                offset: seen.offset,
                event_id: seen.event_id.to_owned(),
                event_time: seen.event_time,
                condition: None,
                deadline: None,
            };
            let action = plan.action.render(&|f| found(seen.values, f).map(|i| &seen.values[i].1));
            (Some(cause), seen.guid, action, *read_at)
        }
        Why::Timer(armed) => {
            let cause = Cause {
                partition: armed.partition,
                offset: armed.offset,
                event_id: armed.event_id.to_string(),
                event_time: armed.event_time,
                condition: Some(plan.conditions[armed.condition].id.clone()),
                deadline: Some(armed.deadline),
            };
            let action = plan.action.render(&|f| found(&armed.values, f).map(|i| &armed.values[i].1));
            (Some(cause), armed.guid, action, 0)
        }
        Why::Publish => (None, None, plan.action.render(&|_| None), 0),
    };
    let shown = key::show(&plan.key, key);
    out.triggers.push(Trigger {
        trigger_id: Trigger::id(plan.id(), key, cause.as_ref()),
        rule_id: plan.id().to_owned(),
        name: plan.spec.name.clone(),
        version: plan.version,
        key_by: match &plan.spec.key_by {
            KeyBy::One(field) => field.as_str().into(),
            KeyBy::Tuple(fields) => fields.clone().into(),
        },
        guid: guid.or_else(|| guid_of(&plan.key, &shown)),
        key: shown,
        cause,
        fired_at: at,
        values,
        held_out: key::held_out(plan.id(), key, plan.spec.holdout),
        action,
        seen,
    });
    if plan.spec.reset {
        judge.reset(at);
    }
}
