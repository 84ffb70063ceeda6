use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{document::user_list::UserList, model::guid::Guid};

const UNBOUNDED: usize = usize::MAX;

fn crowd(guids: impl IntoIterator<Item = u64>) -> Crowd {
    Crowd::new(guids.into_iter().collect())
}

/// Users near each other, far from each other, and at the ends of the range.
fn guid() -> impl Strategy<Value = u64> {
    prop_oneof![0..150u64, (0..20u64).prop_map(|i| i << 40), (0..70u64).prop_map(|i| u64::MAX - i)]
}

/// Whether the user of that number has a text.
fn has_text(guid: u64) -> bool {
    guid % 5 == 2
}

fn member(guid: u64) -> Member {
    if has_text(guid) { Member::from(Guid::Text(&format!("u-{guid}"))) } else { Member::Number(guid) }
}

/// The users of a crowd, and the crowd.
fn listed(guids: Vec<u64>) -> (Vec<u64>, Crowd) {
    let texts = guids.iter().filter(|guid| has_text(**guid)).map(|guid| format!("u-{guid}").into());
    let numbers = guids.iter().copied().filter(|guid| !has_text(*guid)).collect();
    let crowd = Crowd::listed(UserList { numbers, texts: texts.collect() });
    (guids, crowd)
}

type Users = BTreeMap<u32, Vec<u64>>;

fn crowds(most: u32) -> impl Strategy<Value = (Users, BTreeMap<u32, Crowd>)> {
    let members = prop::collection::vec(guid(), 0..9);
    prop::collection::btree_map(0..most, members.prop_map(listed), 0..90).prop_map(|listed| {
        listed.into_iter().map(|(slot, (users, crowd))| ((slot, users), (slot, crowd))).unzip()
    })
}

/// Checks rows against the bitmaps of the crowds they were made of, and the figure of their bytes.
fn check(
    rows: &Rows,
    (users, crowds): &(Users, BTreeMap<u32, Crowd>),
    asked: &BTreeSet<u64>,
) -> Result<(), TestCaseError> {
    for (slot, crowd) in crowds {
        let column = rows.column(*slot, crowd);
        prop_assert!(column.is_some());
        for guid in asked {
            let has = column.is_some_and(|column| Rows::has(rows.row(member(*guid)), column));
            prop_assert_eq!(has, users[slot].contains(guid), "{} in the crowd of {}", guid, slot);
            prop_assert_eq!(has, crowd.contains(member(*guid)), "{} in the crowd of {}", guid, slot);
        }
    }
    let positions: BTreeSet<usize> = rows.columns.values().map(|column| column.position).collect();
    prop_assert_eq!((positions.len(), rows.columns.len()), (crowds.len(), crowds.len()));
    // Exactly the users of some crowd have a row.
    let users: BTreeSet<u64> = users.values().flatten().copied().collect();
    let numbers = users.iter().filter(|guid| !has_text(**guid));
    let blocks = numbers.map(|guid| guid / 64).collect::<BTreeSet<_>>().len();
    prop_assert_eq!(rows.blocks.len(), blocks);
    let texts = users.iter().filter(|guid| has_text(**guid)).count();
    let row_bytes = users.len() * rows.width * 8 + (blocks + texts) * 16;
    let tables = rows.blocks.allocation_size() + rows.texts.table_bytes();
    prop_assert_eq!(rows.bytes(), row_bytes + tables);
    for guid in asked {
        prop_assert_eq!(rows.row(member(*guid)).is_empty(), !users.contains(guid));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// After any sequence of changes of crowds, rules that come and go included.
    #[test]
    fn rows_say_what_the_bitmaps_say(
        changes in prop::collection::vec(crowds(140), 1..5),
        others in prop::collection::vec(guid(), 0..40),
    ) {
        let members = changes.iter().flat_map(|(users, _)| users.values()).flatten().copied();
        let asked: BTreeSet<u64> = members.chain(others).collect();
        let mut rows = Rows::default();
        for crowds in &changes {
            rows = rows.changed(&crowds.1, UNBOUNDED).unwrap();
            check(&rows, crowds, &asked)?;
        }
    }

    /// Rows that take exactly their bound are made, and those that take a byte more are not.
    #[test]
    fn rows_above_their_bound_are_refused((_, before) in crowds(100), (_, after) in crowds(100)) {
        let former = Rows::default().changed(&before, UNBOUNDED).unwrap();
        let rows = former.changed(&after, UNBOUNDED).unwrap();
        let bytes = rows.bytes();
        prop_assert_eq!(former.changed(&after, bytes).map(|rows| rows.bytes()), Ok(bytes));
        if bytes > 0 {
            let refused = former.changed(&after, bytes - 1).map(|rows| rows.bytes());
            prop_assert_eq!(refused, Err(RowsError::TooLarge { bound: bytes - 1 }));
        }
    }
}

/// Rows fit although the table in which text users are found doubles while one comes and the others go.
#[test]
fn rows_that_fit_are_made_whatever_users_were_there_before() {
    let of =
        |guids: std::ops::Range<u64>| BTreeMap::from([(0, listed(guids.map(|i| 5 * i + 2).collect()).1)]);
    for most in 1..64 {
        let former = Rows::default().changed(&of(0..most), UNBOUNDED).unwrap();
        for other in 100..110 {
            let after = of(other..other + 1);
            let bytes = former.changed(&after, UNBOUNDED).unwrap().bytes();
            assert_eq!(former.changed(&after, bytes).map(|rows| rows.bytes()), Ok(bytes), "{most} before");
        }
    }
}

#[test]
fn a_changed_crowd_touches_only_the_blocks_in_which_it_differs() {
    let before = BTreeMap::from([(3, crowd(0..10_000)), (5, crowd((0..10_000).step_by(7)))]);
    let rows = Rows::default().changed(&before, UNBOUNDED).unwrap();
    let after =
        BTreeMap::from([(3, crowd((0..10_000).filter(|guid| *guid != 700))), (5, before[&5].clone())]);
    let changed = rows.changed(&after, UNBOUNDED).unwrap();
    let differing: Vec<u64> = (0..10_000 / 64 + 1)
        .filter(|number| {
            !std::ptr::eq(rows.row(Member::Number(number * 64)), changed.row(Member::Number(number * 64)))
        })
        .collect();
    assert_eq!(differing, [700 / 64]);
    assert!(
        Rows::has(rows.row(Member::Number(700)), rows.column(3, &before[&3]).unwrap()),
        "the former rows are as before"
    );
    assert_eq!((changed.column(3, &before[&3]), changed.column(4, &before[&3])), (None, None));
}

#[test]
fn a_rule_that_comes_takes_the_column_of_one_that_went() {
    let all = |slots: std::ops::Range<u32>| -> BTreeMap<u32, Crowd> {
        slots.map(|slot| (slot, crowd([u64::from(slot), 1_000]))).collect()
    };
    let rows = Rows::default().changed(&all(0..64), UNBOUNDED).unwrap();
    let shifted = rows.changed(&all(30..94), UNBOUNDED).unwrap();
    assert_eq!((rows.width, shifted.width, shifted.row(Member::Number(1_000))), (1, 1, &[u64::MAX][..]));
    let wide = shifted.changed(&all(30..95), UNBOUNDED).unwrap();
    assert_eq!((wide.width, wide.changed(&all(30..94), UNBOUNDED).unwrap().width), (2, 2));
    assert_eq!(wide.changed(&all(0..0), UNBOUNDED).unwrap().bytes(), 0);
}

#[test]
fn rows_may_take_a_multiple_of_the_bitmaps() {
    let members = |n: u64, step: u64| crowd((0..n).map(|i| i * step));
    let dense = members(200_000, 2);
    let dense: BTreeMap<u32, Crowd> = (0..40).map(|slot| (slot, dense.clone())).collect();
    let bytes = Rows::default().changed(&dense, 256 << 20).unwrap().bytes();
    let bitmaps: usize = dense.values().map(Crowd::bytes).sum();
    assert!(bytes > ALWAYS && TIMES * bitmaps < 256 << 20, "{bytes} {bitmaps}");
    // A user in a million: the table alone takes more than four times the bitmap.
    let sparse = BTreeMap::from([(0, members(100_000, 1_000_000))]);
    let bound = TIMES * sparse[&0].bytes();
    let refused = Rows::default().changed(&sparse, 256 << 20).map(|rows| rows.bytes());
    assert!(bound > ALWAYS);
    assert_eq!(refused, Err(RowsError::TooLarge { bound }));
    let few = BTreeMap::from([(0, members(1_000, 1_000_000))]);
    assert!(Rows::default().changed(&few, 256 << 20).is_ok(), "1 MiB in any case");
    assert!(Rows::default().changed(&few, 0).is_err());
}
