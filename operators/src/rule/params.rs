//! Calculator and params of a condition: the script, and the values it is given.

use serde_json::{Map, Value as Json};

use super::{plan::Lists, scripts::ScriptStore};
use crate::{
    calculator::builtin::{self, BUILTINS, Builtin, Param},
    document::{
        fault::Fault,
        span::Span,
        spec::{Calculator, Condition},
    },
};

/// The input of a program's compilation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resolved {
    /// The script's text.
    pub(super) script: String,
    /// Text that identifies script and params, by which stored state belongs to them.
    pub(super) identity: String,
    /// Params of the script; durations of built-in calculators in ms, absent optional ones as null.
    pub(super) params: Map<String, Json>,
    /// How a list is folded.
    pub(super) lists: Lists,
    /// Whether the condition has steps.
    pub(super) steps: bool,
}

/// Finds the script, and checks params and steps.
///
/// # Errors
/// Every fault, with its path relative to the condition.
pub(super) fn resolve(condition: &Condition, scripts: &dyn ScriptStore) -> Result<Resolved, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut fault = |path: &str, message: String| faults.push(Fault { path: path.into(), message });
    let steps = match (&condition.event, &condition.steps) {
        (Some(_), None) => false,
        (None, Some(_)) => true,
        (Some(_), Some(_)) => {
            fault("", "a condition has `event` or `steps`, not both".into());
            false
        }
        (None, None) => {
            fault("", "`event` is missing (or `steps`, for sequence, gap and absence)".into());
            false
        }
    };
    let (script, identity, params) = match &condition.calculator {
        Calculator::Own(own) => {
            let params = condition.params.clone();
            (own.script.clone(), identified(&own.script, &params), params)
        }
        Calculator::Named(name) => match (builtin::find(name), scripts.script(name)) {
            (Some(builtin), _) => {
                let params = check(builtin, condition, &mut fault);
                let steps = condition.steps.as_ref().map_or(0, Vec::len);
                (builtin.script(&params, steps).into_owned(), identity(builtin, &params), params)
            }
            (None, Some(script)) => {
                let identity = identified(&script, &condition.params);
                (script, identity, condition.params.clone())
            }
            (None, None) => {
                let names: Vec<_> = BUILTINS.iter().map(|b| b.name).collect();
                fault(
                    "calculator",
                    format!(
                        "there is no calculator `{name}`; built in are {}; or give {{\"script\": \"..\"}}",
                        names.join(" ")
                    ),
                );
                (String::new(), String::new(), Map::new())
            }
        },
    };
    for reserved in ["window", "steps"] {
        if condition.params.contains_key(reserved) {
            fault(&format!("params.{reserved}"), "this name is the engine's; choose another".into());
        }
    }
    if faults.is_empty() {
        Ok(Resolved { script, identity, params, lists: lists(&condition.calculator), steps })
    } else {
        Err(faults)
    }
}

/// Default of `met` for rules that give none.
pub(super) fn default_met(calculator: &Calculator) -> Option<&'static str> {
    match calculator {
        Calculator::Named(name) => builtin::find(name).and_then(|b| b.met),
        Calculator::Own(_) => None,
    }
}

/// How the calculator folds a list.
fn lists(calculator: &Calculator) -> Lists {
    match calculator {
        Calculator::Named(name) => builtin::find(name).map_or(Lists::Absent, |builtin| match builtin.name {
            "distinct" | "stats" | "top" => Lists::Each,
            "last" => Lists::Whole,
            _ => Lists::Absent,
        }),
        Calculator::Own(_) => Lists::Absent,
    }
}

/// Whether the calculator is a built-in one.
pub(super) fn is_builtin(calculator: &Calculator) -> bool {
    matches!(calculator, Calculator::Named(name) if builtin::find(name).is_some())
}

/// Whether `value` counts completions; assumed of scripts of the user's own.
pub(super) fn counts(calculator: &Calculator) -> bool {
    match calculator {
        Calculator::Named(name) => builtin::find(name).is_none_or(|b| b.counts),
        Calculator::Own(_) => true,
    }
}

/// Identity of a built-in calculator with these params. Those that it has not had from the beginning are not in it if
/// they are absent.
fn identity(builtin: &Builtin, params: &Map<String, Json>) -> String {
    let later =
        |name: &str| builtin.params.iter().any(|(n, p)| *n == name && matches!(p, Param::OptionalWord(_)));
    let mut first = params.clone();
    first.retain(|name, value| !value.is_null() || !later(name));
    identified(builtin.identity, &first)
}

/// Stored state depends on this text.
fn identified(script: &str, params: &Map<String, Json>) -> String {
    format!("{script}\0{}", serde_json::to_string(params).unwrap_or_default())
}

fn check(
    builtin: &Builtin,
    condition: &Condition,
    fault: &mut impl FnMut(&str, String),
) -> Map<String, Json> {
    match (builtin.steps, &condition.steps) {
        (Some((least, most)), Some(steps)) if steps.len() < least || steps.len() > most => {
            let wanted = if least == most { format!("{least}") } else { format!("{least} to {most}") };
            fault("steps", format!("`{}` takes {wanted} steps, not {}", builtin.name, steps.len()));
        }
        (Some(_), None) if condition.event.is_some() => {
            fault(
                "event",
                format!("`{}` takes `steps`, a list of filters, in place of `event`", builtin.name),
            );
        }
        (None, Some(_)) => fault("steps", format!("`{}` takes `event` in place of `steps`", builtin.name)),
        _ => {}
    }
    let known: Vec<_> = builtin.params.iter().map(|(name, _)| *name).collect();
    for name in condition.params.keys().filter(|name| !known.contains(&name.as_str())) {
        let list = if known.is_empty() { "none".to_owned() } else { known.join(" ") };
        fault(&format!("params.{name}"), format!("`{}` has no such param; it has {list}", builtin.name));
    }
    let mut params = Map::new();
    for (name, kind) in builtin.params {
        let given = condition.params.get(*name).filter(|v| !v.is_null());
        match value(*kind, given) {
            Ok(value) => {
                params.insert((*name).to_owned(), value);
            }
            Err(message) => fault(&format!("params.{name}"), message),
        }
    }
    params
}

fn value(kind: Param, given: Option<&Json>) -> Result<Json, String> {
    let span = |text: &str| Span::parse(text).map(|s| Json::from(s.0));
    match (kind, given) {
        (Param::Property, Some(Json::String(name))) if !name.is_empty() => {
            Ok(name.strip_prefix("properties.").unwrap_or(name).into())
        }
        (Param::Property, _) => Err("name the property to read, such as \"amt\"".into()),
        (Param::Amount, Some(Json::Number(n))) if n.as_u64().is_some_and(|n| (1..=1000).contains(&n)) => {
            Ok(n.clone().into())
        }
        (Param::Amount, _) => Err("write a whole number from 1 to 1000".into()),
        (Param::Span | Param::OptionalSpan, Some(Json::String(text))) => span(text),
        (Param::OptionalSpan, None) => Ok(Json::Null),
        (Param::Span | Param::OptionalSpan, _) => Err("write a duration, such as \"15m\"".into()),
        (Param::Word(words), None) => Ok(words[0].into()),
        (Param::OptionalWord(words), Some(Json::String(word))) if *word == words[0] => Ok(Json::Null),
        (Param::OptionalWord(_), None) => Ok(Json::Null),
        (Param::Word(words) | Param::OptionalWord(words), Some(Json::String(word)))
            if words.contains(&word.as_str()) =>
        {
            Ok(word.as_str().into())
        }
        (Param::Word(words) | Param::OptionalWord(words), Some(_)) => {
            Err(format!("write one of {}", words.join(" ")))
        }
    }
}
