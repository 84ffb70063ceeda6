//! Settings that several commands share: from a file, from options, options winning.

use std::path::{Path, PathBuf};

use clap::Args;
use operators::model::{decode::FieldNames, wire::Codec};
use serde::Deserialize;
use sinks::{LineOutput, checkpoint::RedisConfig, kafka::KafkaSinkConfig};
use sources::events::KafkaConfig;

use super::CliError;
use crate::{
    checkpoint::State,
    run::{
        breaker::BreakerConfig,
        job::{Events, Job, Rules, Time},
        triggers::{Destination, To},
    },
};

/// What is read and written.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Common {
    /// Settings in TOML, under the names of these options with `_` for `-`; options given here win
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// A folder of rule documents, one document, an SQLite store (*.db, *.sqlite), or mysql://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "PATH|URL")]
    rules: Option<PathBuf>,
    /// A folder of calculators of your own, NAME.rhai each, that rules may name
    #[arg(long, value_name = "DIR")]
    calculators: Option<PathBuf>,
    /// Profiles for crowd queries, one JSON object a line
    #[arg(long, value_name = "FILE.jsonl")]
    profiles: Option<PathBuf>,
    /// Where triggers go: a file of JSON lines, or kafka://BROKER,..,BROKER/TOPIC; standard output if left out
    #[arg(long, value_name = "OUT.jsonl|URL")]
    triggers: Option<String>,
    /// Where running state is kept: an SQLite file (*.db), redis://.., or `none`. If left out it survives a crash, but not the end of the
    /// command
    #[arg(long, value_name = "FILE.db|URL")]
    state: Option<String>,
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
    /// A topic of events, in detail; instead of `events`.
    kafka: Option<KafkaConfig>,
    /// How many processes.
    pub(super) processes: Option<u16>,
    /// Where triggers go, as `--triggers` takes it; standard output if that and `sinks` are left out.
    pub(super) triggers: Option<String>,
    /// Sinks of triggers, in detail.
    sinks: Vec<Destination>,
    /// Where state is kept, as `--state` takes it.
    state: Option<String>,
    /// A Redis to keep state in, in detail; instead of `state`.
    redis: Option<RedisConfig>,
    /// Between two checkpoints, ms.
    checkpoint_ms: u64,
    /// What the engine is called where others see it.
    name: String,
    /// Which rules fire too much.
    breaker: BreakerConfig,
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
    /// Restarts within a minute after which the supervisor gives up.
    pub(super) restarts_per_minute: u32,
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
            kafka: None,
            processes: None,
            triggers: None,
            sinks: Vec::new(),
            state: None,
            redis: None,
            checkpoint_ms: 1_000,
            name: "strateye".to_owned(),
            breaker: BreakerConfig::default(),
            dead_letters: None,
            codec: Codec::default(),
            error_budget: 100,
            epoch_ms: 50,
            tick_ms: 5,
            restarts_per_minute: 5,
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
    if !(50..=3_600_000).contains(&settings.checkpoint_ms) {
        return Err(wrong("checkpoint_ms: write 50 to 3600000".into()));
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
        settings.state = self.state.or(settings.state);
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

    /// Where events come from, if the settings say so.
    pub(super) fn events(&self) -> Result<Option<Events>, CliError> {
        match (&self.events, &self.kafka) {
            (Some(_), Some(_)) => {
                Err(CliError::usage("`events` and `kafka` both say where events come from; write one"))
            }
            (Some(text), None) => super::run::events(text).map(Some).map_err(CliError::usage),
            (None, kafka) => Ok(kafka.clone().map(Events::Kafka)),
        }
    }

    /// Where triggers go.
    fn destinations(&self) -> Result<Vec<Destination>, CliError> {
        let mut all = self.sinks.clone();
        if let Some(text) = &self.triggers {
            let to = match kafka_url(text) {
                Some(Ok((brokers, topic))) => To::Kafka(KafkaSinkConfig::new(brokers, topic)),
                Some(Err(right)) => return Err(CliError::usage(format!("--triggers {text}: {right}"))),
                None => To::Lines(LineOutput::File(text.into())),
            };
            all.push(Destination::all(to));
        }
        if all.is_empty() {
            all.push(Destination::all(To::Lines(LineOutput::Stdout)));
        }
        for (i, destination) in all.iter().enumerate() {
            let fault = match &destination.to {
                To::Lines(_) => None,
                To::Kafka(config) => config.validate().err().map(|e| e.to_string()),
                To::Webhook(config) => config.validate().err().map(|e| e.to_string()),
            };
            if let Some(fault) = fault {
                return Err(CliError::usage(format!("sinks[{i}]: {fault}")));
            }
        }
        Ok(all)
    }

    /// Where state is kept, if the settings say so.
    fn state(&self) -> Result<State, CliError> {
        match (&self.state, &self.redis) {
            (Some(_), Some(_)) => {
                Err(CliError::usage("`state` and `redis` both say where state is kept; write one"))
            }
            (None, None) => Ok(State::Run),
            (None, Some(config)) => Ok(State::Redis(config.clone())),
            (Some(text), None) => State::at(text).map_err(CliError::usage),
        }
    }

    /// The job.
    pub(super) fn job(&self, events: Events, time: Time) -> Result<Job, CliError> {
        let rules = self
            .rules
            .as_ref()
            .ok_or_else(|| CliError::usage("--rules is missing: name a folder, a document or a store"))?;
        let rules = Rules::at(rules);
        if let Rules::Folder(path) | Rules::Sqlite(path) = &rules
            && !path.exists()
        {
            return Err(CliError::usage(format!(
                "--rules {}: there is nothing there; name a folder, a document or a store",
                path.display()
            )));
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
        let triggers = self.destinations()?;
        let state = if time.is_live() { self.state()? } else { State::None };
        if matches!(state, State::None) && triggers.iter().any(Destination::is_committed) {
            return Err(CliError::usage(
                "a sink with `delivery = \"committed\"` waits for checkpoints: keep state with --state",
            ));
        }
        Ok(Job {
            events,
            rules,
            calculators: self.calculators.clone(),
            profiles: self.profiles.clone(),
            triggers,
            state,
            name: self.name.clone(),
            owner: owner(),
            checkpoint_ms: self.checkpoint_ms,
            breaker: self.breaker,
            dead_letters: self.dead_letters.clone().map_or(LineOutput::Nowhere, LineOutput::File),
            time,
            fields: self.fields.clone(),
            codec: self.codec,
            read_ahead: self.read_ahead_bytes,
            error_budget: self.error_budget,
        })
    }
}

/// Names this run among all that may want the same state.
fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}:{:08x}", host.trim(), std::process::id(), rand::random::<u32>())
}

/// Brokers and topic of a `kafka://BROKER,..,BROKER/TOPIC`.
pub(super) fn kafka_url(text: &str) -> Option<Result<(String, String), String>> {
    let rest = text.strip_prefix("kafka://")?;
    let parts = rest.split_once('/').filter(|(brokers, topic)| !brokers.is_empty() && !topic.is_empty());
    let right = "write kafka://HOST:PORT,HOST:PORT/TOPIC";
    Some(parts.map(|(b, t)| (b.to_owned(), t.to_owned())).ok_or_else(|| right.to_owned()))
}

/// Makes the files that a job writes anew; with state kept over several runs, what earlier ones wrote stays.
pub(super) fn create_outputs(job: &Job) -> Result<(), CliError> {
    if matches!(job.state, State::Sqlite(_) | State::Redis(_)) {
        return Ok(());
    }
    let lines = job.triggers.iter().filter_map(|d| match &d.to {
        To::Lines(output) => Some(output),
        To::Kafka(_) | To::Webhook(_) => None,
    });
    lines.chain([&job.dead_letters]).try_for_each(LineOutput::create).map_err(CliError::usage)
}
