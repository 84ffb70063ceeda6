//! The end of a text in a record, 16 bytes per step.
//!
//! On x86-64 by instructions that all its processors have, elsewhere by arithmetic that gives the same.

/// Position of the quote that ends the text of which `at` is the first byte. `None` if a backslash, a control
/// character or the end of the record comes before. In a record of less than 16 bytes, which is no event, the
/// end of a text that is not empty is not found.
#[inline(always)]
pub(super) fn end(record: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        let others = others(sixteen_at(record, at));
        at += others;
        if others < 16 {
            return (*record.get(at)? == b'"').then_some(at);
        }
    }
}

/// Number of bytes before the first quote, backslash or control character.
#[inline(always)]
#[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
#[allow(unsafe_code)]
fn others(bytes: u128) -> usize {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    #[target_feature(enable = "sse2")]
    #[inline]
    fn special(bytes: __m128i) -> i32 {
        let is = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed()));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(is(b'"'), is(b'\\')), control))
    }
    // SAFETY: the instructions belong to SSE2, which every x86-64 processor has.
    let special = unsafe { special(_mm_set_epi64x((bytes >> 64) as i64, bytes as i64)) };
    // Bit 16 stands for the end.
    (special | 1 << 16).trailing_zeros() as usize
}

/// Number of bytes before the first quote, backslash or control character.
#[inline(always)]
#[cfg(not(all(target_arch = "x86_64", not(feature = "portable"))))]
fn others(bytes: u128) -> usize {
    swar(bytes)
}

/// [`others`] for any processor.
#[cfg(any(test, not(all(target_arch = "x86_64", not(feature = "portable")))))]
fn swar(bytes: u128) -> usize {
    const ONES: u128 = 0x0101_0101_0101_0101_0101_0101_0101_0101;
    // A byte's high bit is set if the byte is below the limit. Of the bytes behind such a one any may be set,
    // as subtractions borrow from them; of those before it none is.
    let below = |bytes: u128, limit: u8| bytes.wrapping_sub(ONES * u128::from(limit)) & !bytes;
    // With this bit flipped, the quote is the next byte behind the control characters.
    let control_or_quote = below(bytes ^ (ONES * 2), b' ' + 1);
    let special = control_or_quote | below(bytes ^ (ONES * u128::from(b'\\')), 1);
    (special & (0x80 * ONES)).trailing_zeros() as usize / 8
}

/// The bytes at `at`, the first lowest; zeros behind the end of the record, and for a record of less than 16.
fn sixteen_at(record: &[u8], at: usize) -> u128 {
    match record.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => u128::from_le_bytes(*bytes),
        None => record.last_chunk().map_or(0, |last| {
            let beyond = at + 16 - record.len();
            u128::from_le_bytes(*last).unbounded_shr(8 * beyond as u32)
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes around the limits of what is looked for.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            30 => prop::sample::select(b"ab !#[]\x7f\x80\xa0\xa2\xdc\xff".to_vec()),
            1 => prop::sample::select(b"\"\"\\\0\x01\x1f\n".to_vec()),
            3 => any::<u8>(),
        ]
    }

    proptest! {
        #[test]
        fn the_end_is_that_which_a_loop_finds(record in prop::collection::vec(byte(), 0..100), at in 0..120usize) {
            let special = |i: &usize| record[*i] == b'"' || record[*i] == b'\\' || record[*i] < b' ';
            let first = (at..record.len()).find(special);
            let right = first.filter(|i| record[*i] == b'"' && (record.len() >= 16 || *i == at));
            prop_assert_eq!(end(&record, at), right);
            let sixteen = sixteen_at(&record, at);
            prop_assert_eq!(others(sixteen), swar(sixteen));
        }
    }
}
