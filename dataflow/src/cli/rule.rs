//! `strateye rule`: checks, publishes and manages rules.

mod check;
mod never;
mod seen;

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};
use operators::document::{lifecycle::Gap, spec::Rule};
use sources::{
    calculators::Calculators,
    rules::{FolderStore, MysqlStore, RuleStore, SqliteStore},
};

use self::check::{Check, compiled};
use super::{CliError, reference};
use crate::run::job::Rules;

#[derive(Debug, Subcommand)]
pub(super) enum RuleCommand {
    /// Check a document, or all *.json of a folder
    Check(Check),
    /// Print the JSON Schema of rule documents
    Schema,
    /// Publish a document as a new rule or as an edit of an existing one
    Publish {
        #[command(flatten)]
        store: StoreArgs,
        /// The document
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Name of the person who publishes it
        #[arg(long, default_value = "cli")]
        author: String,
        /// Folder of your own calculators that rules may name, NAME.rhai each
        #[arg(long, value_name = "DIR")]
        calculators: Option<PathBuf>,
    },
    /// Pause a rule, or with --all every rule that is online
    Pause {
        #[command(flatten)]
        store: StoreArgs,
        /// The rule's id
        #[arg(value_name = "RULE_ID", required_unless_present = "all")]
        rule_id: Option<String>,
        /// Pause all rules that are online (emergency stop)
        #[arg(long, conflicts_with = "rule_id")]
        all: bool,
    },
    /// Resume a paused rule
    Resume {
        #[command(flatten)]
        rule: RuleArgs,
        /// Effect of the events that came during the pause: `replay` counts them (none fires), `skip`
        /// does not
        #[arg(long, default_value = "replay", value_parser = gap)]
        gap: Gap,
    },
    /// Retire a rule; its state is dropped
    Retire(RuleArgs),
    /// List all rules
    List(StoreArgs),
    /// Show a rule's document
    Show(RuleArgs),
    /// Publish the document of an earlier version as a new one
    Rollback {
        #[command(flatten)]
        rule: RuleArgs,
        /// The earlier version
        #[arg(long, value_name = "VERSION")]
        to: u64,
    },
}

#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// Store of the rules: a folder, an SQLite store (*.db, *.sqlite), or a database,
    /// mysql://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "PATH|URL", value_parser = reference::path)]
    rules: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RuleArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The rule's id
    #[arg(value_name = "RULE_ID")]
    rule_id: String,
}

impl StoreArgs {
    fn open(&self) -> Result<Box<dyn RuleStore>, CliError> {
        Ok(match Rules::at(&self.rules) {
            Rules::Folder(path) => Box::new(FolderStore::open(&path).map_err(CliError::usage)?),
            Rules::Sqlite(path) => Box::new(SqliteStore::open(&path).map_err(CliError::usage)?),
            Rules::Mysql(url) => Box::new(MysqlStore::open(&url).map_err(CliError::usage)?),
        })
    }
}

fn gap(name: &str) -> Result<Gap, CliError> {
    Gap::parse(name).ok_or_else(|| CliError::usage("write replay or skip"))
}

/// Pauses a rule, or without an id all that are online; one that can't be paused does not prevent the others.
#[expect(clippy::print_stdout, reason = "what these commands print is what they are for")]
fn pause(store: &mut dyn RuleStore, rule_id: Option<&str>) -> Result<(), CliError> {
    if let Some(rule_id) = rule_id {
        return store.pause(rule_id).map_err(CliError::usage);
    }
    let online = store.list().map_err(CliError::failed)?.into_iter().filter(|r| r.status == "online");
    let (mut paused, mut failed) = (0, Vec::new());
    for rule in online {
        match store.pause(&rule.rule_id) {
            Ok(()) => paused += 1,
            Err(error) => failed.push(error.to_string()),
        }
    }
    println!("{paused} rules paused");
    if failed.is_empty() { Ok(()) } else { Err(CliError::failed(failed.join("; "))) }
}

impl RuleCommand {
    #[expect(clippy::print_stdout, reason = "what these commands print is what they are for")]
    pub(super) fn main(self) -> Result<(), CliError> {
        match self {
            RuleCommand::Check(check) => check.main()?,
            RuleCommand::Schema => println!("{:#}", Rule::schema()),
            RuleCommand::Publish { store, file, author, calculators } => {
                compiled(&file, &Calculators::new(calculators)).map_err(|faults| {
                    CliError::usage(format!("{}: {}", file.display(), faults.join("; ")))
                })?;
                let document = fs::read_to_string(&file).map_err(CliError::usage)?;
                let published = store.open()?.publish(&document, &author).map_err(CliError::failed)?;
                let version = published.version.map_or_else(String::new, |v| format!(" version {v}"));
                println!("{}{version} published", published.rule_id);
            }
            RuleCommand::Pause { store, rule_id, .. } => pause(&mut *store.open()?, rule_id.as_deref())?,
            RuleCommand::Resume { rule, gap } => {
                rule.store.open()?.resume(&rule.rule_id, gap).map_err(CliError::usage)?;
            }
            RuleCommand::Rollback { rule, to } => {
                let published = rule.store.open()?.rollback(&rule.rule_id, to).map_err(CliError::usage)?;
                let version = published.version.map_or_else(String::new, |v| format!(" as version {v}"));
                println!("{}: version {to} published{version}", published.rule_id);
            }
            RuleCommand::Retire(rule) => rule.store.open()?.retire(&rule.rule_id).map_err(CliError::usage)?,
            RuleCommand::List(store) => {
                for rule in store.open()?.list().map_err(CliError::failed)? {
                    let version = rule.version.map_or_else(|| "-".into(), |v| v.to_string());
                    let (state, detail) = rule.state.unwrap_or_default();
                    println!("{}\t{version}\t{}\t{state}\t{detail}", rule.rule_id, rule.status);
                }
            }
            RuleCommand::Show(rule) => {
                let shown = rule.store.open()?.show(&rule.rule_id).map_err(CliError::usage)?;
                println!("{}", shown.document.unwrap_or_default());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sources::rules::FolderStore;

    use super::*;

    #[test]
    fn a_rule_that_cannot_be_paused_keeps_no_other_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FolderStore::open(folder.path()).unwrap();
        for id in ["a", "b", "c"] {
            let document = format!(r#"{{"rule_id": "{id}", "trigger": {{"event": {{"id": "T"}}}}}}"#);
            store.publish(&document, "somebody").unwrap();
        }
        // A folder at the path of the paused rule's file.
        fs::create_dir_all(folder.path().join("b.json.paused/full")).unwrap();
        let error = pause(&mut store, None).unwrap_err();
        assert!(error.to_string().contains("b.json"), "{error}");
        let status = |id: &str| store.list().unwrap().into_iter().find(|r| r.rule_id == id).unwrap().status;
        assert_eq!(["a", "b", "c"].map(status), ["paused", "online", "paused"]);
    }
}
