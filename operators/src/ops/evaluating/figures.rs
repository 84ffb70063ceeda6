//! Figures of all keys: conditions' outputs, which tests compare with the reference.

use serde_json::Value as Json;

use super::{
    super::{
        emitted::Emitted,
        gauge::EvaluateCounts,
        judge::{Judge, Workings},
        lapsed::is_lapsed,
    },
    Evaluator,
};
use crate::state::RuleState;

/// Outputs of a condition for a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The rule.
    pub rule_id: String,
    /// The key's text.
    pub key: String,
    /// The condition.
    pub condition: String,
    /// Its outputs by name, as a JSON object.
    pub outputs: Json,
}

impl Evaluator {
    /// Conditions' outputs for every key in memory at `now` (unix ms), in no order. Without outputs that
    /// equal those of a key never seen, and without keys idle beyond their rule's `ttl`. Slow: for tests.
    pub fn figures(&mut self, now: i64) -> Vec<Figures> {
        let Evaluator { book, store, runners, .. } = self;
        let (mut counts, mut out) = (EvaluateCounts::default(), Emitted::default());
        let mut all = Vec::new();
        for block in store.blocks() {
            let key = block.key();
            for state in block.states() {
                let Some(rule) = book.at_slot(state.slot()) else { continue };
                let plan = &*book.rules[rule];
                let mut state = state.clone();
                state.bring_up_to(plan);
                if is_lapsed(plan, &state, key, now) {
                    continue;
                }
                let mut values = |state: &mut RuleState| {
                    let workings =
                        Workings { runners: &mut runners[rule], counts: &mut counts, out: &mut out };
                    Judge::new(plan, key, state, workings).values(now)
                };
                let fresh = values(&mut RuleState::fresh(plan, now));
                let differing =
                    values(&mut state).into_iter().filter(|(id, outputs)| fresh.get(id) != Some(outputs));
                all.extend(differing.map(|(condition, outputs)| Figures {
                    rule_id: plan.id().to_owned(),
                    key: key.to_owned(),
                    condition,
                    outputs,
                }));
            }
        }
        all
    }
}
