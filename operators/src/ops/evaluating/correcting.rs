//! Corrections: edits of a condition's state by people.

use std::sync::Arc;

use super::{Evaluator, changing::change, restoring::cells};
use crate::{
    calculator::Cell,
    model::{
        ids::{Offset, PartitionId},
        key,
    },
    rule::{book::RuleBook, plan::RulePlan},
    state::{Armed, RuleState},
};

impl Evaluator {
    /// Sets a condition's state of a key to `text`, or to its initial state without a text; as an edit by
    /// people at the instant of the clock. Before the first clock, the state counts as touched when a clock
    /// arrives.
    ///
    /// # Errors
    /// If there is no such rule or condition, or the text is not a state of the condition.
    pub fn correct(
        &mut self,
        rule_id: &str,
        condition_id: &str,
        key: &str,
        text: Option<&str>,
    ) -> Result<(), String> {
        let book = Arc::clone(&self.book);
        let (rule, condition) = find(&book, rule_id, condition_id)?;
        let plan = &*book.rules[rule];
        let cells = cells(plan, condition, text)?;
        let group = book.rule_key[rule];
        let id = self.store.entry(key::route(book.key_seeds[group as usize], key), group, key);
        let now = self.clock.max(self.store.block(id).last_now());
        let Evaluator { store, unsaved, parts, .. } = self;
        let soonest = store.with_key(id, |open| {
            change(open, plan, &parts[rule], now, |_, mut state| {
                set(&mut state, plan, condition, &cells, now);
                // Not an event of the pause, so the correction stays if the pause is skipped.
                state.paused(|copy| set(copy, plan, condition, &cells, now));
                match plan.rule_level {
                    true if state.is_touched() => state.mark_rule_level(),
                    true => state.touch(plan, now),
                    false => {}
                }
            })
        });
        unsaved.changed(id, store.block_mut(id));
        store.file_sooner(id, soonest);
        Ok(())
    }
}

/// Routing hash of the key that a correction concerns.
///
/// # Errors
/// If there is no such rule or condition, or the text is not a state of the condition.
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

/// Positions of a rule in the book and of a condition in the rule.
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

/// Sets a condition's cells, and arms or disarms its timer accordingly.
fn set(state: &mut RuleState<'_>, plan: &RulePlan, condition: usize, cells: &[Cell], now: i64) {
    state.fields_mut(plan, condition).set_cells(cells.to_vec());
    match state.timer(plan, condition) {
        Some(deadline) => {
            let former = state.armed(condition).cloned();
            state.arm(condition, Armed { deadline, ..former.unwrap_or_else(|| by_hand(now)) });
        }
        None => state.disarm(condition),
    }
}

/// Timer set by people at `now`, its deadline not filled in yet.
fn by_hand(now: i64) -> Armed {
    Armed {
        deadline: 0,
        partition: PartitionId::default(),
        offset: Offset::default(),
        event_id: "state set".into(),
        event_time: now,
        guid: None,
        values: Vec::new(),
    }
}
