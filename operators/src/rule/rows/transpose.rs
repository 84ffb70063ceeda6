//! Transposition of 64 by 64 bits.

/// Transposes a matrix of bits in place: bit `j` of word `i` becomes bit `i` of word `j` (Warren, Hacker's
/// Delight, 7-3: swaps ever smaller quarters).
pub(super) fn transpose(matrix: &mut [u64; 64]) {
    let (mut size, mut low) = (32, 0x0000_0000_FFFF_FFFF_u64);
    while size > 0 {
        for first in (0..64).filter(|first| first & size == 0) {
            let swapped = (matrix[first] >> size ^ matrix[first | size]) & low;
            matrix[first | size] ^= swapped;
            matrix[first] ^= swapped << size;
        }
        size >>= 1;
        low ^= low << size;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_become_columns(matrix in prop::collection::vec(any::<u64>(), 64)) {
            let matrix: [u64; 64] = matrix.try_into().unwrap();
            let mut transposed = matrix;
            transpose(&mut transposed);
            for (i, word) in matrix.iter().enumerate() {
                for (j, other) in transposed.iter().enumerate() {
                    prop_assert_eq!(word >> j & 1, other >> i & 1, "{} {}", i, j);
                }
            }
        }
    }
}
