//! Rules that never match.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::document::filters;

/// Number of rules that are kept as they are; all, if there are fewer.
pub(super) const BUSY: usize = 50;
/// Number of rules that never match.
pub(super) const IDLE: usize = 4_950;

/// Property of the added predicates if the rules read none.
const PROPERTY: &str = "page_id";

/// The rules, and `idle` copies of them in turn, each of whose filters demands a value that no event has, of
/// the property that the rules read most: events do carry it, so an index has to look.
pub(super) fn documents(busy: Vec<Json>, idle: usize) -> impl Iterator<Item = Json> {
    let property = most_read(&busy);
    let copies = busy.clone().into_iter().cycle().take(idle).zip(1..).map(move |(mut rule, number)| {
        let id = format!("idle-{number:05}");
        let predicate = json!({"property": property, "op": "=", "value": id});
        filters(&mut rule).into_iter().for_each(|filter| demand(filter, &predicate));
        rule["rule_id"] = json!(id);
        rule
    });
    busy.into_iter().chain(copies)
}

/// Adds a predicate to a filter.
fn demand(filter: &mut Json, predicate: &Json) {
    match filter.get_mut("where").and_then(Json::as_array_mut) {
        Some(predicates) => predicates.push(predicate.clone()),
        None => filter["where"] = json!([predicate]),
    }
}

/// The property that occurs in most predicates; of several, the first by name.
fn most_read(rules: &[Json]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for rule in rules {
        for filter in filters(&mut rule.clone()) {
            for predicate in filter["where"].as_array().into_iter().flatten() {
                if let Some(property) = predicate["property"].as_str() {
                    *counts.entry(property.to_owned()).or_default() += 1;
                }
            }
        }
    }
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map_or_else(|| PROPERTY.to_owned(), |(property, _)| property)
}
