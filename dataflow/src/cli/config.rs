//! `strateye config`: checks or shows a file of settings.

use std::path::PathBuf;

use clap::Subcommand;

use super::{CliError, options};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check a file of settings
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print all settings that result from a file, as TOML; passwords, tokens and values of client options
    /// are hidden
    Show {
        /// The file
        file: PathBuf,
    },
}

impl ConfigCommand {
    #[expect(clippy::print_stdout, reason = "what these commands print is what they are for")]
    pub(super) fn main(self) -> Result<(), CliError> {
        match self {
            ConfigCommand::Check { file } => {
                options::read(&file)?;
                println!("{}: ok", file.display());
            }
            ConfigCommand::Show { file } => {
                let shown = options::read(&file)?.redacted();
                print!("{}", toml::to_string_pretty(&shown).map_err(CliError::failed)?);
            }
        }
        Ok(())
    }
}
