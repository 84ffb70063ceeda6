//! Parts of rule documents as JSON.

use std::{collections::BTreeSet, fs, path::Path};

use operators::document::spec::Rule;
use serde_json::Value as Json;

use crate::Error;

/// Reads the `*.json` documents of a folder, in the order of their file names, one at a time: those of
/// thousands of rules with crowds are too large to be held at once. An item is an error if its file can't be
/// read or is no rule.
///
/// # Errors
/// If the folder can't be read or contains no document.
pub(super) fn read_all(folder: &Path) -> Result<impl Iterator<Item = Result<Json, Error>>, Error> {
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
        let path = entry.map_err(Error::file("read", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.insert(path);
        }
    }
    if paths.is_empty() {
        return Err(Error::Usage(format!(
            "{} holds no rules (*.json); make some with `strateye-bench workload`",
            folder.display()
        )));
    }
    Ok(paths.into_iter().map(|path| read(&path)))
}

/// Reads a document. That it is a rule is checked here, so that edits need not look at its shape.
fn read(path: &Path) -> Result<Json, Error> {
    let failed = |reason: String| Error::Rule { name: path.display().to_string(), reason };
    let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
    Rule::parse(&text).map_err(|faults| failed(faults.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

/// Id of a rule.
pub(super) fn id(rule: &Json) -> &str {
    rule["rule_id"].as_str().unwrap_or_default()
}

/// The conditions of a rule.
pub(super) fn conditions(rule: &mut Json) -> impl Iterator<Item = &mut Json> {
    rule.get_mut("conditions").and_then(Json::as_array_mut).into_iter().flatten()
}

/// All filters of a rule: events and steps of its conditions, and the event of its trigger.
pub(super) fn filters(rule: &mut Json) -> Vec<&mut Json> {
    let mut filters = Vec::new();
    let Some(rule) = rule.as_object_mut() else { return filters };
    for (name, part) in rule {
        match name.as_str() {
            "trigger" => filters.extend(part.get_mut("event")),
            "conditions" => {
                for condition in part.as_array_mut().into_iter().flatten() {
                    let parts = condition.as_object_mut().into_iter().flatten();
                    for (name, part) in parts {
                        match (name.as_str(), part) {
                            ("event", event) => filters.push(event),
                            ("steps", Json::Array(steps)) => filters.extend(steps),
                            _ => {}
                        }
                    }
                }
            }
            _ => {}
        }
    }
    filters
}

/// Sets a field of a rule or condition that is absent or null.
pub(super) fn set_absent(object: &mut Json, name: &str, value: Json) {
    if object[name].is_null() {
        object[name] = value;
    }
}
