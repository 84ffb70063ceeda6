//! Inspection of stored state, and corrections of it, from outside: beside a running engine, or while none
//! runs.
//!
//! Shown is the state of the last commit. Its rules determine which states exist; a state is read from the
//! hash of its name, with the changes in the listed blobs applied over it, just as a restart would read it.
//!
//! **Invariants**: no ownership is taken, and nothing is written but the stream of edits.
//!
//! **Limits**: every listed blob is read; in a Redis Cluster that is a minute of changes. A state that
//! changes at this moment may be shown as of the next checkpoint.

mod error;
mod stored_key;

use std::sync::Arc;

use operators::{
    model::{
        ids::{BookGeneration, CheckpointNumber},
        key,
    },
    ops::{Correction, evaluating::route_correction},
    rule::{
        catalog::{Applied, Catalog},
        change::{ChangeSet, Published, RuleChange},
        crowd::Crowd,
        lineage::{RULE_LEVEL, state_name},
        plan::RulePlan,
        remembered::Remembered,
    },
};
use serde_json::Value as Json;
use sinks::checkpoint::{CheckpointError, CheckpointStore};

pub use self::error::InspectError;
use self::stored_key::stored_key;
use super::{State, blob, committed::listed, manifest::Manifest, rules};

/// Number of commits that may overtake one read before it is given up.
const ATTEMPTS: usize = 10;

/// State of a rule for a key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyStates {
    /// Number of the checkpoint.
    pub checkpoint: CheckpointNumber,
    /// Position of the last correction that it includes, if there was one.
    pub corrections: Option<String>,
    /// The rule's version.
    pub version: u64,
    /// The key as triggers show it.
    pub key: Json,
    /// By condition, in their order, then of the rule itself (`@rule`): the state as text, or `None` for the
    /// initial state.
    pub states: Vec<(String, Option<String>)>,
}

/// Reader of the last commit.
pub struct Inspector {
    store: Box<dyn CheckpointStore>,
    checkpoint: CheckpointNumber,
    manifest: Manifest,
    rules: Vec<Remembered>,
}

/// A rule of the checkpoint, and the names of its states.
struct Found {
    published: Published,
    plan: Arc<RulePlan>,
    book: Applied,
}

impl Inspector {
    /// Reads the last commit.
    ///
    /// # Errors
    /// If there is none, or the store can't be read.
    pub fn open(state: &State) -> Result<Self, InspectError> {
        let mut store = state.open_now()?.ok_or(InspectError::NotKept)?;
        let (checkpoint, manifest, rules) = last_commit(&mut *store)?;
        Ok(Inspector { store, checkpoint, manifest, rules })
    }

    /// The states of a key: of all conditions of a rule and of the rule itself, or of one condition (`@rule`
    /// is the rule itself).
    ///
    /// # Errors
    /// If there is no such rule or condition, the text is not a key of the rule, or the store can't be read.
    pub fn states(
        &mut self,
        rule_id: &str,
        condition: Option<&str>,
        key: &str,
    ) -> Result<KeyStates, InspectError> {
        for _ in 0..ATTEMPTS {
            match self.read(rule_id, condition, key) {
                // A newer commit may have dropped blobs that this one lists.
                Err(InspectError::Store(_)) if self.renew()? => {}
                read => return read,
            }
        }
        self.read(rule_id, condition, key)
    }

    fn read(&mut self, rule_id: &str, condition: Option<&str>, key: &str) -> Result<KeyStates, InspectError> {
        let found = self.find(rule_id)?;
        let key = stored_key(&found.plan, key)?;
        let names = state_names(&found.published, condition)?;
        let mut states = Vec::new();
        for (_, name) in &names {
            states.push(self.store.fields(name, &[&key])?.pop().flatten());
        }
        for listed_blob in self.manifest.blobs.iter().filter(|listed| !listed.blob.triggers) {
            let blob = &listed_blob.blob;
            let delta = blob::state(&blob.name, &listed(&mut *self.store, blob)?)?;
            for change in delta.changes().filter(|change| change.key == key) {
                if let Some(i) = names.iter().position(|(_, name)| name == change.name) {
                    states[i] = change.text.map(str::to_owned);
                }
            }
        }
        Ok(KeyStates {
            checkpoint: self.checkpoint,
            corrections: self.manifest.corrections.clone(),
            version: found.published.version,
            key: key::show(&found.plan.key, &key),
            states: names.into_iter().map(|(part, _)| part).zip(states).collect(),
        })
    }

    /// Orders a correction: checks it against the rules of the checkpoint, and appends it to the stream of
    /// edits that the engine reads. Returns its position.
    ///
    /// # Errors
    /// If the engine would refuse it, or the store can't be written.
    pub fn correct(&mut self, correction: &Correction) -> Result<String, InspectError> {
        let Correction { rule_id, condition, key, text, by } = correction;
        let found = self.find(rule_id)?;
        if condition == RULE_LEVEL {
            let reason = "only the state of a condition can be corrected; name a condition";
            return Err(InspectError::Refused(format!("{RULE_LEVEL}: {reason}")));
        }
        state_names(&found.published, Some(condition))?;
        let key = stored_key(&found.plan, key)?;
        route_correction(&found.book.book, rule_id, condition, &key, text.as_deref())
            .map_err(|reason| InspectError::Refused(format!("{rule_id}, {condition}: {reason}")))?;
        let mut edit = vec![("rule", rule_id.as_str()), ("condition", condition), ("key", &key), ("by", by)];
        edit.extend(text.as_deref().map(|text| ("value", text)));
        Ok(self.store.push_edit(&edit)?)
    }

    /// Ids of a rule's conditions.
    ///
    /// # Errors
    /// If there is no such rule.
    pub fn conditions(&self, rule_id: &str) -> Result<Vec<String>, InspectError> {
        let found = self.find(rule_id)?;
        Ok(found.plan.conditions.iter().map(|condition| condition.id.clone()).collect())
    }

    /// Whether the last commit includes the correction at that position.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn has(&mut self, position: &str) -> Result<bool, InspectError> {
        self.renew()?;
        Ok(self.manifest.corrections.as_deref().is_some_and(|last| order(last) >= order(position)))
    }

    /// Reads the last commit again; returns whether it has changed.
    fn renew(&mut self) -> Result<bool, InspectError> {
        let (checkpoint, manifest, rules) = last_commit(&mut *self.store)?;
        let before = std::mem::replace(&mut self.checkpoint, checkpoint);
        (self.manifest, self.rules) = (manifest, rules);
        Ok(before != checkpoint)
    }

    fn find(&self, rule_id: &str) -> Result<Found, InspectError> {
        let in_force = || self.rules.iter().filter(|rule| rule.in_force).map(|rule| &rule.published);
        let published = in_force().find(|published| published.rule_id == rule_id).cloned();
        let published = published.ok_or_else(|| InspectError::NoRule {
            checkpoint: self.checkpoint,
            rule_id: rule_id.to_owned(),
            known: either(in_force().map(|published| published.rule_id.as_str()), "none"),
        })?;
        let change = RuleChange::Put(Box::new(published.clone()));
        let book =
            Catalog::default().apply(&ChangeSet { generation: BookGeneration(1), changes: vec![change] });
        if let Some((_, reason)) = book.rejected.first() {
            return Err(InspectError::Refused(format!("rule `{rule_id}` of the checkpoint: {reason}")));
        }
        match book.book.rules.first().cloned() {
            Some(plan) => Ok(Found { published, plan, book }),
            None => Err(InspectError::Refused(format!("rule `{rule_id}` of the checkpoint has no plan"))),
        }
    }
}

/// The last commit's number, its manifest and its rules.
fn last_commit(
    store: &mut dyn CheckpointStore,
) -> Result<(CheckpointNumber, Manifest, Vec<Remembered>), InspectError> {
    let mut tried = None;
    loop {
        let committed = store.committed()?.ok_or(InspectError::NoCheckpoint)?;
        let manifest = Manifest::from_json(&committed.manifest)?;
        match listed(store, &manifest.rules) {
            // The next commit may just have replaced the blob.
            Err(CheckpointError::Format { .. }) if tried != Some(committed.number) => {
                tried = Some(committed.number)
            }
            read => {
                let text = String::from_utf8_lossy(&read?).into_owned();
                // The crowds do not matter to stored state.
                let nobody = &mut |_: &str| Ok(Crowd::new(Default::default()));
                let rules = rules::from_json(&manifest.rules.name, &text, nobody)?;
                return Ok((committed.number, manifest, rules));
            }
        }
    }
}

fn either<'a>(words: impl Iterator<Item = &'a str>, none: &str) -> String {
    let words: Vec<&str> = words.collect();
    if words.is_empty() { none.to_owned() } else { words.join(", ") }
}

/// Names of a rule's states: for people, and in the store.
fn state_names(
    published: &Published,
    condition: Option<&str>,
) -> Result<Vec<(String, String)>, InspectError> {
    let Published { rule_id, lineage, .. } = published;
    let parts = lineage.conditions.iter().map(|b| (b.id.as_str(), b.since));
    let parts: Vec<(&str, u64)> = parts.chain([(RULE_LEVEL, lineage.rule)]).collect();
    let wanted = parts.iter().filter(|(part, _)| condition.is_none_or(|condition| condition == *part));
    let names: Vec<(String, String)> =
        wanted.map(|(part, since)| ((*part).to_owned(), state_name(rule_id, part, *since))).collect();
    match condition {
        Some(condition) if names.is_empty() => Err(InspectError::NoCondition {
            rule_id: rule_id.clone(),
            condition: condition.to_owned(),
            known: either(parts.iter().map(|(part, _)| *part), "none"),
        }),
        _ => Ok(names),
    }
}

/// Order of positions in all stores: numbers, `MS-SEQUENCE` in Redis.
fn order(position: &str) -> (u64, u64) {
    let (high, low) = position.split_once('-').unwrap_or((position, "0"));
    (high.parse().unwrap_or(0), low.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests;
