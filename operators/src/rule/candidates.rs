//! Candidates: the targets that an event may have, by what it matched.
//!
//! **Invariant**: the lists of a unit hold the targets of exactly the unit's filters, each once; those of one
//! list have the same `key_by` and ascend.

use std::ops::Range;

use super::book::Target;
use crate::filter::Index;

/// Targets of each unit of the index, by `key_by`. All lie in one vector, unit after unit, since an event may
/// have thousands.
#[derive(Debug, Default)]
pub struct Candidates {
    /// End of each unit's lists.
    ends: Vec<u32>,
    lists: Vec<List>,
    targets: Vec<u32>,
}

/// Targets of a unit that share a `key_by`, by their range in [`Candidates::targets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Which `key_by` of the rule book.
    pub key_group: u32,
    start: u32,
    end: u32,
}

impl List {
    /// Positions of the targets.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Candidates {
    /// Makes the lists for the units of `index`, whose filters have these targets; `rule_key` is the `key_by`
    /// of each rule.
    pub(super) fn new(index: &Index, targets: &[Target], rule_key: &[u32]) -> Candidates {
        let mut candidates = Candidates::default();
        let group = |target: u32| rule_key[targets[target as usize].rule()];
        for unit in 0..index.len() as u32 {
            let mut filters = index.filters(unit).to_vec();
            filters.sort_by_key(|target| group(*target));
            for list in filters.chunk_by(|a, b| group(*a) == group(*b)) {
                let start = candidates.targets.len() as u32;
                candidates.targets.extend_from_slice(list);
                let end = candidates.targets.len() as u32;
                candidates.lists.push(List { key_group: group(list[0]), start, end });
            }
            candidates.ends.push(candidates.lists.len() as u32);
        }
        candidates
    }

    /// Positions of the lists of a unit.
    pub fn of(&self, unit: u32) -> Range<usize> {
        let start = unit.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        start as usize..self.ends[unit as usize] as usize
    }

    /// All lists.
    pub fn lists(&self) -> &[List] {
        &self.lists
    }

    /// Targets of all lists, by their positions in the rule book.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use crate::{
        model::ids::BookGeneration,
        rule::{
            catalog::Catalog,
            change::{ChangeSet, Published, RuleChange},
        },
    };

    #[test]
    fn lists_hold_the_filters_of_a_unit_by_key() {
        let rules = (0..40).map(|i| {
            let key = ["guid", "ip", "device_id"][i % 3];
            let document = format!(
                r#"{{"rule_id": "r{i:02}", "key_by": "{key}", "trigger": {{"event": {{"id": ["a", "b"]}}}},
                "conditions": [{{"id": "c", "calculator": "count", "met": "value > 1",
                    "event": {{"id": "a", "where": [{{"property": "p", "op": "=", "value": {}}}]}}}}]}}"#,
                i % 4
            );
            RuleChange::Put(Box::new(Published::first(&document, 1, 0, BTreeMap::new()).unwrap()))
        });
        let changes = ChangeSet { generation: BookGeneration(1), changes: rules.collect() };
        let book = Catalog::default().apply(&changes).book;
        assert_eq!(book.index.len(), 6, "four values of `p`, and all events of two ids");
        let mut lists = 0;
        for unit in 0..6 {
            let mut targets = Vec::new();
            for list in &book.candidates.lists()[book.candidates.of(unit)] {
                let of_list = &book.candidates.targets()[list.range()];
                assert!(!of_list.is_empty() && of_list.is_sorted());
                let group = |target: &u32| book.rule_key[book.targets[*target as usize].rule()];
                assert!(of_list.iter().all(|target| group(target) == list.key_group));
                targets.extend_from_slice(of_list);
                lists += 1;
            }
            targets.sort_unstable();
            assert_eq!(targets, book.index.filters(unit));
        }
        assert_eq!(lists, 18);
    }
}
