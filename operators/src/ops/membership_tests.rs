use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;

use super::*;
use crate::{
    model::ids::BookGeneration,
    rule::{
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
        crowd::Member,
    },
};

const RULES: usize = 132;
static BOOK: LazyLock<Arc<RuleBook>> = LazyLock::new(|| book(RULES));
const UNBOUNDED: usize = usize::MAX;

/// Book with this number of rules; every third one has no crowd, and the crowd of the last one is missing.
fn book(rules: usize) -> Arc<RuleBook> {
    let changes = (0..rules).map(|i| {
        let condition = |id: &str| format!(r#"{{"id": "{id}", "calculator": "count", "event": {{"id": "view"}}, "met": "value > 1"}}"#);
        let conditions = ["a", "b", "c"].map(condition)[..i % 4].join(",");
        let document = format!(
            r#"{{"rule_id": "r{i:04}", "conditions": [{conditions}], "trigger": {{"event": {{"id": "view"}}}}}}"#
        );
        let first = Published::first(&document, 1, 0, BTreeMap::new()).unwrap();
        let crowd = (i % 3 != 0).then(|| Crowd::new([1].into_iter().collect()));
        RuleChange::Put(Box::new(Published { crowd, ..first }))
    });
    Catalog::default().apply(&ChangeSet { generation: BookGeneration(1), changes: changes.collect() }).book
}

/// Crowds by slot; those of another `salt` differ, except that of every fifth slot.
fn crowds(book: &RuleBook, salt: u64) -> BTreeMap<u32, Crowd> {
    let rules = book.rules.iter().zip(&book.has_crowd).take(book.rules.len() - 1);
    let slots = rules.filter(|(_, has_crowd)| **has_crowd).map(|(plan, _)| plan.slot);
    let salt = |slot: u32| if slot.is_multiple_of(5) { 0 } else { salt };
    let member = |slot: u32, guid: &u64| (guid * 31 + u64::from(slot) * 17 + salt(slot)).is_multiple_of(5);
    slots.map(|slot| (slot, Crowd::new((0..100).filter(|guid| member(slot, guid)).collect()))).collect()
}

fn by_hash(crowds: &BTreeMap<u32, Crowd>) -> HashMap<u32, Crowd> {
    crowds.iter().map(|(slot, crowd)| (*slot, crowd.clone())).collect()
}

#[test]
fn crowds_that_rows_lack_are_looked_up_until_they_have_them() {
    let book = &**BOOK;
    let [first, second] = [0, 1].map(|salt| crowds(book, salt));
    let [early, late] = [&first, &second].map(|crowds| Rows::default().changed(crowds, UNBOUNDED).unwrap());
    let changed = first.iter().filter(|(slot, crowd)| second[slot] != **crowd).count();
    let mut membership = Membership::default();
    membership.install(book, by_hash(&first));
    assert_eq!(membership.looked_up(), first.len(), "no rows yet");
    membership.use_rows(book, Some(Arc::new(early)));
    assert_eq!(membership.looked_up(), 0);
    membership.install(book, by_hash(&second));
    assert_eq!((membership.looked_up(), changed > 50), (changed, true), "the others did not change");
    membership.use_rows(book, Some(Arc::new(late)));
    assert_eq!(membership.looked_up(), 0);
    membership.use_rows(book, None);
    assert_eq!(membership.looked_up(), second.len(), "rows are refused");
}

/// What becomes of the rows of a change of crowds.
#[derive(Clone, Copy, Debug)]
enum Delivery {
    BeforeTheSwitch,
    AfterIt,
    OneSwitchLate,
    Dropped,
    Refused,
}

fn delivery() -> impl Strategy<Value = Delivery> {
    use Delivery::{AfterIt, BeforeTheSwitch, Dropped, OneSwitchLate, Refused};
    prop::sample::select(vec![BeforeTheSwitch, AfterIt, OneSwitchLate, Dropped, Refused])
}

proptest! {
    /// Whatever the order of look-ups, whether users share a row of the cache or not, and whenever rows come
    /// or whether they are lost: the answers are those of the crowds, and after a change those of the new
    /// ones.
    #[test]
    fn answers_are_those_of_the_installed_crowds(
        asked in prop::collection::vec((0..RULES, prop::option::of(0..100u64)), 1..200),
        few_rows in any::<bool>(),
        switches in prop::collection::vec((0..4u64, delivery()), 1..6),
    ) {
        let book = &**BOOK;
        let mut membership = Membership::default();
        membership.install(book, HashMap::new());
        let (mut built, mut late) = (Rows::default(), None);
        for (salt, delivery) in switches {
            let crowds = crowds(book, salt);
            built = built.changed(&crowds, UNBOUNDED).unwrap();
            let rows = Some(Arc::new(built.clone()));
            if let Some(late) = late.take() {
                membership.use_rows(book, late);
            }
            if matches!(delivery, Delivery::BeforeTheSwitch) {
                membership.use_rows(book, rows.clone());
            }
            membership.install(book, by_hash(&crowds));
            if few_rows && membership.looked_up() > 0 {
                membership.cache.count = 4;
            }
            match delivery {
                Delivery::BeforeTheSwitch | Delivery::Dropped => {}
                Delivery::AfterIt => membership.use_rows(book, rows),
                Delivery::OneSwitchLate => late = Some(rows),
                Delivery::Refused => membership.use_rows(book, None),
            }
            for (rule, guid) in &asked {
                let crowd = crowds.get(&book.rules[*rule].slot);
                let wanted = !book.has_crowd[*rule]
                    || guid.is_some_and(|guid| crowd.is_some_and(|crowd| crowd.contains(Member::Number(guid))));
                let rows = membership.rows();
                let user = User::new(guid.map(Member::Number), rows.as_ref());
                prop_assert_eq!(membership.admit(*rule, user), wanted, "rule {} guid {:?}", rule, guid);
                let (mut all, mut kept) = (Vec::new(), vec![u32::MAX]);
                for list in 0..book.candidates.lists().len() {
                    all.extend_from_slice(&book.candidates.targets()[book.candidates.lists()[list].range()]);
                    membership.keep(book, list, user, &mut kept);
                }
                prop_assert_eq!(kept[0], u32::MAX);
                all.retain(|target| membership.admit(book.targets[*target as usize].rule(), user));
                all.sort_unstable();
                kept[1..].sort_unstable();
                prop_assert_eq!(&kept[1..], &all[..], "guid {:?}", guid);
            }
        }
    }
}
