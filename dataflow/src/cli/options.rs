//! Settings shared by several commands: from a file and from options, of which options take precedence.
//!
//! - `check`: reads and checks a file
//! - `show`: settings without passwords
//! - `job`: the job made from settings
//! - `metrics`: addresses at which metrics are served

mod check;
mod job;
mod metrics;
mod show;

use std::path::{Path, PathBuf};

use clap::Args;
use operators::model::{decode::EventFormat, wire::Codec};
use serde::{Deserialize, Serialize};
use sinks::{SpoolConfig, checkpoint::RedisConfig};
use sources::events::KafkaConfig;

pub(super) use self::{check::read, show::hide_password};
use super::{CliError, reference, sink_settings::SinkSettings};
use crate::{
    checkpoint::State,
    protocol::time::Time,
    rules::breaker::BreakerConfig,
    run::{batches::BatchConfig, job::Events},
    triggers::{
        destinations::{Destination, To},
        spools::Spools,
    },
};

/// Default length of an epoch by the wall clock, ms.
const LIVE_EPOCH: u64 = 50;
/// Default length of an epoch of a replay, ms: rules are in force sooner.
const REPLAY_EPOCH: u64 = 10;

/// Options that several commands share.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Common {
    /// Settings in TOML, under the names of these options with `_` for `-`; options override them
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// A folder of rule documents, one document, an SQLite store (*.db, *.sqlite), or
    /// mysql://USER:PASSWORD@HOST:PORT/DATABASE; env:NAME and file:PATH stand for the value of an
    /// environment variable and the line of a file
    #[arg(long, value_name = "PATH|URL", value_parser = reference::path)]
    rules: Option<PathBuf>,
    /// Folder of your own calculators that rules may name, NAME.rhai each
    #[arg(long, value_name = "DIR")]
    calculators: Option<PathBuf>,
    /// Profiles for crowd queries, one JSON object per line
    #[arg(long, value_name = "FILE.jsonl")]
    profiles: Option<PathBuf>,
    /// Destination of triggers, instead of all sinks of the settings: a file of JSON lines, or
    /// kafka://BROKER,..,BROKER/TOPIC; standard output if neither is given
    #[arg(long, value_name = "OUT.jsonl|URL")]
    triggers: Option<String>,
    /// Store of the state: an SQLite file (*.db), redis://.., with TLS rediss://.., or `none`. If
    /// left out, state survives a crash, but not the end of the command; a `worker` then keeps none. Not for
    /// `replay`, which keeps none. env:NAME and file:PATH as for --rules
    #[arg(long, value_name = "FILE.db|URL", value_parser = reference::text)]
    state: Option<String>,
    /// File for lines that are not events, each with the reason
    #[arg(long, value_name = "FILE.jsonl")]
    dead_letters: Option<PathBuf>,
    /// Encoding of routed records between processes of one machine: abomonation, or bytemuck (checked), which is always
    /// that of a `worker`
    #[arg(long, value_name = "NAME", value_parser = codec)]
    codec: Option<Codec>,
    /// Failing calls per minute after which a rule is quarantined [default: 100]
    #[arg(long, value_name = "N")]
    error_budget: Option<u64>,
}

fn codec(name: &str) -> Result<Codec, CliError> {
    match name {
        "abomonation" => Ok(Codec::Abomonation),
        "bytemuck" => Ok(Codec::Bytemuck),
        _ => Err(CliError::usage("write abomonation or bytemuck")),
    }
}

/// All settings of a cluster, as a file may contain them. Shown only [`redacted`](Settings::redacted).
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// A folder of rule documents, one document, or an SQLite store.
    pub(super) rules: Option<PathBuf>,
    /// A folder of calculators that rules may name.
    calculators: Option<PathBuf>,
    /// Profiles for crowd queries.
    profiles: Option<PathBuf>,
    /// Source of events, in the syntax of `--events`.
    pub(super) events: Option<String>,
    /// A topic of events, in detail; replaces `events`.
    kafka: Option<KafkaConfig>,
    /// Number of processes.
    pub(super) processes: Option<u16>,
    /// Destination of triggers, in the syntax of `--triggers`; standard output if neither this nor `sinks` is
    /// given.
    pub(super) triggers: Option<String>,
    /// Sinks of triggers, in detail.
    sinks: Vec<SinkSettings>,
    /// Where triggers wait for receivers that are away.
    spool: Spools,
    /// Store of the state, in the syntax of `--state`.
    state: Option<String>,
    /// A Redis for the state, in detail; replaces `state`.
    redis: Option<RedisConfig>,
    /// A file that tells over restarts that there is state, should the store be emptied; without it, a file
    /// that tells it as long as the command runs.
    state_mark: Option<PathBuf>,
    /// Interval between two checkpoints, ms.
    checkpoint_ms: u64,
    /// Upper bound of keyed state in the memory of each process, MiB; without it all state is in memory.
    state_memory_mb: Option<u64>,
    /// Upper bound of the rows of crowds in the memory of each process, MiB; 0 for none.
    crowd_rows_mb: u64,
    /// Name of the engine in other systems.
    name: String,
    /// Limits beyond which the breaker pauses a rule.
    breaker: BreakerConfig,
    /// Destination of refused lines.
    dead_letters: Option<PathBuf>,
    /// The wire codec.
    codec: Codec,
    /// Failing calls per minute after which a rule is quarantined.
    error_budget: u64,
    /// Length of an epoch, ms; without it, that of `run` or that of `replay`.
    epoch_ms: Option<u64>,
    /// Interval at which workers process their input, ms.
    tick_ms: u64,
    /// Upper bound of restarts within a minute; beyond it the supervisor gives up.
    pub(super) restarts_per_minute: u32,
    /// Sizes of batches of records.
    batches: BatchConfig,
    /// Upper bound of bytes that a worker's sources may read ahead of evaluation.
    read_ahead_bytes: usize,
    /// Names under which events carry their fields.
    pub(super) fields: EventFormat,
    /// Address at which metrics are served, in the syntax of `--metrics`.
    metrics: Option<String>,
    /// Whether every process of a supervised cluster also serves its own metrics, on the ports after that of
    /// `metrics`.
    metrics_per_process: bool,
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
            spool: Spools::default(),
            state: None,
            redis: None,
            state_mark: None,
            checkpoint_ms: 1_000,
            state_memory_mb: None,
            crowd_rows_mb: 256,
            name: "strateye".to_owned(),
            breaker: BreakerConfig::default(),
            dead_letters: None,
            codec: Codec::default(),
            error_budget: 100,
            epoch_ms: None,
            tick_ms: 10,
            restarts_per_minute: 5,
            batches: BatchConfig::default(),
            read_ahead_bytes: 2 << 20,
            fields: EventFormat::default(),
            metrics: None,
            metrics_per_process: false,
        }
    }
}

/// Reads the settings in a file; returns the defaults without a file.
pub(super) fn settings(config: Option<&Path>) -> Result<Settings, CliError> {
    config.map_or_else(|| Ok(Settings::default()), read)
}

/// Token of this command, by which it begins without state only once.
pub(super) fn token() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// Checks that events can be read from a path: a file or a pipe.
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
    /// Refuses a store of the state, for a command that keeps none.
    pub(super) fn refuse_state(&self) -> Result<(), CliError> {
        match self.state.as_deref() {
            None | Some("none") => Ok(()),
            Some(_) => Err(CliError::usage(
                "--state: a replay keeps no state, as it reads all events anew each time; leave --state out, or use \
                 `strateye run`, which goes on where it ended",
            )),
        }
    }

    /// Settings of the file, if one is given, overridden by the options given.
    pub(super) fn settings(self) -> Result<Settings, CliError> {
        let mut settings = settings(self.config.as_deref())?;
        settings.rules = self.rules.or(settings.rules);
        settings.calculators = self.calculators.or(settings.calculators);
        settings.profiles = self.profiles.or(settings.profiles);
        settings.send_triggers(self.triggers);
        settings.keep_state(self.state);
        settings.dead_letters = self.dead_letters.or(settings.dead_letters);
        settings.codec = self.codec.unwrap_or(settings.codec);
        settings.error_budget = self.error_budget.unwrap_or(settings.error_budget);
        Ok(settings)
    }
}

impl Settings {
    /// Wall-clock time with these settings.
    pub(super) fn live(&self) -> Time {
        Time::Live { epoch: self.epoch_ms.unwrap_or(LIVE_EPOCH), tick: self.tick_ms }
    }

    /// Time of the events, with these settings and all rules published at `publish_at` (unix ms).
    pub(super) fn replay(&self, publish_at: i64) -> Time {
        Time::Replay { publish_at, epoch: self.epoch_ms.unwrap_or(REPLAY_EPOCH) }
    }

    /// Source of events, if the settings give one.
    pub(super) fn events(&self) -> Result<Option<Events>, CliError> {
        match (&self.events, &self.kafka) {
            (Some(_), Some(_)) => {
                Err(CliError::usage("`events` and `kafka` both say where events come from; write one"))
            }
            (Some(text), None) => Events::parse(text).map(Some).map_err(CliError::usage),
            (None, kafka) => Ok(kafka.clone().map(Events::Kafka)),
        }
    }

    /// Refuses to write over what is there: an input in any case, another file unless it is empty or `overwrite`.
    pub(super) fn keep_files(&self, events: &Path, overwrite: bool) -> Result<(), CliError> {
        let inputs = [Some(events), self.rules.as_deref(), self.profiles.as_deref()];
        let triggers = self.triggers.as_deref().filter(|place| !place.contains("://")).map(Path::new);
        let outputs = [("--triggers", triggers), ("--dead-letters", self.dead_letters.as_deref())];
        for (option, path) in outputs.into_iter().filter_map(|(option, path)| Some((option, path?))) {
            let same = |input: &&Path| matches!((input.canonicalize(), path.canonicalize()), (Ok(a), Ok(b)) if a == b);
            let shown = path.display();
            if inputs.into_iter().flatten().any(|input| same(&input)) {
                return Err(CliError::usage(format!(
                    "{option} {shown}: this is an input; give another path"
                )));
            }
            let full = path.metadata().is_ok_and(|file| file.is_file() && file.len() > 0);
            if full && !overwrite {
                return Err(CliError::usage(format!(
                    "{option} {shown}: there is such a file; give another path, or --overwrite to replace it"
                )));
            }
        }
        Ok(())
    }

    /// Sends triggers only to the destination of the option `--triggers`, if it is given.
    fn send_triggers(&mut self, option: Option<String>) {
        if option.is_some() {
            (self.triggers, self.sinks) = (option, Vec::new());
        }
    }

    /// Keeps state in the store of the option `--state`, if it is given.
    pub(super) fn keep_state(&mut self, option: Option<String>) {
        if option.is_some() {
            (self.state, self.redis) = (option, None);
        }
    }

    /// For a process without a supervisor, where nothing else keeps the state: keeps it only if the settings
    /// name a store.
    pub(super) fn keep_state_only_where_said(&mut self) {
        if self.state.is_none() && self.redis.is_none() {
            self.state = Some("none".to_owned());
        }
    }

    /// For a process whose peers run on other hosts: reads nothing from them that is not checked.
    pub(super) fn check_what_is_read(&mut self) {
        self.codec = Codec::Bytemuck;
    }

    /// Topic of events, if it is given in detail.
    pub(super) fn kafka(&self) -> Option<&KafkaConfig> {
        self.kafka.as_ref()
    }

    /// The sinks with dead letters, each with their file.
    pub(super) fn receivers(&self) -> Result<Vec<(To, PathBuf)>, CliError> {
        let destinations = self.destinations()?;
        let spools = self.spool.of(&destinations);
        let receiver = |(destination, spool): (Destination, Option<SpoolConfig>)| {
            let letters = match &destination.to {
                To::Webhook(config) => Some(config.dead_letters.clone()),
                To::Kafka(_) | To::Lines(_) => spool.map(|spool| spool.dead_letters),
            };
            Some((destination.to, letters?))
        };
        Ok(destinations.into_iter().zip(spools).filter_map(receiver).collect())
    }

    /// Store of the state, if the settings give one.
    pub(super) fn state(&self) -> Result<State, CliError> {
        match (&self.state, &self.redis) {
            (Some(_), Some(_)) => {
                Err(CliError::usage("`state` and `redis` both say where state is kept; write one"))
            }
            (None, None) => Ok(State::Run),
            (None, Some(config)) => Ok(State::Redis(config.clone())),
            (Some(text), None) => State::at(text)
                .map_err(|wrong| CliError::usage(format!("--state {}: {wrong}", hide_password(text)))),
        }
    }
}

#[cfg(test)]
mod tests;
