//! Sorting of distinct numbers below a bound.

/// Most numbers that are sorted by comparison.
const FEW: usize = 16;

/// Sorter of distinct numbers, reused so that sorting allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Ascending {
    /// Bitmap over the numbers; all zero between calls.
    marks: Vec<u64>,
    /// Bitmap over the words of `marks` that are not zero.
    marked: Vec<u64>,
}

impl Ascending {
    /// Writes distinct numbers into `sorted`, ascending: by a bitmap where they are many, else by comparison. Those
    /// that are not less than `below` may be left out.
    #[inline(always)]
    pub(super) fn sort(
        &mut self,
        numbers: impl ExactSizeIterator<Item = u32>,
        below: usize,
        sorted: &mut Vec<u32>,
    ) {
        sorted.clear();
        if numbers.len() <= FEW {
            sorted.extend(numbers);
            if !sorted.is_sorted() {
                sorted.sort_unstable();
            }
            return;
        }
        let Ascending { marks, marked } = self;
        let words = below.div_ceil(64);
        marks.resize(words.max(marks.len()), 0);
        marked.resize(words.div_ceil(64).max(marked.len()), 0);
        for number in numbers {
            let word = number as usize / 64;
            if let Some(marks) = marks.get_mut(word) {
                *marks |= 1 << (number % 64);
                marked[word / 64] |= 1 << (word % 64);
            }
        }
        for (first, marked) in (0..).step_by(64).zip(marked) {
            for word in bits(std::mem::take(marked)).map(|bit| first + bit) {
                sorted.extend(bits(std::mem::take(&mut marks[word])).map(|bit| (word * 64 + bit) as u32));
            }
        }
    }
}

/// Positions of the bits of a word, ascending.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_ascend_whether_few_or_many(
            numbers in prop_oneof![
                prop::collection::hash_set(0..700u32, 0..300),
                prop::collection::hash_set(0..100_000u32, 0..300),
            ],
        ) {
            let mut expected: Vec<u32> = numbers.iter().copied().collect();
            expected.sort_unstable();
            let (mut ascending, mut sorted) = (Ascending::default(), Vec::new());
            for _ in 0..2 {
                ascending.sort(numbers.iter().copied(), 100_000, &mut sorted);
                prop_assert_eq!(&sorted, &expected, "marks are left clean");
            }
        }
    }
}
