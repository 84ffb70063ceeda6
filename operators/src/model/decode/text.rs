//! The end of a text in a record, 16 bytes per step.

const ONES: u128 = 0x0101_0101_0101_0101_0101_0101_0101_0101;
const HIGH: u128 = 0x80 * ONES;

/// Position of the quote that ends the text of which `at` is the first byte. `None` if a backslash, a control
/// character or the end of the record comes before. In a record of less than 16 bytes, which is no event, the
/// end of a text that is not empty is not found.
#[inline(always)]
pub(super) fn end(record: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        let special = special(sixteen_at(record, at));
        at += special.trailing_zeros() as usize / 8;
        if special != 0 {
            return (*record.get(at)? == b'"').then_some(at);
        }
    }
}

/// Sets the high bit of the first byte that is a quote, a backslash or a control character. Of the bytes
/// behind it any may be set, as subtractions borrow from them; of those before it none is.
fn special(bytes: u128) -> u128 {
    let below = |bytes: u128, limit: u8| bytes.wrapping_sub(ONES * u128::from(limit)) & !bytes;
    // With this bit flipped, the quote is the next byte behind the control characters.
    let control_or_quote = below(bytes ^ (ONES * 2), b' ' + 1);
    (control_or_quote | below(bytes ^ (ONES * u128::from(b'\\')), 1)) & HIGH
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
        }
    }
}
