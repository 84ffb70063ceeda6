//! An evaluator's state on its way out and in: what changed, as a [`Delta`]; what was stored, back into cells; and
//! corrections by people.
//!
//! **Invariants**
//! - A key with a state whose `dirty` is not 0 is listed as changed, and `dirty` is 0 once the state is saved. So saving costs what
//!   changed, not what there is.
//! - However long no checkpoint is taken, a place for keys is listed once, and a removal for each state that checkpoints have. What
//!   came and went between two checkpoints is not listed; nor is anything if none will be taken.
//! - Removals come before changes in a checkpoint: a state that was removed and is there again is there.
//! - Restoring what was saved, in any order of its states, gives an evaluator that goes on as the saved one would have.

use hashbrown::HashMap;

use super::Evaluator;
use crate::{
    calculator::Cell,
    model::{
        field::Fields,
        ids::{CheckpointNumber, Offset, PartitionId},
        key,
    },
    rule::{
        book::RuleBook,
        lineage::{RULE_LEVEL, state_name},
        plan::RulePlan,
    },
    state::{
        Armed, Delta, Extra, KeyBlock, KeyId, RULE_LEVEL_BIT, RuleState, delta::Change, entry,
        evicted::EvictedKey, text,
    },
};

/// Bytes of keys and texts after which a delta takes no more keys.
const ENOUGH: usize = 8 << 20;

/// What changed since the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// Keys with changed states: those whose blocks are `listed`. A place may have been given to another key meanwhile.
    changed: Vec<KeyId>,
    /// States that are there no more.
    removed: Vec<Removed>,
    /// A number that the next checkpoint has at least, and the last one had not yet.
    pub(super) next: CheckpointNumber,
    /// Whether nobody will ask.
    unasked: bool,
}

/// A state that is there no more.
#[derive(Debug)]
struct Removed {
    slot: u32,
    /// Where the rule-level state began that it had: it is named by that.
    rule: u64,
    key: Box<str>,
}

impl Unsaved {
    /// A state of a key has changed; whose block is `listed`, or not yet.
    pub(super) fn changed(&mut self, id: KeyId, listed: &mut bool) {
        if !self.unasked && !std::mem::replace(listed, true) {
            self.changed.push(id);
        }
    }

    /// A key's state is there no more.
    pub(super) fn gone(&mut self, state: &RuleState, key: &str) {
        if !self.unasked && state.stored {
            self.removed.push(Removed { slot: state.slot, rule: state.layout.rule, key: key.into() });
        }
    }

    /// How many places are listed, and how many removals.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.changed.len(), self.removed.len())
    }
}

/// What a stored state is of: the position of the rule in the book, and of the condition, if it is one's.
#[derive(Clone, Debug, Default)]
pub struct StateNames(pub(super) HashMap<String, (usize, Option<usize>)>);

impl StateNames {
    /// The states that rules of a book have.
    pub fn of(book: &RuleBook) -> Self {
        let mut names = HashMap::new();
        for (rule, plan) in book.rules.iter().enumerate() {
            names.insert(part_name(plan, None), (rule, None));
            names.extend((0..plan.conditions.len()).map(|c| (part_name(plan, Some(c)), (rule, Some(c)))));
        }
        StateNames(names)
    }

    /// Routing hash of a stored state's key; `None` if no rule has such a state.
    pub fn route(&self, book: &RuleBook, name: &str, key: &str) -> Option<u64> {
        let (rule, _) = self.0.get(name)?;
        Some(key::route(book.key_seeds[book.rule_key[*rule] as usize], key))
    }
}

fn part_name(plan: &RulePlan, condition: Option<usize>) -> String {
    match condition {
        Some(c) => state_name(plan.id(), &plan.conditions[c].id, plan.layout.conditions[c].0.since),
        None => state_name(plan.id(), RULE_LEVEL, plan.layout.rule),
    }
}

/// A delta being made, with the numbers its names have: per slot that of the rule's own; those of its conditions follow.
#[derive(Default)]
struct Chunk {
    delta: Delta,
    numbers: HashMap<u32, u32>,
}

impl Chunk {
    fn first_number(&mut self, plan: &RulePlan) -> u32 {
        let Chunk { delta, numbers } = self;
        *numbers.entry(plan.slot).or_insert_with(|| {
            let own = delta.name(part_name(plan, None));
            for condition in 0..plan.conditions.len() {
                delta.name(part_name(plan, Some(condition)));
            }
            own
        })
    }
}

impl Evaluator {
    /// No checkpoints will be taken: what changes is not noted. To be called before there are any keys.
    pub fn without_checkpoints(&mut self) {
        self.unsaved.unasked = true;
    }

    /// Whether anything has changed since the last checkpoint.
    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.changed.is_empty() || !self.unsaved.removed.is_empty()
    }

    /// Gives out what changed, of about `most` states, fewer if they are large; call again until nothing is
    /// [unsaved](Self::has_unsaved).
    pub fn save(&mut self, most: usize) -> Delta {
        let book = std::sync::Arc::clone(&self.book);
        let mut chunk = Chunk::default();
        let mut states = 0;
        while states < most && chunk.delta.bytes() < ENOUGH {
            // Removals first, all of them.
            if let Some(Removed { slot, rule, key }) = self.unsaved.removed.pop() {
                states += 1;
                // What an edit has named otherwise meanwhile is let go with its names, and may be another worker's by its new ones.
                let plan = book.at_slot(slot).map(|rule| &*book.rules[rule]);
                if let Some(plan) = plan.filter(|plan| plan.layout.rule == rule) {
                    delete(plan, &key, &mut chunk);
                }
            } else if let Some(id) = self.unsaved.changed.pop() {
                states += self.save_key(&book, id, &mut chunk);
            } else {
                break;
            }
        }
        chunk.delta
    }

    /// Gives out what changed of a key, and says of how many states.
    fn save_key(&mut self, book: &RuleBook, id: KeyId, chunk: &mut Chunk) -> usize {
        let KeyBlock { key, rules, listed, .. } = self.store.block_mut(id);
        *listed = false;
        let (mut states, mut soonest, mut gone) = (0, i64::MAX, Vec::new());
        for state in rules.iter_mut().filter(|state| state.dirty != 0) {
            let Some(rule) = book.at_slot(state.slot) else { continue };
            let plan = &*book.rules[rule];
            if !state.is_of(plan) {
                continue;
            }
            states += 1;
            // An edit may have come between the change and now.
            let paused = state.before_pause().is_some();
            soonest = soonest.min(state.settle(plan).unwrap_or(i64::MAX));
            if paused && state.is_fresh(plan) {
                if state.stored {
                    delete(plan, key, chunk);
                }
                gone.push(state.slot);
                continue;
            }
            save_state(state, plan, book, key, chunk);
            (state.dirty, state.stored) = (0, true);
        }
        for slot in gone {
            self.store.take(id, slot);
        }
        self.store.file_sooner(id, soonest);
        states
    }

    /// Checkpoint `n` has all that changed until now.
    pub fn saved(&mut self, n: CheckpointNumber) {
        self.unsaved.next = n.next();
    }

    /// Takes in a stored state. States that no rule has any more are passed over.
    ///
    /// # Errors
    /// If the text is no such state.
    pub fn restore(&mut self, names: &StateNames, stored: &Change<'_>) -> Result<(), String> {
        let Some(part) = names.0.get(stored.name).copied() else { return Ok(()) };
        let book = std::sync::Arc::clone(&self.book);
        let group = book.rule_key[part.0];
        let hash = key::route(book.key_seeds[group as usize], stored.key);
        if self.is_evicted(hash, group, stored.key) {
            let key = EvictedKey { group, hash, key: stored.key.into() };
            return self.restore_evicted(key, part, stored);
        }
        let plan = &*book.rules[part.0];
        let id = self.store.entry(hash, group, stored.key);
        let mut state = self.store.take(id, plan.slot).unwrap_or_else(|| RuleState::fresh(plan, i64::MIN));
        let read = read(&mut state, plan, part.1, &book.fields, stored);
        state.stored = true;
        self.store.put(id, state);
        self.store.block_mut(id).changed_in = CheckpointNumber::default();
        read
    }

    /// All stored states are taken in; the checkpoint's clock stood at `clock` (unix ms).
    pub fn restored(&mut self, clock: i64) {
        while !self.settle(clock, usize::MAX) {}
    }

    /// As [`restored`](Self::restored), for the next `most` places of keys. False if some are left: then call again with the same
    /// clock, and do nothing else meanwhile.
    pub fn settle(&mut self, clock: i64, most: usize) -> bool {
        self.clock = self.clock.max(clock);
        self.memory.restored(clock);
        let end = self.store.places().min(self.settled.saturating_add(most));
        for place in self.settled..end {
            if let Some(id) = self.store.at_place(place) {
                self.settle_restored(id, clock);
            }
        }
        self.settled = end;
        end == self.store.places()
    }

    /// A key's stored states are taken in; what bears no time of its own was touched by `touched` at the latest.
    pub(super) fn settle_restored(&mut self, id: KeyId, touched: i64) {
        let book = std::sync::Arc::clone(&self.book);
        let plan = |state: &RuleState| book.at_slot(state.slot).map(|rule| &*book.rules[rule]);
        self.store.retain(id, |state| plan(state).is_some_and(|p| !state.is_fresh(p)));
        let block = self.store.block_mut(id);
        block.last_now = block.rules.iter().map(|state| state.touched).max().unwrap_or(i64::MIN);
        let mut soonest = i64::MAX;
        for state in &mut block.rules {
            let Some(plan) = plan(state) else { continue };
            if state.touched == i64::MIN {
                // Without an entry of its own a rule does not ask when it was touched, unless it is edited to; and since
                // somebody left its crowd, whoever was touched has one.
                let left = plan.departed.iter().map(|d| d.at).min().unwrap_or(touched);
                state.touched = left.min(touched);
            }
            soonest = soonest.min(state.next_deadline(plan.publish));
        }
        self.store.file_sooner(id, soonest);
    }

    /// Sets a condition's state of a key, or with `None` puts it back to its beginning; as an edit by people at the clock. Where no clock
    /// is known yet, the state counts as touched when one is.
    ///
    /// # Errors
    /// If there is no such rule or condition, or the text is no such state.
    pub fn correct(
        &mut self,
        rule_id: &str,
        condition_id: &str,
        key: &str,
        text: Option<&str>,
    ) -> Result<(), String> {
        let book = std::sync::Arc::clone(&self.book);
        let (rule, condition) = find(&book, rule_id, condition_id)?;
        let plan = &*book.rules[rule];
        let cells = cells(plan, condition, text)?;
        let group = book.rule_key[rule];
        let id = self.store.entry(key::route(book.key_seeds[group as usize], key), group, key);
        let now = self.clock.max(self.store.block(id).last_now);
        let mut state = self.enter(plan, id, now);
        set(&mut state, plan, condition, &cells, now);
        if let Some(aside) = state.extra.as_deref_mut().and_then(|e| e.before_pause.as_deref_mut()) {
            // No event of the pause, so it stays if the pause is skipped.
            set(&mut aside.1, plan, condition, &cells, now);
        }
        state.dirty |= 1 << condition | RULE_LEVEL_BIT;
        self.put_back(plan, id, state);
        Ok(())
    }
}

/// Whose key a correction is: the routing hash.
///
/// # Errors
/// If there is no such rule or condition, or the text is no such state.
pub fn route_correction(
    book: &RuleBook,
    rule_id: &str,
    condition_id: &str,
    key: &str,
    text: Option<&str>,
) -> Result<u64, String> {
    let (rule, condition) = find(book, rule_id, condition_id)?;
    cells(&book.rules[rule], condition, text)?;
    Ok(key::route(book.key_seeds[book.rule_key[rule] as usize], key))
}

pub(super) fn find(book: &RuleBook, rule_id: &str, condition_id: &str) -> Result<(usize, usize), String> {
    let rule = book.rules.binary_search_by(|plan| plan.id().cmp(rule_id));
    let rule = rule.map_err(|_| format!("there is no rule `{rule_id}` in force"))?;
    let conditions = &book.rules[rule].conditions;
    let condition = conditions.iter().position(|c| c.id == condition_id).ok_or_else(|| {
        let ids: Vec<&str> = conditions.iter().map(|c| c.id.as_str()).collect();
        format!("rule `{rule_id}` has no condition `{condition_id}`; it has {}", ids.join(", "))
    })?;
    Ok((rule, condition))
}

/// Reads a stored state: a condition's, or the rule's own.
pub(super) fn read(
    state: &mut RuleState,
    plan: &RulePlan,
    condition: Option<usize>,
    fields: &Fields,
    stored: &Change<'_>,
) -> Result<(), String> {
    let read = match (condition, stored.text) {
        (None, None) => {
            state.extra = None;
            Ok(())
        }
        (None, Some(text)) => entry::read(state, plan, fields, text),
        (Some(c), text) => cells(plan, c, text).map(|cells| {
            state.cells[plan.conditions[c].cells.clone()].clone_from_slice(&cells);
        }),
    };
    read.map_err(|e| format!("state {} of key {:?}: {e}", stored.name, stored.key))
}

/// A condition's cells as a text says.
fn cells(plan: &RulePlan, condition: usize, text: Option<&str>) -> Result<Vec<Cell>, String> {
    let program = &plan.conditions[condition].program;
    match text {
        Some(text) => text::read(program.names(), program.initial(), text),
        None => Ok(program.initial().to_vec()),
    }
}

/// Sets a condition's cells, and its timer in line with them.
fn set(state: &mut RuleState, plan: &RulePlan, condition: usize, cells: &[Cell], now: i64) {
    state.cells[plan.conditions[condition].cells.clone()].clone_from_slice(cells);
    let deadline = match plan.timer(condition).map(|t| &state.cells[t]) {
        Some(Cell::Int(deadline)) if *deadline >= 0 => Some(*deadline),
        _ => None,
    };
    let former = state.armed(condition).cloned();
    if deadline.is_none() && former.is_none() {
        return;
    }
    let armed = &mut state.extra_mut().armed;
    armed.retain(|a| a.condition != condition);
    if let Some(deadline) = deadline {
        armed.push(Armed { deadline, ..former.unwrap_or_else(|| by_hand(condition, now)) });
    }
}

/// The cause of a timer that people set.
fn by_hand(condition: usize, now: i64) -> Armed {
    Armed {
        condition,
        deadline: 0,
        partition: PartitionId::default(),
        offset: Offset::default(),
        event_id: "state set".into(),
        event_time: now,
        guid: None,
        values: Vec::new(),
    }
}

fn delete(plan: &RulePlan, key: &str, chunk: &mut Chunk) {
    let own = chunk.first_number(plan);
    for part in 0..=plan.conditions.len() as u32 {
        chunk.delta.push(own + part, key, None::<fn(&mut String)>);
    }
}

fn save_state(state: &RuleState, plan: &RulePlan, book: &RuleBook, key: &str, chunk: &mut Chunk) {
    let own = chunk.first_number(plan);
    for (c, condition) in plan.conditions.iter().enumerate().filter(|(c, _)| state.dirty & (1 << c) != 0) {
        let cells = &state.cells[condition.cells.clone()];
        let changed = cells != condition.program.initial();
        let write = changed.then_some(|out: &mut String| text::write(condition.program.names(), cells, out));
        chunk.delta.push(own + 1 + c as u32, key, write);
    }
    if state.dirty & RULE_LEVEL_BIT != 0 {
        // What a pause that is over put aside must not stay in the store, nor when keys were touched in it.
        let there = plan.rule_level || state.extra.as_deref().is_some_and(|extra| *extra != Extra::default());
        let write = there.then_some(|out: &mut String| entry::write(state, plan, &book.fields, out));
        chunk.delta.push(own, key, write);
    }
}
