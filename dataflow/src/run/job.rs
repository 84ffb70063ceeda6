//! What a cluster is to do. Made once by the command line, read by every process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use operators::model::{decode::FieldNames, wire::Codec};
use serde::{Deserialize, Serialize};
use sinks::LineOutput;
use sources::events::{GeneratorConfig, KafkaConfig};

use super::{breaker::BreakerConfig, triggers::Destination};
use crate::checkpoint::State;

/// A cluster's work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Where events come from.
    pub events: Events,
    /// Where rules come from.
    pub rules: Rules,
    /// A folder of calculators that rules may name, `NAME.rhai` each.
    pub calculators: Option<PathBuf>,
    /// Profiles for crowd queries, one JSON object a line.
    pub profiles: Option<PathBuf>,
    /// Where triggers go.
    pub triggers: Vec<Destination>,
    /// Where state is kept.
    pub state: State,
    /// What the engine is called where others see it, such as the transactions of its triggers.
    pub name: String,
    /// Who owns that state: the same over all restarts of this run.
    pub owner: String,
    /// Between two checkpoints, ms.
    pub checkpoint_ms: u64,
    /// Which rules fire too much.
    pub breaker: BreakerConfig,
    /// Where refused records go; they are counted in any case.
    pub dead_letters: LineOutput,
    /// How time passes.
    pub time: Time,
    /// Under which names events carry their fields.
    pub fields: FieldNames,
    /// How routed records are written to the wire.
    pub codec: Codec,
    /// How far sources may read ahead of what is evaluated, bytes per worker.
    pub read_ahead: usize,
    /// Bytes of keyed state that a process may have in memory, about; `None` without a bound.
    pub state_memory: Option<usize>,
    /// Failing calls per minute after which a rule is quarantined.
    pub error_budget: u64,
    /// Where process 0 serves its own metrics, if processes do; process i does it i ports behind, or at any port if this is 0.
    pub metrics: Option<SocketAddr>,
}

/// Where events come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Events {
    /// A JSONL file: one partition, read by worker 0.
    File(PathBuf),
    /// Standard input of process 0: one partition.
    Stdin,
    /// The built-in generator, one partition per worker; rate and partition are worked out for each.
    Generator(GeneratorConfig),
    /// A topic: partition p is read by worker p mod workers.
    Kafka(KafkaConfig),
    /// No events.
    None,
}

/// Where rules come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rules {
    /// A folder of documents, or one document.
    Folder(PathBuf),
    /// An SQLite store.
    Sqlite(PathBuf),
    /// A MySQL or MariaDB database, followed by its binlog: `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
    Mysql(String),
}

impl Rules {
    /// Takes a path for what it looks like: `mysql://..` is a database, `.db`, `.sqlite` and `.sqlite3` are stores, everything else is a
    /// folder or a document.
    pub fn at(path: &Path) -> Rules {
        if let Some(url) = path.to_str().filter(|p| p.starts_with("mysql://")) {
            return Rules::Mysql(url.to_owned());
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("db" | "sqlite" | "sqlite3") => Rules::Sqlite(path.to_owned()),
            _ => Rules::Folder(path.to_owned()),
        }
    }
}

/// How time passes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Time {
    /// With the wall clock.
    Live {
        /// Length of an epoch, ms.
        epoch: u64,
        /// Between two instants at which workers take in what has come, ms (0: at once).
        tick: u64,
    },
    /// With the events; rules are published at that instant (unix ms).
    Replay {
        /// When all rules were published.
        publish_at: i64,
    },
}

impl Time {
    /// Whether time is the wall clock's.
    pub fn is_live(self) -> bool {
        matches!(self, Time::Live { .. })
    }
}
