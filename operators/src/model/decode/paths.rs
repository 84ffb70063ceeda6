//! Values that lie in objects within the properties, found by paths.
//!
//! A path `a.b.c` leads to the member of that name. Without one it leads on into the object that is called `a.b`, and
//! without that one into that called `a`: at each level the longest name counts that leads to a value.

use std::borrow::Cow;

use super::json;

/// Most objects that a path leads into, one within the other.
const MOST_LEVELS: usize = 16;

/// Name and value, as JSON, of a member.
pub(super) type Member<'a> = (Cow<'a, str>, &'a str);

/// The value, as JSON, to which a path leads among members; `None` if it leads to none, or to `null`.
pub(super) fn find<'a>(members: &[Member<'a>], path: &str) -> Option<&'a str> {
    within(members, path, MOST_LEVELS)
}

fn within<'a>(members: &[Member<'a>], path: &str, levels: usize) -> Option<&'a str> {
    let member = |name: &str| {
        // Of a name that occurs twice, the last value counts.
        let member = members.iter().rev().find(|(own, _)| own == name);
        member.map(|(_, value)| *value).filter(|value| *value != "null")
    };
    let levels = levels.checked_sub(1)?;
    let on = |(dot, _): (usize, &str)| {
        let object = member(&path[..dot]).filter(|value| value.starts_with('{'))?;
        let mut inside = Vec::new();
        json::members(object, |name, value| inside.push((name, value))).ok()?;
        within(&inside, &path[dot + 1..], levels)
    };
    member(path).or_else(|| path.rmatch_indices('.').find_map(on))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(object: &'a str, path: &str) -> Option<&'a str> {
        let mut members = Vec::new();
        json::members(object, |name, value| members.push((name, value))).unwrap();
        find(&members, path)
    }

    #[test]
    fn the_longest_name_that_leads_to_a_value_counts() {
        let object = r#"{"a": {"b": {"c": 1, "d": 2}, "b.c": 3}, "a.b": {"d": 4, "e": {"f.g": "x"}}, "a.b.h": 5, "n": {"m": null}}"#;
        for (path, value) in [
            ("a.b.c", Some("3")),
            ("a.b.d", Some("4")),
            ("a.b.e.f.g", Some("\"x\"")),
            ("a.b.h", Some("5")),
            ("a.b.e", Some("{\"f.g\": \"x\"}")),
            ("a.b.e.f", None),
            ("a.x", None),
            ("n.m", None),
            ("a.b.c.d", None),
            ("a.", None),
            (".a", None),
        ] {
            assert_eq!(found(object, path), value, "{path}");
        }
        assert_eq!(found(r#"{"a": {"b": 1}, "a": {"b": 2}}"#, "a.b"), Some("2"));
    }

    #[test]
    fn paths_lead_into_so_many_objects() {
        let object = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let path = |depth: usize| vec!["a"; depth].join(".");
        assert_eq!(found(&object(MOST_LEVELS), &path(MOST_LEVELS)), Some("1"));
        assert_eq!(found(&object(MOST_LEVELS + 1), &path(MOST_LEVELS + 1)), None);
    }
}
