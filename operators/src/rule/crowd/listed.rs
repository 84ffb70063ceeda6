//! The bitmap of listed users.

use roaring::{RoaringBitmap, RoaringTreemap};

/// Makes the bitmap of users listed in any order; who is listed twice counts once. Bitmaps grow at their end,
/// which takes a few nanoseconds for each user of an ascending list.
pub(super) fn bitmap(mut guids: Vec<u64>) -> RoaringTreemap {
    if !guids.is_sorted_by(|a, b| a < b) {
        guids.sort_unstable();
        guids.dedup();
    }
    let mut rest = &guids[..];
    RoaringTreemap::from_bitmaps(std::iter::from_fn(|| {
        let upper = rest.first()? >> 32;
        let (part, others) = rest.split_at(rest.partition_point(|guid| guid >> 32 == upper));
        rest = others;
        let mut users = RoaringBitmap::new();
        // None is refused, as they ascend.
        let _ = users.append(part.iter().map(|guid| *guid as u32));
        Some((upper as u32, users))
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rule::crowd::Crowd;

    /// Users near each other, far from each other, and at the ends of the range.
    fn guid() -> impl Strategy<Value = u64> {
        prop_oneof![0..150u64, (0..20u64).prop_map(|i| i << 31), (0..70u64).prop_map(|i| u64::MAX - i)]
    }

    proptest! {
        /// The same members in the same form, and so the same digest, as if they were inserted one by one.
        #[test]
        fn a_list_makes_the_bitmap_of_its_users(guids in prop::collection::vec(guid(), 0..200)) {
            let inserted: RoaringTreemap = guids.iter().copied().collect();
            prop_assert_eq!(&bitmap(guids.clone()), &inserted);
            prop_assert_eq!(Crowd::listed(guids.into()), Crowd::new(inserted));
        }
    }

    #[test]
    fn dense_and_sparse_parts_have_the_form_of_inserted_ones() {
        let sparse = (70_000..80_000).filter(|guid| guid % 7 == 0);
        let guids: Vec<u64> = (0..9_000).chain(sparse).chain((1 << 32)..(1 << 32) + 5_000).collect();
        let members = guids.iter().copied().collect();
        let backwards: Vec<u64> = guids.into_iter().rev().collect();
        assert_eq!(Crowd::listed(backwards.into()), Crowd::new(members));
    }
}
