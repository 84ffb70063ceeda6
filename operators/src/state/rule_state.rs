//! One key's state of one rule.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    calculator::Cell,
    model::{field::Field, value::Value},
    rule::plan::{Layout, RulePlan},
};

/// State of a rule for a key.
#[derive(Clone, Debug)]
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
}

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
}

/// An armed timer.
#[derive(Clone, Debug, PartialEq)]
pub struct Armed {
    /// Position of the condition in the layout.
    pub condition: usize,
    /// When it is due, unix ms.
    pub deadline: i64,
    /// The event that set it: partition and offset,
    pub at: (u32, u64),
    /// its id,
    pub event_id: Box<str>,
    /// its own time,
    pub event_time: i64,
    /// its user,
    pub guid: Option<u64>,
    /// and the values that the action reads.
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
        }
    }

    /// Carries the state over to another version of the rule: conditions that both have keep their cells and timers, others start
    /// anew.
    pub fn migrate(&mut self, plan: &RulePlan) {
        if Arc::ptr_eq(&self.layout, &plan.layout) || self.layout == plan.layout {
            self.layout = Arc::clone(&plan.layout);
            return;
        }
        let mut fresh = RuleState::fresh(plan, self.touched);
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
        let plain =
            |e: &Extra| e.firings.is_empty() && e.armed.is_empty() && !e.judge_at_publish && e.edge.is_none();
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

    /// The instant of the key's next timer, publish included; `i64::MAX` if there is none.
    pub fn next_deadline(&self, publish: i64) -> i64 {
        let timer = self.next_armed().map_or(i64::MAX, |a| a.deadline);
        match self.extra.as_deref() {
            Some(extra) if extra.judge_at_publish => timer.min(publish - 1),
            _ => timer,
        }
    }
}
