//! Sorting of distinct numbers below a bound.

/// Most numbers that are sorted by comparison.
const FEW: usize = 32;

/// Sorter of distinct numbers, reused so that sorting allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Ascending {
    /// Bitmap over the numbers; all zero between calls.
    marks: Vec<u64>,
    /// Bitmap over the words of `marks` that are not zero.
    marked: Vec<u64>,
}

impl Ascending {
    /// Sorts distinct numbers less than `below`: by a bitmap where they are many, else by comparison.
    pub(super) fn sort(&mut self, numbers: &mut Vec<u32>, below: usize) {
        if numbers.is_sorted() {
            return;
        }
        if numbers.len() <= FEW {
            numbers.sort_unstable();
            return;
        }
        let Ascending { marks, marked } = self;
        let words = below.div_ceil(64);
        marks.resize(words.max(marks.len()), 0);
        marked.resize(words.div_ceil(64).max(marked.len()), 0);
        for number in numbers.drain(..) {
            let word = number as usize / 64;
            marks[word] |= 1 << (number % 64);
            marked[word / 64] |= 1 << (word % 64);
        }
        for (first, marked) in (0..).step_by(64).zip(marked) {
            for word in bits(std::mem::take(marked)).map(|bit| first + bit) {
                numbers.extend(bits(std::mem::take(&mut marks[word])).map(|bit| (word * 64 + bit) as u32));
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
            let mut numbers: Vec<u32> = numbers.into_iter().collect();
            let mut expected = numbers.clone();
            expected.sort_unstable();
            let (mut ascending, again) = (Ascending::default(), numbers.clone());
            ascending.sort(&mut numbers, 100_000);
            prop_assert_eq!(&numbers, &expected);
            let mut numbers = again;
            ascending.sort(&mut numbers, 100_000);
            prop_assert_eq!(&numbers, &expected, "marks are left clean");
        }
    }
}
