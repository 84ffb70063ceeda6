//! Options that several commands share.

use std::path::PathBuf;

use clap::Args;
use operators::model::{decode::FieldNames, wire::Codec};
use sinks::LineOutput;

use crate::run::job::{Events, Job, Rules, Time};

/// What is read and written.
#[derive(Clone, Debug, Args)]
pub(super) struct Common {
    /// A folder of rule documents, one document, or an SQLite store (*.db, *.sqlite)
    #[arg(long, value_name = "PATH")]
    pub(super) rules: PathBuf,
    /// Profiles for crowd queries, one JSON object a line
    #[arg(long, value_name = "FILE.jsonl")]
    pub(super) profiles: Option<PathBuf>,
    /// Where triggers go, one JSON object a line; standard output if left out
    #[arg(long, value_name = "OUT.jsonl")]
    pub(super) triggers: Option<PathBuf>,
    /// Where lines that are no events go, each with its reason
    #[arg(long, value_name = "FILE.jsonl")]
    pub(super) dead_letters: Option<PathBuf>,
    /// How routed records are written to the wire: abomonation, or bytemuck (checked)
    #[arg(long, value_name = "NAME", default_value = "abomonation", value_parser = codec)]
    pub(super) codec: Codec,
    /// Failing calls per minute after which a rule is quarantined
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) error_budget: u64,
}

fn codec(name: &str) -> Result<Codec, String> {
    match name {
        "abomonation" => Ok(Codec::Abomonation),
        "bytemuck" => Ok(Codec::Bytemuck),
        _ => Err("write abomonation or bytemuck".into()),
    }
}

/// Bytes a worker's sources may read ahead of evaluation.
pub(super) const READ_AHEAD: usize = 16 << 20;

impl Common {
    /// The job, with events and time still to be told.
    pub(super) fn job(&self, events: Events, time: Time) -> Job {
        Job {
            events,
            rules: Rules::at(&self.rules),
            profiles: self.profiles.clone(),
            triggers: self.triggers.clone().map_or(LineOutput::Stdout, LineOutput::File),
            dead_letters: self.dead_letters.clone().map_or(LineOutput::Nowhere, LineOutput::File),
            time,
            fields: FieldNames::default(),
            codec: self.codec,
            read_ahead: READ_AHEAD,
            error_budget: self.error_budget,
        }
    }
}

/// Live time, unless said otherwise: epochs of 50 ms, wake-ups at least 5 ms apart.
pub(super) const LIVE: Time = Time::Live { epoch: 50, tick: 5 };
