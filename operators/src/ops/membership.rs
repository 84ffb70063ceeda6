//! Membership: whether a user is in the crowds of rules, with a cache of the users looked up lately.
//!
//! An event is checked against the crowd of each rule it matches, and a look-up in a bitmap searches memory
//! that is in no processor cache: with many rules that is a good part of the cost of matching. Events of one
//! user recur, so the answers of the bitmaps for a user are cached, all rules side by side.
//!
//! **Invariant**: cached answers are those of the installed crowds; [`Membership::install`] clears the cache.
//!
//! Rows are found as in a direct-mapped cache: each user has one row, and a later user of the same row
//! replaces the earlier one. So memory is bounded and no order has to be maintained.

use std::collections::HashMap;

use crate::rule::{book::RuleBook, crowd::Crowd};

/// Approximate upper bound of the bytes of all rows.
const ROOM: usize = 1 << 20;
/// Lower bound of the number of rows, whatever the number of crowds.
const FEWEST_ROWS: usize = 64;

/// Users whose events may set a rule off.
#[derive(Debug)]
enum Admitted {
    Everyone,
    /// Members of the crowd at that index of [`Membership::crowds`].
    Members(usize),
    Nobody,
}

/// The crowds of a book's rules, with a cache of look-ups.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// Admitted users, by position of the rule.
    admitted: Vec<Admitted>,
    crowds: Vec<Crowd>,
    /// Length of a row in words of 64 bits: the user, then a bit per crowd for whether it was looked up, then
    /// a bit per crowd for whether the user is in it. An unused row is one of user 0 for whom no crowd was
    /// looked up.
    width: usize,
    rows: Vec<u64>,
    /// Number of rows, a power of two.
    count: usize,
}

impl Membership {
    /// Switches to the rules of `book`. `crowds` are by slot; a rule whose crowd is missing there admits
    /// nobody.
    pub(super) fn install(&mut self, book: &RuleBook, mut crowds: HashMap<u32, Crowd>) {
        self.crowds.clear();
        let plans = book.rules.iter().zip(&book.has_crowd);
        self.admitted = plans
            .map(|(plan, has_crowd)| match has_crowd.then(|| crowds.remove(&plan.slot)) {
                None => Admitted::Everyone,
                Some(None) => Admitted::Nobody,
                Some(Some(crowd)) => {
                    self.crowds.push(crowd);
                    Admitted::Members(self.crowds.len() - 1)
                }
            })
            .collect();
        self.width = 1 + 2 * self.crowds.len().div_ceil(64);
        self.count = previous_power_of_two(ROOM / (8 * self.width)).max(FEWEST_ROWS);
        self.rows.clear();
        self.rows.resize(self.count * self.width, 0);
    }

    /// Whether the rule at that position admits the user; an event without a user is admitted by rules
    /// without a crowd.
    pub(super) fn admits(&mut self, rule: usize, guid: Option<u64>) -> bool {
        match (&self.admitted[rule], guid) {
            (Admitted::Everyone, _) => true,
            (Admitted::Nobody, _) | (Admitted::Members(_), None) => false,
            (Admitted::Members(crowd), Some(guid)) => self.is_in(*crowd, guid),
        }
    }

    fn is_in(&mut self, crowd: usize, guid: u64) -> bool {
        let place = place(guid, self.count);
        let row = &mut self.rows[place * self.width..][..self.width];
        if row[0] != guid {
            row.fill(0);
            row[0] = guid;
        }
        let (asked, inside) = row[1..].split_at_mut(self.width / 2);
        let (word, bit) = (crowd / 64, 1 << (crowd % 64));
        if asked[word] & bit == 0 {
            asked[word] |= bit;
            if self.crowds[crowd].contains(guid) {
                inside[word] |= bit;
            }
        }
        inside[word] & bit != 0
    }
}

/// Row of a user among `rows`, a power of two. Multiplying by the golden ratio spreads guids that ascend by
/// one or by larger steps (Knuth, The Art of Computer Programming, vol. 3, 6.4).
fn place(guid: u64, rows: usize) -> usize {
    let spread = guid.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (spread >> 32) as usize & (rows - 1)
}

fn previous_power_of_two(number: usize) -> usize {
    (number + 1).next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::ids::BookGeneration,
        rule::{
            catalog::Catalog,
            change::{ChangeSet, Published, RuleChange},
        },
    };

    /// Book with this number of rules; every third one has no crowd, and the crowd of the last one is
    /// missing.
    fn book(rules: usize) -> Arc<RuleBook> {
        let changes = (0..rules).map(|i| {
            let document = format!(r#"{{"rule_id": "r{i:04}", "trigger": {{"event": {{"id": "view"}}}}}}"#);
            let first = Published::first(&document, 1, 0, BTreeMap::new()).unwrap();
            let crowd = (i % 3 != 0).then(|| Crowd::new([1].into_iter().collect()));
            RuleChange::Put(Box::new(Published { crowd, ..first }))
        });
        Catalog::default()
            .apply(&ChangeSet { generation: BookGeneration(1), changes: changes.collect() })
            .book
    }

    fn crowds(book: &RuleBook, salt: u64) -> HashMap<u32, Crowd> {
        let rules = book.rules.iter().zip(&book.has_crowd).take(book.rules.len() - 1);
        let slots = rules.filter(|(_, has_crowd)| **has_crowd).map(|(plan, _)| plan.slot);
        let member = |slot: u32, guid: &u64| (guid * 31 + u64::from(slot) * 17 + salt).is_multiple_of(5);
        slots.map(|slot| (slot, Crowd::new((0..100).filter(|guid| member(slot, guid)).collect()))).collect()
    }

    #[test]
    fn rows_take_the_room_they_may() {
        for (number, wanted) in [(1, 1), (2, 2), (3, 2), (4, 4), (1023, 512), (1024, 1024)] {
            assert_eq!(previous_power_of_two(number), wanted, "{number}");
        }
        let mut membership = Membership::default();
        for rules in [3, 95, 300, 5_000] {
            let book = book(rules);
            membership.install(&book, crowds(&book, 0));
            let taken = 8 * membership.rows.len();
            assert!(taken <= ROOM && taken > ROOM / 2, "{rules} rules: {taken} bytes");
        }
    }

    proptest! {
        /// Whatever the order of look-ups, and whether users share a row or not: the answers are those of the
        /// crowds, and after a change those of the new ones.
        #[test]
        fn what_is_remembered_is_what_crowds_say(
            asked in prop::collection::vec((0..132usize, prop::option::of(0..100u64)), 1..400),
            few_rows in any::<bool>(),
        ) {
            let book = book(132);
            let mut membership = Membership::default();
            for salt in [0, 1] {
                let crowds = crowds(&book, salt);
                membership.install(&book, crowds.clone());
                if few_rows {
                    membership.count = 4;
                }
                for (rule, guid) in &asked {
                    let crowd = crowds.get(&book.rules[*rule].slot);
                    let wanted = !book.has_crowd[*rule]
                        || guid.is_some_and(|guid| crowd.is_some_and(|crowd| crowd.contains(guid)));
                    prop_assert_eq!(membership.admits(*rule, *guid), wanted, "rule {} guid {:?}", rule, guid);
                }
            }
        }
    }
}
