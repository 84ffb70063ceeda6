//! The rule books of a story.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use crate::{
    model::ids::BookGeneration,
    ops::signal::Shelf,
    rule::{
        catalog::{Applied, Catalog},
        change::{ChangeSet, Published, RuleChange},
    },
};

/// Number of books; every second one pauses `often` and begins `unpaid` anew.
pub(super) const BOOKS: u64 = 8;

const OFTEN: &str = r#"{"rule_id": "often", "key_by": "ip", "trigger": {"each": "n"}, "conditions": [
    {"id": "n", "calculator": "count", "event": {"id": ["A", "B"]}, "window": {"last": "1s"}, "met": "value >= 2"}]}"#;
const UNPAID: &str = r#"{"rule_id": "unpaid", "trigger": {"each": "n"}, "conditions": [
    {"id": "n", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "300ms"}}]}"#;
const LIMITED: &str = r#"{"rule_id": "limited", "trigger": {"event": {"id": "T"}}, "limit": {"times": 2, "per": "2s"},
    "when": "n.value >= 2 || s", "conditions": [{"id": "n", "calculator": "count", "event": {"id": "A"}},
    {"id": "s", "calculator": "sequence", "steps": [{"id": "A"}, {"id": "B"}, {"id": "T"}]}]}"#;

/// Books by generation, from 1.
pub(super) struct Books(pub(super) BTreeMap<BookGeneration, Arc<Applied>>);

impl Shelf for Books {
    fn applied(&self, generation: BookGeneration) -> Option<Arc<Applied>> {
        self.0.get(&generation).cloned()
    }
}

/// Compiled once for all stories.
pub(super) static ALL_BOOKS: LazyLock<Arc<Books>> = LazyLock::new(|| Arc::new(books()));

fn books() -> Books {
    let mut catalog = Catalog::default();
    let first = |document, version| Published::first(document, version, 0, BTreeMap::new()).unwrap();
    let mut often = first(OFTEN, 1);
    let apply = |number: u64| {
        let anew = number / 2 + 1;
        match often.pause.take() {
            None if number.is_multiple_of(2) => often.pause = Some(number),
            // The events of every second pause do not count.
            former => often.skipped.extend(former.filter(|pause| pause.is_multiple_of(4))),
        }
        let rules = [often.clone(), first(UNPAID, anew), first(LIMITED, 1)];
        let changes = rules.into_iter().map(|rule| RuleChange::Put(Box::new(rule))).collect();
        let generation = BookGeneration(number);
        let applied = catalog.apply(&ChangeSet { generation, changes });
        assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
        (generation, Arc::new(applied))
    };
    Books((1..=BOOKS).map(apply).collect())
}
