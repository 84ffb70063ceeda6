//! Sorting of distinct numbers below a bound.

/// Sorter of distinct numbers, reused so that sorting allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Ascending {
    /// Bitmap over the numbers; all zero between calls.
    marks: Vec<u64>,
}

impl Ascending {
    /// Sorts distinct numbers less than `below`: by a bitmap where they are many, else by comparison.
    pub(super) fn sort(&mut self, numbers: &mut Vec<u32>, below: usize) {
        if numbers.is_sorted() {
            return;
        }
        let words = below.div_ceil(64);
        if numbers.len() < 32 || numbers.len() * 8 < words {
            numbers.sort_unstable();
            return;
        }
        self.marks.resize(words.max(self.marks.len()), 0);
        for number in numbers.drain(..) {
            self.marks[number as usize / 64] |= 1 << (number % 64);
        }
        for (first, word) in (0..).step_by(64).zip(&mut self.marks[..words]) {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                numbers.push(first + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
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
