//! Settings that several commands share: from a file, from options, options winning.

use std::path::{Path, PathBuf};

use clap::Args;
use operators::model::{decode::FieldNames, wire::Codec};
use serde::Deserialize;
use sinks::LineOutput;

use super::CliError;
use crate::run::job::{Events, Job, Rules, Time};

/// What is read and written.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Common {
    /// Settings in TOML, under the names of these options with `_` for `-`; options given here win
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// A folder of rule documents, one document, or an SQLite store (*.db, *.sqlite)
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// A folder of calculators of your own, NAME.rhai each, that rules may name
    #[arg(long, value_name = "DIR")]
    calculators: Option<PathBuf>,
    /// Profiles for crowd queries, one JSON object a line
    #[arg(long, value_name = "FILE.jsonl")]
    profiles: Option<PathBuf>,
    /// Where triggers go, one JSON object a line; standard output if left out
    #[arg(long, value_name = "OUT.jsonl")]
    triggers: Option<PathBuf>,
    /// Where lines that are no events go, each with its reason
    #[arg(long, value_name = "FILE.jsonl")]
    dead_letters: Option<PathBuf>,
    /// How routed records are written to the wire: abomonation, or bytemuck (checked)
    #[arg(long, value_name = "NAME", value_parser = codec)]
    codec: Option<Codec>,
    /// Failing calls per minute after which a rule is quarantined [default: 100]
    #[arg(long, value_name = "N")]
    error_budget: Option<u64>,
}

fn codec(name: &str) -> Result<Codec, String> {
    match name {
        "abomonation" => Ok(Codec::Abomonation),
        "bytemuck" => Ok(Codec::Bytemuck),
        _ => Err("write abomonation or bytemuck".into()),
    }
}

/// All settings of a cluster, as a file may hold them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// A folder of rule documents, one document, or an SQLite store.
    pub(super) rules: Option<PathBuf>,
    /// A folder of calculators that rules may name.
    calculators: Option<PathBuf>,
    /// Profiles for crowd queries.
    profiles: Option<PathBuf>,
    /// Where events come from, as `--events` takes it.
    pub(super) events: Option<String>,
    /// How many processes.
    pub(super) processes: Option<u16>,
    /// Where triggers go; standard output if left out.
    pub(super) triggers: Option<PathBuf>,
    /// Where refused lines go.
    dead_letters: Option<PathBuf>,
    /// The wire codec.
    codec: Codec,
    /// Failing calls per minute after which a rule is quarantined.
    error_budget: u64,
    /// Length of an epoch, ms.
    epoch_ms: u64,
    /// Least time between two wake-ups of a worker by its sources, ms.
    tick_ms: u64,
    /// Bytes that a worker's sources may read ahead of evaluation.
    read_ahead_bytes: usize,
    /// Under which names events carry their fields.
    pub(super) fields: FieldNames,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rules: None,
            calculators: None,
            profiles: None,
            events: None,
            processes: None,
            triggers: None,
            dead_letters: None,
            codec: Codec::default(),
            error_budget: 100,
            epoch_ms: 50,
            tick_ms: 5,
            read_ahead_bytes: 16 << 20,
            fields: FieldNames::default(),
        }
    }
}

/// Reads a file of settings; a fault is told with its line.
pub(super) fn read(path: &Path) -> Result<Settings, CliError> {
    let wrong = |error: String| CliError::usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let settings: Settings = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if !(1..=10_000).contains(&settings.epoch_ms) || settings.tick_ms > settings.epoch_ms {
        return Err(wrong("epoch_ms: write 1 to 10000, and a tick_ms no longer than an epoch".into()));
    }
    if settings.read_ahead_bytes < 1 << 16 {
        return Err(wrong("read_ahead_bytes: write at least 65536".into()));
    }
    Ok(settings)
}

/// Whether events can be read from a path: a file or a pipe.
pub(super) fn is_readable(path: &Path) -> Result<(), CliError> {
    if path.exists() && !path.is_dir() {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "--events {}: there is no such file; give a path to one, or - for standard input",
        path.display()
    )))
}

impl Common {
    /// The settings of the file, if one is named, overridden by what was given as options.
    pub(super) fn settings(self) -> Result<Settings, CliError> {
        let mut settings = self.config.as_deref().map_or_else(|| Ok(Settings::default()), read)?;
        settings.rules = self.rules.or(settings.rules);
        settings.calculators = self.calculators.or(settings.calculators);
        settings.profiles = self.profiles.or(settings.profiles);
        settings.triggers = self.triggers.or(settings.triggers);
        settings.dead_letters = self.dead_letters.or(settings.dead_letters);
        settings.codec = self.codec.unwrap_or(settings.codec);
        settings.error_budget = self.error_budget.unwrap_or(settings.error_budget);
        Ok(settings)
    }
}

impl Settings {
    /// Live time.
    pub(super) fn live(&self) -> Time {
        Time::Live { epoch: self.epoch_ms, tick: self.tick_ms }
    }

    /// The job.
    pub(super) fn job(&self, events: Events, time: Time) -> Result<Job, CliError> {
        let rules = self
            .rules
            .as_ref()
            .ok_or_else(|| CliError::usage("--rules is missing: name a folder, a document or a store"))?;
        if !rules.exists() {
            let message = format!(
                "--rules {}: there is nothing there; name a folder, a document or a store",
                rules.display()
            );
            return Err(CliError::usage(message));
        }
        if let Some(profiles) = self.profiles.as_ref().filter(|p| !p.is_file()) {
            return Err(CliError::usage(format!("--profiles {}: there is no such file", profiles.display())));
        }
        if let Some(folder) = self.calculators.as_ref().filter(|p| !p.is_dir()) {
            return Err(CliError::usage(format!(
                "--calculators {}: there is no such folder",
                folder.display()
            )));
        }
        Ok(Job {
            events,
            rules: Rules::at(rules),
            calculators: self.calculators.clone(),
            profiles: self.profiles.clone(),
            triggers: self.triggers.clone().map_or(LineOutput::Stdout, LineOutput::File),
            dead_letters: self.dead_letters.clone().map_or(LineOutput::Nowhere, LineOutput::File),
            time,
            fields: self.fields.clone(),
            codec: self.codec,
            read_ahead: self.read_ahead_bytes,
            error_budget: self.error_budget,
        })
    }
}

/// Makes the files that a job writes anew.
pub(super) fn create_outputs(job: &Job) -> Result<(), CliError> {
    job.triggers.create().and_then(|()| job.dead_letters.create()).map_err(CliError::usage)
}
