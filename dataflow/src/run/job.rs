//! The job of a cluster: its inputs, outputs and parameters.
//!
//! Made once by the command line, read by every process.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use operators::model::{decode::EventFormat, wire::Codec};
use serde::{Deserialize, Serialize};
use sinks::LineOutput;
use sources::events::{GeneratorConfig, KafkaConfig, Start};

use super::batches::BatchConfig;
use crate::{
    checkpoint::{MarkConfig, State},
    protocol::time::Time,
    rules::breaker::BreakerConfig,
    telemetry::Expected,
    triggers::{destinations::Destination, spools::Spools},
};

/// Work of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Source of events.
    pub events: Events,
    /// Source of rules.
    pub rules: Rules,
    /// A folder of calculators that rules may name, `NAME.rhai` each.
    pub calculators: Option<PathBuf>,
    /// Profiles for crowd queries, one JSON object per line.
    pub profiles: Option<PathBuf>,
    /// Destinations of triggers.
    pub triggers: Vec<Destination>,
    /// Where they wait for receivers that are away.
    pub spools: Spools,
    /// Store of the state.
    pub state: State,
    /// Where it is noted that there is state, should the store be emptied.
    pub mark: MarkConfig,
    /// Name of the engine in other systems, such as in the transactions of its triggers.
    pub name: String,
    /// Owner of the state: the same over all restarts of this run.
    pub owner: String,
    /// Interval between two checkpoints, ms.
    pub checkpoint_ms: u64,
    /// Limits beyond which the breaker pauses a rule.
    pub breaker: BreakerConfig,
    /// Destination of refused records; they are counted in any case.
    pub dead_letters: LineOutput,
    /// Mode of time: wall clock or replay.
    pub time: Time,
    /// Names under which events carry their fields.
    pub fields: EventFormat,
    /// Encoding of routed records on the wire.
    pub codec: Codec,
    /// Sizes of batches of records.
    pub batches: BatchConfig,
    /// Upper bound of bytes that sources may read ahead of evaluation, per worker.
    pub read_ahead: usize,
    /// Approximate upper bound of keyed state in the memory of a process, bytes; `None` without a bound.
    pub state_memory: Option<usize>,
    /// Upper bound of the rows of crowds in the memory of a process, bytes; with 0 there are none.
    pub crowd_rows: usize,
    /// Failing calls per minute after which a rule is quarantined.
    pub error_budget: u64,
    /// Address at which process 0 serves its own metrics, if processes do; process i adds i to the port, or
    /// uses any port if it is 0.
    pub metrics: Option<SocketAddr>,
}

/// Number of intervals after which a checkpoint is late.
const LATE_AFTER: u64 = 10;
/// Least age at which a checkpoint is late, since ages arrive twice a second.
const NEVER_LATE_BEFORE: Duration = Duration::from_secs(5);

impl Job {
    /// Figures expected of these processes while they are healthy; `supervised` is whether the events of a
    /// supervisor arrive too.
    #[must_use]
    pub fn expected(&self, processes: Range<usize>, supervised: bool) -> Expected {
        let kept = processes.contains(&0)
            && match self.state {
                State::Sqlite(_) | State::Redis(_) => true,
                // The supervisor keeps the state.
                State::Run => supervised,
                State::None => false,
            };
        let late =
            Duration::from_millis(self.checkpoint_ms.saturating_mul(LATE_AFTER)).max(NEVER_LATE_BEFORE);
        let epoch = self.time.epoch();
        Expected { processes, checkpoint_within: kept.then_some(late), epoch, supervised }
    }
}

/// Source of events.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Events {
    /// A JSONL file: one partition, read by worker 0.
    File(PathBuf),
    /// Standard input of process 0: one partition.
    Stdin,
    /// A file, in the order of its events' times.
    SortedFile(PathBuf),
    /// The built-in generator, one partition per worker; rate and partition are derived for each worker.
    Generator(GeneratorConfig),
    /// A topic: partition p is read by worker p mod workers.
    Kafka(KafkaConfig),
    /// No events.
    None,
}

impl Events {
    /// Parses the value of `--events`: `-`, a path, `generator:RATE` or `kafka://..`.
    ///
    /// # Errors
    /// If the text is none of these.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        match text.strip_prefix("generator:") {
            Some(rate) => {
                let rate = rate.parse::<f64>().ok().filter(|r| *r > 0.0 && r.is_finite());
                let rate = rate.ok_or(LocationError::Generator)?;
                // After a crash the load continues at the current point of its schedule.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
                Ok(Events::Generator(GeneratorConfig {
                    rate,
                    start: Start::Since(now),
                    ..GeneratorConfig::default()
                }))
            }
            None if text == "-" => Ok(Events::Stdin),
            None => Ok(match KafkaUrl::parse(text)? {
                Some(KafkaUrl { brokers, topic }) => Events::Kafka(KafkaConfig::new(brokers, topic)),
                None => Events::File(PathBuf::from(text)),
            }),
        }
    }
}

impl Display for Events {
    /// The source, for people; without options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Events::File(path) | Events::SortedFile(path) => write!(f, "the events in {}", path.display()),
            Events::Stdin => f.write_str("the events on standard input"),
            Events::Generator(_) => f.write_str("the generator"),
            Events::Kafka(config) => write!(f, "topic `{}` at {}", config.topic, config.brokers),
            Events::None => f.write_str("no events"),
        }
    }
}

/// Source of rules.
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
    /// Chooses the kind of source by the look of a path: `mysql://..` is a database, `.db`, `.sqlite` and
    /// `.sqlite3` are stores, everything else is a folder or a document.
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

/// Brokers and topic of a `kafka://BROKER,..,BROKER/TOPIC`.
pub(crate) struct KafkaUrl<'t> {
    pub(crate) brokers: &'t str,
    pub(crate) topic: &'t str,
}

impl<'t> KafkaUrl<'t> {
    /// Parses a text; `None` if it does not begin with `kafka://`.
    pub(crate) fn parse(text: &'t str) -> Result<Option<Self>, LocationError> {
        let Some(rest) = text.strip_prefix("kafka://") else { return Ok(None) };
        let parts = rest.split_once('/').filter(|(brokers, topic)| !brokers.is_empty() && !topic.is_empty());
        let (brokers, topic) = parts.ok_or(LocationError::Kafka)?;
        Ok(Some(KafkaUrl { brokers, topic }))
    }
}

/// The reason why a text is not a location of events or triggers: what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// A generator without a valid rate.
    #[error("write generator:RATE with a number of events per second, such as generator:12000")]
    Generator,
    /// A Kafka URL without brokers or topic.
    #[error("write kafka://HOST:PORT,HOST:PORT/TOPIC")]
    Kafka,
}
