//! `strateye migrate`: creates the tables of a rules database, or brings them up to date.

use std::path::PathBuf;

use clap::Args;
use sources::{SourceError, rules::migrate_mysql};

use super::{
    CliError,
    options::{hide_password, settings},
    reference,
};
use crate::run::job::Rules;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// The database: mysql://USER:PASSWORD@HOST:PORT/DATABASE; its user needs the rights to create and
    /// alter tables. Or env:NAME or file:PATH
    #[arg(long, value_name = "URL", value_parser = reference::path)]
    rules: Option<PathBuf>,
    /// Settings in TOML; their `rules` is used if --rules is left out
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
}

impl Migrate {
    #[expect(clippy::print_stdout, reason = "what was applied is what the command was asked for")]
    pub(super) fn main(self) -> Result<(), CliError> {
        let right =
            "write mysql://USER:PASSWORD@HOST:PORT/DATABASE; folders and SQLite stores need no migration";
        let rules = self.rules.or(settings(self.config.as_deref())?.rules);
        let rules = rules.ok_or_else(|| CliError::usage(format!("--rules is missing: {right}")))?;
        let Rules::Mysql(url) = Rules::at(&rules) else {
            return Err(CliError::usage(format!(
                "--rules {}: {right}",
                hide_password(&rules.to_string_lossy())
            )));
        };
        let applied = migrate_mysql(&url).map_err(|error| match error {
            SourceError::Setting { .. } => CliError::usage(format!("--rules: {error}")),
            _ => CliError::failed(error),
        })?;
        let place = hide_password(&url);
        let numbers: Vec<String> = applied.iter().map(ToString::to_string).collect();
        match numbers.len() {
            0 => println!("{place}: nothing to apply, the tables are up to date"),
            _ => println!("{place}: migrations {} applied", numbers.join(", ")),
        }
        Ok(())
    }
}
