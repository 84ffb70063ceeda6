//! Members of a crowd: integers in a bitmap, texts as hashes.
//!
//! A hash is the first half of the text's SHA-256. So nobody can make up a text that passes for another's, and no key
//! has to be the same in all processes and all lives of a deployment.
//!
//! **Invariant**: hashes ascend, and each is there once.

use std::{
    cmp::Ordering,
    ops::{BitOr, Sub},
};

use roaring::RoaringTreemap;
use sha2::{Digest as _, Sha256};

use crate::model::guid::Guid;

/// A user as crowds look for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// A guid that is an integer.
    Number(u64),
    /// The hash of a guid that is a text.
    Text(u128),
}

impl From<u64> for Member {
    fn from(number: u64) -> Self {
        Member::Number(number)
    }
}

impl From<Guid<'_>> for Member {
    fn from(guid: Guid<'_>) -> Self {
        match guid {
            Guid::Number(number) => Member::Number(number),
            Guid::Text(text) => {
                let digest: [u8; 32] = Sha256::digest(text).into();
                let half = digest.first_chunk().copied().unwrap_or_default();
                Member::Text(u128::from_be_bytes(half))
            }
        }
    }
}

/// Members of a crowd.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::rule) struct Members {
    pub(in crate::rule) numbers: RoaringTreemap,
    texts: Box<[u128]>,
}

impl Members {
    /// Makes the members of these integers, and of hashes in any order.
    pub(super) fn new(numbers: RoaringTreemap, mut texts: Vec<u128>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        Members { numbers, texts: texts.into() }
    }

    /// Reads members from the bytes that [`to_bytes`](Self::to_bytes) has written.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let numbers = RoaringTreemap::deserialize_from(bytes).ok()?;
        let (texts, rest) = bytes.get(numbers.serialized_size()..)?.as_chunks();
        let texts: Box<[u128]> = texts.iter().map(|text| u128::from_be_bytes(*text)).collect();
        let ascend = texts.is_sorted_by(|a, b| a < b);
        (rest.is_empty() && ascend).then_some(Members { numbers, texts })
    }

    /// The bitmap in its portable form, then the hashes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.numbers.serialized_size() + size_of_val(&*self.texts));
        // Writing into memory does not fail.
        let _ = self.numbers.serialize_into(&mut bytes);
        self.texts.iter().for_each(|text| bytes.extend(text.to_be_bytes()));
        bytes
    }

    pub(super) fn contains(&self, member: Member) -> bool {
        match member {
            Member::Number(number) => self.numbers.contains(number),
            Member::Text(text) => self.texts.binary_search(&text).is_ok(),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.numbers.len() + self.texts.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hashes of members, ascending.
    pub(in crate::rule) fn texts(&self) -> &[u128] {
        &self.texts
    }
}

impl Sub for &Members {
    type Output = Members;

    fn sub(self, other: &Members) -> Members {
        let numbers = &self.numbers - &other.numbers;
        Members { numbers, texts: merged(&self.texts, &other.texts, [true, false, false]).collect() }
    }
}

impl BitOr for &Members {
    type Output = Members;

    fn bitor(self, other: &Members) -> Members {
        let numbers = &self.numbers | &other.numbers;
        Members { numbers, texts: merged(&self.texts, &other.texts, [true; 3]).collect() }
    }
}

/// Hashes that one of two crowds has, and the other has not, ascending.
pub(in crate::rule) fn differing<'m>(a: &'m [u128], b: &'m [u128]) -> impl Iterator<Item = u128> + 'm {
    merged(a, b, [true, false, true])
}

/// Hashes of two ascending lists, ascending: those of the first alone, of both, of the second alone, as `wanted`.
fn merged<'m>(mut a: &'m [u128], mut b: &'m [u128], wanted: [bool; 3]) -> impl Iterator<Item = u128> + 'm {
    std::iter::from_fn(move || {
        loop {
            let (order, next) = match (a.first(), b.first()) {
                (Some(a), Some(b)) => (a.cmp(b), *a.min(b)),
                (Some(a), None) => (Ordering::Less, *a),
                (None, Some(b)) => (Ordering::Greater, *b),
                (None, None) => return None,
            };
            if order.is_le() {
                a = &a[1..];
            }
            if order.is_ge() {
                b = &b[1..];
            }
            let [first, both, second] = wanted;
            let is_wanted = match order {
                Ordering::Less => first,
                Ordering::Equal => both,
                Ordering::Greater => second,
            };
            if is_wanted {
                return Some(next);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Model = (BTreeSet<u64>, BTreeSet<u128>);

    fn model() -> impl Strategy<Value = Model> {
        let hash = prop_oneof![0..12u128, (0..5u128).prop_map(|i| u128::MAX - i)];
        (prop::collection::btree_set(0..12u64, 0..8), prop::collection::btree_set(hash, 0..8))
    }

    fn members((numbers, texts): &Model) -> Members {
        Members::new(numbers.iter().copied().collect(), texts.iter().rev().copied().collect())
    }

    proptest! {
        #[test]
        fn sets_of_members_are_sets((a, b) in (model(), model())) {
            let (one, two) = (members(&a), members(&b));
            prop_assert_eq!(&one - &two, members(&(&a.0 - &b.0, &a.1 - &b.1)));
            prop_assert_eq!(&one | &two, members(&(&a.0 | &b.0, &a.1 | &b.1)));
            let differing: Vec<u128> = differing(one.texts(), two.texts()).collect();
            prop_assert_eq!(differing, (&a.1 ^ &b.1).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(one.len() as usize, a.0.len() + a.1.len());
            for i in 0..14 {
                prop_assert_eq!(one.contains(Member::Number(i)), a.0.contains(&i));
                prop_assert_eq!(one.contains(Member::Text(i.into())), a.1.contains(&i.into()));
            }
        }

        #[test]
        fn members_are_read_as_written(a in model()) {
            let (members, mut bytes) = (members(&a), members(&a).to_bytes());
            prop_assert_eq!(Members::from_bytes(&bytes), Some(members));
            bytes.pop();
            prop_assert_eq!(Members::from_bytes(&bytes), None);
        }
    }

    #[test]
    fn hashes_that_do_not_ascend_are_refused() {
        let bytes = Members::new([7].into_iter().collect(), vec![5, 9]).to_bytes();
        let end = bytes.len() - 16;
        let twice = [&bytes[..end], &bytes[end - 16..end]].concat();
        assert_eq!(Members::from_bytes(&twice), None);
    }

    #[test]
    fn texts_have_members_of_their_own() {
        assert_eq!(Member::from(Guid::Number(7)), Member::Number(7));
        // The first half of the digest that sha256sum prints for `u-1`.
        let hash = Member::from(Guid::Text("u-1"));
        assert_eq!(hash, Member::Text(0xa24a_7f55_f278_dd49_fb1f_99c5_5078_00cb));
    }
}
