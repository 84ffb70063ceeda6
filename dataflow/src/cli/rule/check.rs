//! `strateye rule check`: whether documents can be published, and remarks about them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use operators::{
    calculator::builtin,
    document::{
        fault::Faults,
        spec::{self, Calculator, Rule},
    },
    model::{decode::EventFormat, field::Fields},
    rule::{compile::compile, plan::RulePlan},
};
use sources::calculators::Calculators;

use super::{
    super::{CliError, options},
    never,
    seen::Seen,
};
use crate::{protocol::time::wall_clock, rules::preparation::scripts};

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The document or folder
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// Folder of your own calculators that rules may name, NAME.rhai each
    #[arg(long, value_name = "DIR")]
    calculators: Option<PathBuf>,
    /// A file of events, one JSON object per line; names of events and properties that rules read and none of them has
    /// are noted
    #[arg(long, value_name = "FILE.jsonl")]
    events: Option<PathBuf>,
    /// Settings in TOML; their `[fields]` say how the events are written
    #[arg(long, value_name = "FILE.toml", requires = "events")]
    config: Option<PathBuf>,
}

/// A rule that may be published, and the properties that it reads.
pub(super) struct Compiled {
    pub(super) plan: RulePlan,
    pub(super) fields: Fields,
}

/// Reads and compiles a document; returns its faults as lines.
pub(super) fn compiled(path: &Path, calculators: &Calculators) -> Result<Compiled, Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| vec![format!("can't be read: {error}")])?;
    let lines = |faults: Faults| faults.0.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rule = Rule::parse(&text).map_err(lines)?;
    let scripts = scripts(calculators, &rule);
    rule.check_limits().map_err(lines)?;
    let mut fields = Fields::default();
    let plan = compile(Arc::new(rule), 0, &mut fields, &scripts).map_err(lines)?;
    Ok(Compiled { plan, fields })
}

/// Remarks about a valid rule.
fn notes(plan: &RulePlan) -> Vec<String> {
    let spans = !plan.key.of_user();
    let by_order = |c: &spec::Condition| match &c.calculator {
        Calculator::Named(name) => builtin::find(name).is_none_or(|builtin| builtin.ordered),
        Calculator::Own(_) => true,
    };
    let ordered = plan.spec.conditions.iter().filter(|c| spans && by_order(c));
    let ordered = ordered
        .map(|c| {
            format!(
                "note: `{}` depends on the order of events, and this key may lie in several partitions, whose events have no order among them",
                c.id
            )
        });
    let interpreted = plan.conditions.iter().flat_map(|c| {
        let functions = c.program.interpreted();
        functions.map(move |(function, why)| {
            format!("note: `{}` is interpreted (slow): `{function}`, {why}", c.id)
        })
    });
    ordered.chain(interpreted).collect()
}

impl Check {
    #[expect(clippy::print_stdout, reason = "what this command prints is what it is for")]
    pub(super) fn main(self) -> Result<(), CliError> {
        let (files, calculators) = (self.documents()?, Calculators::new(self.calculators.clone()));
        let checked: Vec<_> = files.iter().map(|file| (file, compiled(file, &calculators))).collect();
        let seen = self.seen(checked.iter().filter_map(|(_, checked)| checked.as_ref().ok()))?;
        let (now, mut wrong) = (wall_clock(), 0);
        for (file, checked) in &checked {
            let lines = match checked {
                Ok(rule) => {
                    println!("{}: ok", file.display());
                    let missing = seen.iter().flat_map(|seen| seen.missing(rule));
                    let never = never::notes(&rule.plan.spec, now);
                    never.into_iter().chain(notes(&rule.plan)).chain(missing).collect()
                }
                Err(faults) => {
                    wrong += 1;
                    faults.clone()
                }
            };
            lines.iter().for_each(|line| println!("{}: {line}", file.display()));
        }
        match (files.len(), wrong) {
            (0, _) => Err(CliError::usage(format!("{}: no *.json in it", self.path.display()))),
            (_, 0) => Ok(()),
            (all, wrong) => Err(CliError::usage(format!("{wrong} of {all} documents can't be published"))),
        }
    }

    /// The documents to check, in the order of their names.
    fn documents(&self) -> Result<Vec<PathBuf>, CliError> {
        if !self.path.is_dir() {
            return Ok(vec![self.path.clone()]);
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(CliError::usage)? {
            let path = entry.map_err(CliError::usage)?.path();
            if path.extension().is_some_and(|e| e == "json") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// What the file of events has of what these rules read.
    fn seen<'r>(&self, rules: impl Iterator<Item = &'r Compiled>) -> Result<Option<Seen>, CliError> {
        let Some(events) = &self.events else { return Ok(None) };
        let format = match &self.config {
            Some(path) => options::read(path)?.fields,
            None => EventFormat::default(),
        };
        Seen::read(events, &format, rules).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreted_function_is_a_note_with_its_place() {
        let script = "fn init(params) { #{ n: 0.5 } } fn on_event(state, event, params) { true }\nfn outputs(state, params, now) { #{ value: state.n, all: [state.n] } }";
        let document = serde_json::json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "conditions": [
            {"id": "a", "calculator": {"script": script}, "event": {"id": "A"}, "met": "value > 1"}]});
        let rule = Rule::parse(&document.to_string()).unwrap();
        let plan = compile(Arc::new(rule), 0, &mut Fields::default(), &()).unwrap();
        let [note] = &notes(&plan)[..] else { panic!("{:?}", notes(&plan)) };
        assert!(note.starts_with("note: `a` is interpreted (slow): `outputs`, line 2, column "), "{note}");
    }
}
