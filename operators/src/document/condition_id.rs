//! Ids of conditions.

/// Words with a meaning in expressions; no condition has one as its id, as `when` names conditions bare.
const KEYWORDS: &str = "true false let const if else switch do while until loop for in continue break return throw try \
    catch import export as private fn this is_def_fn is_def_var is_shared print debug eval call \
    curry type_of global super go async await yield var";

/// Whether a text is a condition id: `[a-z][a-z0-9_]{0,31}`, and no keyword of expressions.
pub fn is_condition_id(id: &str) -> bool {
    (1..=32).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && id.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && !KEYWORDS.split(' ').any(|keyword| keyword == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_plain_names_and_no_keywords() {
        for id in ["a", "fav_10", "lets", &"a".repeat(32)] {
            assert!(is_condition_id(id), "{id}");
        }
        for id in ["", "A", "1a", "_a", "a-b", "let", "yield", "type_of", "var", &"a".repeat(33)] {
            assert!(!is_condition_id(id), "{id}");
        }
    }
}
