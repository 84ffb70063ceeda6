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
        let Evaluator { book, store, parts, runners, .. } = self;
        let (mut counts, mut out) = (EvaluateCounts::default(), Emitted::default());
        let mut all = Vec::new();
        for id in store.ids().collect::<Vec<_>>() {
            let group = store.block(id).group();
            let mut rules = Vec::new();
            store.with_key(id, |open| open.rules(&mut rules));
            for rule in rules.into_iter().map(|rule| rule as usize) {
                let (plan, parts) = (&*book.rules[rule], &parts[rule]);
                let mut values = |key: &str, state: RuleState<'_>| {
                    let workings =
                        Workings { runners: &mut runners[rule], counts: &mut counts, out: &mut out };
                    Judge::new(plan, key, state, workings).values(now)
                };
                let fresh = store.aside(group, parts, |state| values("", state.lent()));
                let made = store.with_key(id, |open| {
                    let key = open.key();
                    open.copy_of(parts, |state| {
                        state.bring_up_to(plan);
                        (!is_lapsed(plan, state, key, now)).then(|| values(key, state.lent()))
                    })
                });
                let differing =
                    made.into_iter().flatten().filter(|(id, outputs)| fresh.get(id) != Some(outputs));
                all.extend(differing.map(|(condition, outputs)| Figures {
                    rule_id: plan.id().to_owned(),
                    key: store.block(id).key().to_owned(),
                    condition,
                    outputs,
                }));
            }
        }
        all
    }
}
