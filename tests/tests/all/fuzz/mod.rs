//! Fuzzing of what the engine reads: nothing panics, what can't be used is refused with a reason, and what is read
//! and written again is the same.
//!
//! - `events`: records, by every way of writing them
//! - `rules`: documents, from their text to the triggers that they fire
//! - `wire`: routed batches from other processes

mod events;
mod rules;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

use operators::{
    model::ids::BookGeneration,
    rule::{
        book::RuleBook,
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
    },
};
use serde_json::{Value as Json, json};
use strateye_tests::compiler::compiler;

/// Rules with an id of each its own, for everybody.
fn told_apart(rules: &[Json]) -> Vec<Json> {
    let told_apart = |(at, rule): (usize, &Json)| {
        let mut rule = rule.clone();
        rule["rule_id"] = json!(format!("r{at}"));
        rule.as_object_mut().unwrap().remove("crowd");
        rule
    };
    rules.iter().enumerate().map(told_apart).collect()
}

/// A book of rules for everybody.
fn book(rules: &[Json]) -> Arc<RuleBook> {
    let published = |rule: &Json| {
        let published = Published::first(&rule.to_string(), 1, 0, BTreeMap::new()).unwrap();
        RuleChange::Put(Box::new(published))
    };
    let changes = told_apart(rules).iter().map(published).collect();
    let mut catalog = Catalog::new(compiler());
    Arc::clone(&catalog.apply(&ChangeSet { generation: BookGeneration(1), changes }).book)
}
