//! One key's state of one rule.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    calculator::Cell,
    model::{
        field::Field,
        ids::{Offset, PartitionId},
        value::Value,
    },
    rule::{lineage::Layout, plan::RulePlan},
};

/// State of a rule for a key.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleState {
    /// The rule's slot.
    pub slot: u32,
    /// Which cells are whose.
    pub layout: Arc<Layout>,
    /// All conditions' cells, back to back.
    pub cells: Box<[Cell]>,
    /// `now` of the last event that concerned the rule, unix ms.
    pub touched: i64,
    /// What few keys have.
    pub extra: Option<Box<Extra>>,
    /// What changed since the last checkpoint: a bit per condition, and [`RULE_LEVEL_BIT`].
    pub dirty: u64,
    /// Whether checkpoints have something of it, so that they are to be told when it is gone.
    pub stored: bool,
    /// What it counted for when it was last put into its store, bytes.
    pub weight: u32,
}

/// Marks changed rule-level state in [`RuleState::dirty`].
pub const RULE_LEVEL_BIT: u64 = 1 << 63;

/// Rule-level state that only some keys have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    /// When the rule fired for the key, as far as the limit asks; ascending.
    pub firings: VecDeque<i64>,
    /// Whether `when` held at the last touch, and under which edit of the rule.
    pub edge: Option<(u64, bool)>,
    /// Armed timers with the events that set them.
    pub armed: Vec<Armed>,
    /// Whether the key is to be judged at publish.
    pub judge_at_publish: bool,
    /// The state as it stood when a pause began, and which pause: in case its events are not to count.
    pub before_pause: Option<Box<(u64, RuleState)>>,
}

/// An armed timer.
#[derive(Clone, Debug, PartialEq)]
pub struct Armed {
    /// Position of the condition in the layout.
    pub condition: usize,
    /// When it is due, unix ms.
    pub deadline: i64,
    /// Partition of the event that set it.
    pub partition: PartitionId,
    /// Offset of that event.
    pub offset: Offset,
    /// Id of that event.
    pub event_id: Box<str>,
    /// Own time of that event, unix ms.
    pub event_time: i64,
    /// User of that event.
    pub guid: Option<u64>,
    /// Values of that event that the action reads.
    pub values: Vec<(Field, Value<'static>)>,
}

impl RuleState {
    /// The state of a key that nothing was folded for.
    pub fn fresh(plan: &RulePlan, now: i64) -> Self {
        RuleState {
            slot: plan.slot,
            layout: Arc::clone(&plan.layout),
            cells: plan.initial.iter().cloned().collect(),
            touched: now,
            extra: None,
            dirty: 0,
            stored: false,
            weight: 0,
        }
    }

    /// Marks everything as changed.
    pub fn dirty_all(&mut self) {
        self.dirty = u64::MAX;
    }

    /// Whether it is of the rule as it is: of the same `key_by`, and of the same life if the rule was retired and published again.
    pub fn is_of(&self, plan: &RulePlan) -> bool {
        self.layout.rule == plan.layout.rule
    }

    /// [Enters](RuleState::enter) without being touched. Gives the instant of its next timer if that is another one now.
    pub fn settle(&mut self, plan: &RulePlan) -> Option<i64> {
        let before = self.next_deadline(plan.publish);
        self.enter(plan);
        let after = self.next_deadline(plan.publish);
        (after != before && after < i64::MAX).then_some(after)
    }

    /// Brings the state to where the rule stands: its version, and its pauses. A pause that has ended leaves the state as it is, or
    /// as it stood when the pause began; one that goes on keeps that aside.
    pub fn enter(&mut self, plan: &RulePlan) {
        // To its store and to checkpoints it counts as before, until it is put there anew.
        let (weight, stored) = (self.weight, self.stored);
        self.migrate(plan);
        let ended =
            self.extra.as_deref_mut().and_then(|e| e.before_pause.take_if(|b| Some(b.0) != plan.pause));
        if let Some(ended) = ended {
            if plan.skipped.contains(&ended.0) {
                *self = ended.1;
            }
            self.dirty_all();
        }
        if let Some(pause) = plan.pause
            && self.extra.as_deref().is_none_or(|e| e.before_pause.is_none())
        {
            let before = self.clone();
            self.extra_mut().before_pause = Some(Box::new((pause, before)));
        }
        (self.weight, self.stored) = (weight, stored);
    }

    /// Carries the state over to another version of the rule: conditions that both have keep their cells and timers, others start
    /// anew.
    fn migrate(&mut self, plan: &RulePlan) {
        if let Some(before) = self.extra.as_deref_mut().and_then(|e| e.before_pause.as_deref_mut()) {
            before.1.migrate(plan);
        }
        if Arc::ptr_eq(&self.layout, &plan.layout) || self.layout == plan.layout {
            self.layout = Arc::clone(&plan.layout);
            return;
        }
        let mut fresh = RuleState::fresh(plan, self.touched);
        fresh.dirty_all();
        if !self.is_of(plan) {
            *self = fresh;
            return;
        }
        let mut armed = Vec::new();
        for (to, (identity, range)) in plan.layout.conditions.iter().enumerate() {
            let kept = self.layout.conditions.iter().enumerate().find(|(_, (i, _))| i == identity);
            let Some((from, (_, old))) = kept else { continue };
            fresh.cells[range.clone()].clone_from_slice(&self.cells[old.clone()]);
            let timers = self.extra.iter().flat_map(|e| &e.armed).filter(|a| a.condition == from);
            armed.extend(timers.map(|a| Armed { condition: to, ..a.clone() }));
        }
        if let Some(extra) = self.extra.take() {
            fresh.extra = Some(Box::new(Extra { armed, ..*extra }));
        }
        *self = fresh;
    }

    /// Whether nothing tells it from a fresh one.
    pub fn is_fresh(&self, plan: &RulePlan) -> bool {
        let plain = |e: &Extra| *e == Extra::default();
        self.extra.as_deref().is_none_or(plain) && self.cells[..] == plan.initial[..]
    }

    /// The rule-level state, made if there is none.
    pub fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// The timer of a condition, if one is armed.
    pub fn armed(&self, condition: usize) -> Option<&Armed> {
        self.extra.as_deref()?.armed.iter().find(|a| a.condition == condition)
    }

    /// The earliest timer.
    pub fn next_armed(&self) -> Option<&Armed> {
        self.extra.as_deref()?.armed.iter().min_by_key(|a| (a.deadline, a.condition))
    }

    /// The state put aside when a pause began.
    pub fn before_pause(&self) -> Option<&RuleState> {
        self.extra.as_deref()?.before_pause.as_deref().map(|b| &b.1)
    }

    /// The instant of the key's next timer, publish and what a pause put aside included; `i64::MAX` if there is none.
    pub fn next_deadline(&self, publish: i64) -> i64 {
        let armed = [self.next_armed(), self.before_pause().and_then(RuleState::next_armed)];
        let timer = armed.into_iter().flatten().map(|a| a.deadline).min().unwrap_or(i64::MAX);
        match self.extra.as_deref() {
            Some(extra) if extra.judge_at_publish => timer.min(publish - 1),
            _ => timer,
        }
    }
}
