//! Sets of fields as rows of bits.

use crate::model::field::Field;

/// Sets of fields, all of the same length in words of 64 bits.
#[derive(Clone, Debug, Default)]
pub struct FieldSets {
    /// Length of a set in words.
    width: usize,
    words: Vec<u64>,
}

impl FieldSets {
    /// Makes the sets; `fields` is the number of all fields.
    pub(super) fn new(sets: &[Vec<Field>], fields: usize) -> FieldSets {
        let width = fields.div_ceil(64);
        let mut words = vec![0; width * sets.len()];
        for (row, set) in words.chunks_exact_mut(width.max(1)).zip(sets) {
            set.iter().for_each(|field| row[field.index() / 64] |= 1 << (field.index() % 64));
        }
        FieldSets { width, words }
    }

    /// Makes `union` the union of these sets.
    pub fn unite(&self, sets: &[u32], union: &mut Vec<u64>) {
        union.clear();
        // Up to 64 fields, as in most books, a set is one word.
        if self.width == 1 {
            union.push(sets.iter().fold(0, |union, set| union | self.words[*set as usize]));
            return;
        }
        union.resize(self.width, 0);
        for set in sets {
            let row = &self.words[*set as usize * self.width..][..self.width];
            union.iter_mut().zip(row).for_each(|(union, row)| *union |= row);
        }
    }
}

/// Fields of a set, ascending.
pub fn fields(set: &[u64]) -> impl Iterator<Item = Field> {
    let words = (0..).step_by(64).zip(set);
    words.flat_map(|(first, word)| {
        let mut bits = *word;
        std::iter::from_fn(move || {
            let bit = bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
            (bit < 64).then(|| Field(first + bit))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_has_the_fields_of_its_sets_ascending_and_once() {
        let set = |fields: &[u32]| fields.iter().map(|field| Field(*field)).collect::<Vec<_>>();
        let union = |sets: &[Vec<Field>], of: &[u32], fields_there| {
            let mut union = vec![u64::MAX];
            FieldSets::new(sets, fields_there).unite(of, &mut union);
            fields(&union).collect::<Vec<_>>()
        };
        let sets = [set(&[129, 3, 3]), set(&[]), set(&[63, 64, 3]), set(&[0, 191])];
        for (of, expected) in
            [(&[0, 1, 2][..], &[3, 63, 64, 129][..]), (&[1], &[]), (&[], &[]), (&[3, 0], &[0, 3, 129, 191])]
        {
            assert_eq!(union(&sets, of, 192), set(expected));
        }
        let few = [set(&[63, 3]), set(&[]), set(&[0, 3])];
        for (of, expected) in [(&[0, 1, 2][..], &[0, 3, 63][..]), (&[1], &[]), (&[], &[]), (&[2], &[0, 3])] {
            assert_eq!(union(&few, of, 64), set(expected));
        }
    }
}
