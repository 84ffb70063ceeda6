//! A name as an object writes it, with quotes and colon, for comparison with a record.

/// Bytes compared at once; the rest of longer keys is compared in a second step.
const AT_ONCE: usize = 16;

/// A name with its quotes and colon, as far as it is compared at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// The first [`AT_ONCE`] bytes, the first lowest.
    first: u128,
    /// Ones for the bytes of `first` that are part of the key.
    mask: u128,
    /// Length of the whole key in bytes.
    len: usize,
}

impl Key {
    /// The key that is `text`: a name in quotes, and a colon.
    pub(super) fn new(text: &str) -> Key {
        let (mut bytes, mut mask) = ([0; AT_ONCE], [0; AT_ONCE]);
        for (i, byte) in text.bytes().take(AT_ONCE).enumerate() {
            (bytes[i], mask[i]) = (byte, u8::MAX);
        }
        Key { first: u128::from_le_bytes(bytes), mask: u128::from_le_bytes(mask), len: text.len() }
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether `rest` begins with this key; `text` is the whole key, for long keys and the end of a record.
    #[inline(always)]
    pub(super) fn begins<'t>(&self, rest: &[u8], text: impl FnOnce() -> &'t str) -> bool {
        let Some(bytes) = rest.first_chunk() else { return rest.starts_with(text().as_bytes()) };
        let differences = (u128::from_le_bytes(*bytes) ^ self.first) & self.mask;
        differences == 0 && (self.len <= AT_ONCE || rest.starts_with(text().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn begins_as_texts_begin(name in "[ab重]{0,30}", rest in "\"?[ab重]{0,30}\"?:?[a0]{0,30}", own in any::<bool>()) {
            let text = format!("\"{name}\":");
            let key = Key::new(&text);
            prop_assert_eq!(key.len(), text.len());
            let rest = if own { format!("{text}{rest}") } else { rest };
            prop_assert_eq!(key.begins(rest.as_bytes(), || &text), rest.starts_with(&text));
            // One byte of the key changed.
            for i in 0..text.len() {
                let mut other = format!("{text}{rest}").into_bytes();
                other[i] ^= 1;
                prop_assert!(!key.begins(&other, || &text));
            }
        }
    }
}
