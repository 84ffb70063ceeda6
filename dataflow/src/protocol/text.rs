//! Texts of bounded length.

use std::borrow::Cow;

/// Upper bound of a reason that is logged, sent or stored, bytes; a fault may quote a document of any length.
pub const REASON: usize = 4_096;

/// Cuts a text to at most `most` bytes, between characters, and appends `…` if anything was cut.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters() {
        assert_eq!(cut("重庆", 6), "重庆");
        assert_eq!(cut("重庆", 5), "重…");
        assert_eq!(cut("重庆", 2), "…");
    }
}
