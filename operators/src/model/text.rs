//! Forms of texts that are equal to a reader.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;

/// The text with its accents composed (Unicode's NFC): `é` is one character, however it was typed.
#[inline]
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { ComposingNormalizerBorrowed::new_nfc().normalize(text) }
}

/// The text without case, nor forms of one character (Unicode's case folding and NFKC): `Ａｐｐ` is `app`.
pub(crate) fn folded(text: &str) -> String {
    let compatible = ComposingNormalizerBorrowed::new_nfkc();
    // Folding may leave what the normal form composes.
    compatible.normalize(&CaseMapper::new().fold_string(&compatible.normalize(text))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_text_are_equal() {
        assert_eq!(composed("e\u{301}t\u{e9}"), "été");
        assert!(matches!(composed("重庆民宿"), Cow::Borrowed(_)));
        for (text, expected) in [
            ("ＡＰＰ－１", "app-1"),
            ("Straße", "strasse"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("E\u{301}", "é"),
            ("重庆", "重庆"),
        ] {
            assert_eq!(folded(text), expected, "{text}");
            assert_eq!(folded(&folded(text)), expected, "{text}");
        }
    }
}
