//! Rows that are certain to take too much memory, found out before they are built.
//!
//! Every user of some crowd has a row, so the users of a few crowds tell the least that all rows take.

use std::{cmp::Reverse, collections::BTreeMap, mem::size_of};

use roaring::RoaringTreemap;

use super::{Block, block};
use crate::rule::crowd::Crowd;

/// Crowds are united until they have this many times the members that may have rows.
const UNITED: u64 = 3;

/// Whether rows of `width` words for the users of these crowds take more than `bound` bytes for certain. If it
/// is false, they may still do so. Takes a small part of the time of building them: it unites the largest
/// crowds, and unites none if the guids lie close enough together.
pub(super) fn is_certain(crowds: &BTreeMap<u32, Crowd>, width: usize, bound: usize) -> bool {
    let most = most_users(width, bound);
    if range(crowds) <= most {
        return false;
    }
    let mut largest: Vec<&Crowd> = crowds.values().collect();
    largest.sort_unstable_by_key(|crowd| Reverse(crowd.len()));
    let (mut users, mut united) = (RoaringTreemap::new(), 0);
    for crowd in largest {
        if users.len() > most || united > most.saturating_mul(UNITED) {
            break;
        }
        users |= &crowd.members().numbers;
        united += crowd.len();
    }
    users.len() > most
}

/// Most users whose rows of `width` words can fit, even if they fill their blocks.
fn most_users(width: usize, bound: usize) -> u64 {
    let block = block::COUNTS + size_of::<Block>() + 64 * 8 * width;
    (bound.saturating_mul(64) / block) as u64
}

/// Number of guids from the lowest to the highest user of the crowds.
fn range(crowds: &BTreeMap<u32, Crowd>) -> u64 {
    let lowest = crowds.values().filter_map(|crowd| crowd.members().numbers.min()).min();
    let highest = crowds.values().filter_map(|crowd| crowd.members().numbers.max()).max();
    lowest.zip(highest).map_or(0, |(lowest, highest)| (highest - lowest).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rule::rows::Rows;

    fn crowds(each: impl IntoIterator<Item = Vec<u64>>) -> BTreeMap<u32, Crowd> {
        (0..).zip(each.into_iter().map(|guids| Crowd::new(guids.into_iter().collect()))).collect()
    }

    /// Users near each other, far from each other, and at the ends of the range.
    fn guid() -> impl Strategy<Value = u64> {
        prop_oneof![0..300u64, (0..90u64).prop_map(|i| i << 40), (0..70u64).prop_map(|i| u64::MAX - i)]
    }

    proptest! {
        /// Rows that fit are never taken for too large.
        #[test]
        fn it_is_certain_only_of_rows_that_are_too_large(
            each in prop::collection::vec(prop::collection::vec(guid(), 0..60), 0..80), part in 1..100usize,
        ) {
            let crowds = crowds(each);
            let rows = Rows::default().changed(&crowds, usize::MAX).unwrap();
            prop_assert!(!is_certain(&crowds, rows.width(), rows.bytes()));
            let bound = rows.bytes() / 100 * part;
            prop_assert!(!is_certain(&crowds, rows.width(), bound) || rows.bytes() > bound);
        }
    }

    #[test]
    fn it_is_certain_if_the_users_of_a_few_crowds_are_too_many() {
        let most = most_users(1, 1 << 20);
        // Half of the users that may have rows, and others in each crowd.
        let part = |number: u64, of: u64| (0..most / of).map(|user| user * 1_000 + number).collect();
        let both = crowds((0..2).map(|number| part(number, 2)));
        let more = crowds((0..3).map(|number| part(number, 2)));
        assert!(!is_certain(&both, 1, 1 << 20) && is_certain(&more, 1, 1 << 20));
        let same = crowds((0..20).map(|_| part(0, 2)));
        assert!(!is_certain(&same, 1, 1 << 20), "the same users again");
        let close = crowds([(0..most).collect()]);
        assert!(
            !is_certain(&close, 1, 1 << 20) && is_certain(&crowds([(0..most + 1).collect()]), 1, 1 << 20)
        );
        assert!(!is_certain(&crowds([]), 0, 0) && !is_certain(&crowds([vec![]]), 1, 0));
    }

    #[test]
    fn few_members_are_united() {
        let most = most_users(1, 1 << 20);
        // The last crowd has users beside those of the others, and is not looked at.
        let first: Vec<u64> = (0..most).map(|user| user * 1_000).collect();
        let mut each = vec![first; 10];
        each.push((0..most / 2).map(|user| user * 1_000 + 1).collect());
        let crowds = crowds(each);
        assert!(!is_certain(&crowds, 1, 1 << 20));
        assert!(Rows::default().changed(&crowds, 1 << 20).is_err());
    }
}
