//! Users' scripts in place of built-in calculators: the same result from another text.
//!
//! State fields have other names, and bodies are split into functions of the script's own. Params are written
//! out as the built-in ones get them: durations in ms, absent optional ones null.

use operators::{
    calculator::builtin::{self, Builtin, Param},
    document::span::Span,
};
use serde_json::{Map, Value as Json, json};

use super::document::{conditions, set_absent};

/// Script by the name of the built-in calculator whose place it takes.
const SCRIPTS: [(&str, &str); 8] = [
    ("absence", include_str!("scripts/absence.rhai")),
    ("count", include_str!("scripts/count.rhai")),
    ("distinct", include_str!("scripts/distinct.rhai")),
    ("gap", include_str!("scripts/gap.rhai")),
    ("last", include_str!("scripts/last.rhai")),
    ("sequence", include_str!("scripts/sequence.rhai")),
    ("stats", include_str!("scripts/stats.rhai")),
    ("top", include_str!("scripts/top.rhai")),
];

/// Replaces every built-in calculator of a rule.
pub(super) fn edit(rule: &mut Json) {
    for condition in conditions(rule) {
        let Some(builtin) = condition["calculator"].as_str().and_then(builtin::find) else { continue };
        if builtin.name == "sequence" && !condition["params"]["within"].is_null() {
            // Its script depends on the number of steps.
            continue;
        }
        let Some((_, script)) = SCRIPTS.iter().find(|(name, _)| *name == builtin.name) else { continue };
        condition["params"] = params(builtin, &condition["params"]);
        condition["calculator"] = json!({ "script": script });
        if let Some(met) = builtin.met {
            set_absent(condition, "met", json!(met));
        }
    }
}

/// The params as the built-in calculator's script gets them.
fn params(builtin: &Builtin, given: &Json) -> Json {
    let value = |name: &str, param: Param| {
        let given = &given[name];
        match (param, given.as_str()) {
            (Param::Word(words), None) => json!(words[0]),
            (Param::Property, Some(name)) => json!(name.strip_prefix("properties.").unwrap_or(name)),
            (Param::Span | Param::OptionalSpan, Some(text)) => {
                Span::parse(text).map_or_else(|_| given.clone(), |span| json!(span.0))
            }
            _ => given.clone(),
        }
    };
    let params: Map<String, Json> =
        builtin.params.iter().map(|(name, param)| ((*name).to_owned(), value(name, *param))).collect();
    params.into()
}

#[cfg(test)]
mod tests {
    use operators::calculator::builtin::BUILTINS;

    use super::*;

    #[test]
    fn every_builtin_has_a_script_of_another_text() {
        for builtin in BUILTINS {
            let (_, script) = SCRIPTS.iter().find(|(name, _)| *name == builtin.name).expect(builtin.name);
            assert_ne!(*script, builtin.script(&Map::new(), 2));
        }
    }

    #[test]
    fn params_are_written_out() {
        let gap = params(builtin::find("gap").unwrap(), &json!({"at_most": "15m"}));
        let all = json!({"at_least": null, "at_most": 900_000, "more_than": null, "less_than": null, "anchor": "adjacent"});
        assert_eq!(gap, all);
        let stats = params(builtin::find("stats").unwrap(), &json!({"of": "properties.amt"}));
        assert_eq!(stats, json!({"of": "amt"}));
        assert_eq!(params(builtin::find("count").unwrap(), &Json::Null), json!({}));
    }
}
