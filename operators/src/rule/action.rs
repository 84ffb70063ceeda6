//! The action of a trigger: JSON whose strings may hold `{{property}}`.

use serde_json::Value as Json;

use crate::model::{
    field::{Field, Fields},
    json,
    value::Value,
};

/// An action whose templates are already split.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// JSON without templates.
    Plain(Plain),
    /// A string with `{{property}}` in it.
    Template(Vec<Part>),
    /// A list that holds templates.
    List(Vec<Action>),
    /// An object that holds templates.
    Object(Vec<(String, Action)>),
}

/// JSON, and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    json: Json,
    text: String,
}

impl From<Json> for Plain {
    fn from(json: Json) -> Self {
        Plain { text: json.to_string(), json }
    }
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Literal text.
    Text(String),
    /// Value of the cause event, as text; empty if the event has none.
    Field(Field),
}

impl Action {
    /// Splits an action's strings.
    ///
    /// # Errors
    /// If a `{{` is not closed or encloses nothing.
    pub fn compile(json: &Json, fields: &mut Fields) -> Result<Action, String> {
        let action = match json {
            Json::String(text) if text.contains("{{") => Action::Template(split(text, fields)?),
            Json::Array(items) => {
                Action::List(items.iter().map(|i| Action::compile(i, fields)).collect::<Result<_, _>>()?)
            }
            Json::Object(map) => {
                let entry = |(k, v): (&String, &Json)| Ok((k.clone(), Action::compile(v, fields)?));
                Action::Object(map.iter().map(entry).collect::<Result<_, String>>()?)
            }
            other => Action::Plain(other.clone().into()),
        };
        Ok(if action.fields().is_empty() { Action::Plain(json.clone().into()) } else { action })
    }

    /// Fields named by the templates.
    pub fn fields(&self) -> Vec<Field> {
        match self {
            Action::Plain(_) => Vec::new(),
            Action::Template(parts) => parts
                .iter()
                .filter_map(|p| match p {
                    Part::Field(field) => Some(*field),
                    Part::Text(_) => None,
                })
                .collect(),
            Action::List(items) => items.iter().flat_map(Action::fields).collect(),
            Action::Object(entries) => entries.iter().flat_map(|(_, a)| a.fields()).collect(),
        }
    }

    /// The same action with other field positions: `positions` gives the new one of each field.
    #[must_use]
    pub fn renumbered(&self, positions: &[Field]) -> Action {
        let part = |part: &Part| match part {
            Part::Text(text) => Part::Text(text.clone()),
            Part::Field(field) => Part::Field(positions[field.index()]),
        };
        match self {
            Action::Plain(plain) => Action::Plain(plain.clone()),
            Action::Template(parts) => Action::Template(parts.iter().map(part).collect()),
            Action::List(items) => Action::List(items.iter().map(|i| i.renumbered(positions)).collect()),
            Action::Object(entries) => {
                let entry = |(name, action): &(String, Action)| (name.clone(), action.renumbered(positions));
                Action::Object(entries.iter().map(entry).collect())
            }
        }
    }

    /// Appends the action for one cause, as JSON; `value` looks up a field of the cause event.
    pub fn write<'v>(&self, value: &impl Fn(Field) -> Option<&'v Value<'v>>, out: &mut String) {
        match self {
            Action::Plain(plain) => out.push_str(&plain.text),
            Action::Template(parts) => {
                out.push('"');
                each_text(parts, value, |text| json::escaped(text, out));
                out.push('"');
            }
            Action::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    out.push(if i == 0 { '[' } else { ',' });
                    item.write(value, out);
                }
                out.push(']');
            }
            Action::Object(entries) => {
                for (i, (name, action)) in entries.iter().enumerate() {
                    out.push(if i == 0 { '{' } else { ',' });
                    json::string(name, out);
                    out.push(':');
                    action.write(value, out);
                }
                out.push('}');
            }
        }
    }

    /// The string `channel` of the action for one cause, if it is an object that has one.
    pub fn channel<'v>(&self, value: &impl Fn(Field) -> Option<&'v Value<'v>>) -> Option<String> {
        match self {
            Action::Plain(plain) => plain.json.get("channel")?.as_str().map(str::to_owned),
            Action::Object(entries) => match &entries.iter().find(|(name, _)| name == "channel")?.1 {
                Action::Plain(plain) => plain.json.as_str().map(str::to_owned),
                Action::Template(parts) => {
                    let mut channel = String::new();
                    each_text(parts, value, |text| channel.push_str(text));
                    Some(channel)
                }
                Action::List(_) | Action::Object(_) => None,
            },
            Action::Template(_) | Action::List(_) => None,
        }
    }
}

/// Calls `text` with the text of each part of a template.
fn each_text<'v>(
    parts: &[Part],
    value: &impl Fn(Field) -> Option<&'v Value<'v>>,
    mut text: impl FnMut(&str),
) {
    for part in parts {
        match part {
            Part::Text(literal) => text(literal),
            Part::Field(field) => {
                if let Some(value) = value(*field) {
                    text(&value.text());
                }
            }
        }
    }
}

fn split(text: &str, fields: &mut Fields) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            return Err(format!("`{text}`: a {{{{ is not closed; write {{{{property}}}}"));
        };
        let name = name.trim();
        if name.is_empty() || name.contains("{{") {
            return Err(format!("`{text}`: between {{{{ and }}}} stands one property's name"));
        }
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(Part::Field(fields.intern(name)));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}
