//! Values that lie in objects within the properties, found by paths.
//!
//! A path `a.b.c` leads to the member of that name. Without one it leads on into the object that is called `a.b`, and
//! without that one into that called `a`: at each level the longest name counts that leads to a value. A list on the way
//! leads on by each of its elements.

use std::borrow::Cow;

use super::json::{self, MOST_LEVELS};
use crate::model::value::Value;

/// Name and value, as JSON, of a member.
pub(super) type Member<'a> = (Cow<'a, str>, &'a str);

/// The value to which a path leads among members; `None` if it leads to none. A list on the way leads on by each of its
/// elements: then the value is the list of what is found. It leads into [`MOST_LEVELS`] objects and lists, one within the
/// other.
pub(super) fn find<'a>(members: &[Member<'a>], path: &str) -> Option<Value<'a>> {
    let found = within(members, path, MOST_LEVELS);
    match found.as_slice() {
        [] => None,
        [one] => json::value(one),
        many => {
            let list = format!("[{}]", many.join(","));
            json::value(&list).map(Value::into_owned)
        }
    }
}

/// The values, as JSON, to which a path leads.
fn within<'a>(members: &[Member<'a>], path: &str, levels: usize) -> Vec<&'a str> {
    let member = |name: &str| {
        // Of a name that occurs twice, the last value counts.
        let member = members.iter().rev().find(|(own, _)| own == name);
        member.map(|(_, value)| *value).filter(|value| *value != "null")
    };
    let Some(levels) = levels.checked_sub(1) else { return Vec::new() };
    if let Some(value) = member(path) {
        return vec![value];
    }
    let on = |(dot, _): (usize, &str)| {
        let found = follow(member(&path[..dot])?, &path[dot + 1..], levels);
        (!found.is_empty()).then_some(found)
    };
    path.rmatch_indices('.').find_map(on).unwrap_or_default()
}

/// The values to which a path leads in an object, or in the elements of a list.
fn follow<'a>(json: &'a str, path: &str, levels: usize) -> Vec<&'a str> {
    let mut inside = Vec::new();
    if json.starts_with('{') {
        return match json::members(json, |name, value| inside.push((name, value))) {
            Ok(()) => within(&inside, path, levels),
            Err(_) => Vec::new(),
        };
    }
    let mut found = Vec::new();
    if let (true, Some(levels)) = (json.starts_with('['), levels.checked_sub(1)) {
        // It is valid, or it would not have been passed.
        let _ = json::elements(json, |element| found.extend(follow(element, path, levels)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(object: &str, path: &str) -> Option<String> {
        let mut members = Vec::new();
        json::members(object, |name, value| members.push((name, value))).unwrap();
        find(&members, path).map(|value| value.json().to_string())
    }

    #[test]
    fn the_longest_name_that_leads_to_a_value_counts() {
        let object = r#"{"a": {"b": {"c": 1, "d": 2}, "b.c": 3}, "a.b": {"d": 4, "e": {"f.g": "x"}}, "a.b.h": 5, "n": {"m": null}}"#;
        for (path, value) in [
            ("a.b.c", Some("3")),
            ("a.b.d", Some("4")),
            ("a.b.e.f.g", Some("\"x\"")),
            ("a.b.h", Some("5")),
            ("a.b.e", Some("{\"f.g\":\"x\"}")),
            ("a.b.e.f", None),
            ("a.x", None),
            ("n.m", None),
            ("a.b.c.d", None),
            ("a.", None),
            (".a", None),
        ] {
            assert_eq!(found(object, path).as_deref(), value, "{path}");
        }
        assert_eq!(found(r#"{"a": {"b": 1}, "a": {"b": 2}}"#, "a.b").as_deref(), Some("2"));
    }

    #[test]
    fn a_list_on_the_way_leads_on_by_its_elements() {
        let object = r#"{"items": [{"sku": 1, "tags": ["x", "y"]}, {"sku": null}, 7, [{"sku": 3}], {"sku": 2}], "none": [{}]}"#;
        for (path, value) in [
            ("items.sku", Some("[1,3,2]")),
            ("items.tags", Some(r#"["x","y"]"#)),
            ("items.name", None),
            ("none.sku", None),
        ] {
            assert_eq!(found(object, path).as_deref(), value, "{path}");
        }
    }

    #[test]
    fn paths_lead_into_so_many_objects() {
        let object = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let path = |depth: usize| vec!["a"; depth].join(".");
        assert_eq!(found(&object(MOST_LEVELS), &path(MOST_LEVELS)).as_deref(), Some("1"));
        assert_eq!(found(&object(MOST_LEVELS + 1), &path(MOST_LEVELS + 1)), None);
    }
}
