//! What a file of events has of what rules read. A name that no event has is most often one that is spelled otherwise.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use operators::{
    filter::Filter,
    model::{
        decode::{Decoder, EventFormat, StreamDecoder},
        field::{Field, Fields, TOP_LEVEL},
    },
    rule::plan::TriggerPlan,
};

use super::{
    super::{CliError, survey::each_line},
    check::Compiled,
};

/// Names that events of a file have.
pub(super) struct Seen {
    path: PathBuf,
    /// Those that rules read.
    fields: Fields,
    /// Whether an event has it, by position.
    is_seen: Vec<bool>,
    event_ids: HashSet<String>,
}

impl Seen {
    /// Reads a file to its end, for what `rules` read.
    pub(super) fn read<'r>(
        path: &Path,
        format: &EventFormat,
        rules: impl Iterator<Item = &'r Compiled>,
    ) -> Result<Self, CliError> {
        let mut fields = Fields::default();
        rules.for_each(|rule| drop(fields.adopt(&rule.fields)));
        let mut decoder = StreamDecoder::new(Decoder::new(format), fields.clone());
        let (mut is_seen, mut event_ids) = (vec![false; fields.len()], HashSet::new());
        each_line(path, |_, line| {
            let Some(event) = line.ok().and_then(|line| decoder.decode(line).ok()) else { return };
            is_seen.iter_mut().zip(&event.values).for_each(|(seen, value)| *seen |= value.is_some());
            if !event_ids.contains(event.event_id()) {
                event_ids.insert(event.event_id().to_owned());
            }
            decoder.recycle(event);
        })?;
        Ok(Seen { path: path.to_owned(), fields, is_seen, event_ids })
    }

    /// Notes of what a rule reads and no event has.
    pub(super) fn missing(&self, rule: &Compiled) -> Vec<String> {
        let Compiled { plan, fields } = rule;
        let trigger = match &plan.trigger {
            TriggerPlan::Event(filter) => Some(filter),
            TriggerPlan::Satisfied | TriggerPlan::Each { .. } => None,
        };
        let filters = plan.conditions.iter().flat_map(|condition| &condition.filters).chain(trigger);
        let event_ids: BTreeSet<&str> = filters.flat_map(Filter::event_ids).collect();
        let has_event = |id: &str| id == "*" && !self.event_ids.is_empty() || self.event_ids.contains(id);
        let event_ids = event_ids.into_iter().filter(|id| !has_event(id));
        let event_ids = event_ids.map(|id| format!("an event `{id}`"));
        let own = (TOP_LEVEL.len()..fields.len()).map(|at| Field(at as u32));
        let read: BTreeSet<Field> = plan.key.fields.iter().copied().chain(own).collect();
        let names = read.into_iter().map(|field| fields.path(field)).filter(|name| !self.has(name));
        let names = names.map(|name| format!("`{name}`"));
        event_ids.chain(names).map(|what| format!("note: {} has no {what}", self.path.display())).collect()
    }

    /// Whether an event has a top-level field or property, by its [path](Fields::path).
    fn has(&self, path: &str) -> bool {
        let field = match path.strip_prefix("properties.") {
            Some(property) => self.fields.property(property),
            None => TOP_LEVEL.iter().position(|name| *name == path).map(|at| Field(at as u32)),
        };
        field.is_some_and(|field| self.is_seen[field.index()])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use operators::{document::spec::Rule, rule::compile::compile};
    use serde_json::{Value as Json, json};

    use super::*;

    fn compiled(document: &Json) -> Compiled {
        let (rule, mut fields) = (Rule::parse(&document.to_string()).unwrap(), Fields::default());
        Compiled { plan: compile(Arc::new(rule), 0, &mut fields, &()).unwrap(), fields }
    }

    #[test]
    fn what_no_event_has_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.jsonl");
        let lines = [
            r#"{"event_id":"search","ts":1793491200000,"guid":1,"properties":{"keyword":"x","of":{"a":1},"items":[]}}"#,
            "no event",
            r#"{"event_id":"view","ts":1793491200000,"guid":1,"properties":{"keyword":null,"items":[{"sku":1}],"guid":1}}"#,
        ];
        std::fs::write(&path, lines.join("\n")).unwrap();
        let filter = |id: Json, names: &[&str]| {
            let exists = |name: &&str| json!({"property": name, "op": "exists", "value": true});
            json!({"id": id, "where": names.iter().map(exists).collect::<Vec<_>>()})
        };
        let good = compiled(&json!({"rule_id": "good",
            "trigger": {"event": filter(json!("search"), &["keyword", "of.a", "items.sku", "properties.guid"])}}));
        let bad = compiled(&json!({"rule_id": "bad", "key_by": ["device_id", "guid"],
            "trigger": {"event": filter(json!(["serach", "view"]), &["keywrd", "of.b", "items", "properties.ip", "session_id"])}}));
        let seen = Seen::read(&path, &EventFormat::default(), [&good, &bad].into_iter()).unwrap();
        assert_eq!(seen.missing(&good), [] as [String; 0]);
        let expected = [
            "an event `serach`",
            "`device_id`",
            "`properties.keywrd`",
            "`properties.of.b`",
            "`properties.ip`",
        ];
        let file = path.display();
        assert_eq!(seen.missing(&bad), expected.map(|what| format!("note: {file} has no {what}")));
    }
}
