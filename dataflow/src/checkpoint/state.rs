//! The store of a cluster's state, as configured.

use std::{
    fmt::{self, Display},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use sinks::checkpoint::{CheckpointError, CheckpointStore, RedisCheckpoints, RedisConfig, SqliteCheckpoints};

use crate::run::awaiting::Awaiting;

/// Location of the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No store: state is in memory alone.
    None,
    /// A store for as long as the command runs: state survives a crash of the cluster. The supervisor chooses
    /// the location.
    Run,
    /// In an SQLite file.
    Sqlite(PathBuf),
    /// In Redis or a Redis Cluster.
    Redis(RedisConfig),
}

/// Error for a text that is not a location of state. Its message leaves out the text, which may be an address
/// with a password.
#[derive(Debug, thiserror::Error)]
#[error("is not a place for state; write a file *.db, redis://HOST:PORT, rediss://HOST:PORT (TLS), or none")]
pub struct NotAStore;

impl State {
    /// Chooses the kind of store by the look of a text.
    ///
    /// # Errors
    /// If the text is not a location of state.
    pub fn at(text: &str) -> Result<Self, NotAStore> {
        let path = std::path::Path::new(text);
        match path.extension().and_then(|e| e.to_str()) {
            _ if text == "none" => Ok(State::None),
            _ if text.starts_with("redis://") || text.starts_with("rediss://") => {
                Ok(State::Redis(RedisConfig { urls: vec![text.to_owned()], ..RedisConfig::default() }))
            }
            Some("db" | "sqlite" | "sqlite3") => Ok(State::Sqlite(path.to_owned())),
            _ => Err(NotAStore),
        }
    }

    /// Opens the store for a worker; `None` if there is none. Blocks the worker's thread while the store is
    /// away.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn open(&self, awaiting: &Awaiting) -> Result<Option<Box<dyn CheckpointStore>>, CheckpointError> {
        awaiting.wait(&self.to_string(), CheckpointError::is_transient, || self.open_now())
    }

    /// Opens the store without waiting; `None` if there is none.
    ///
    /// # Errors
    /// If it can't be opened now.
    pub fn open_now(&self) -> Result<Option<Box<dyn CheckpointStore>>, CheckpointError> {
        Ok(match self {
            State::None | State::Run => None,
            State::Sqlite(path) => Some(Box::new(SqliteCheckpoints::open(path)?)),
            State::Redis(config) => Some(Box::new(RedisCheckpoints::open(config)?)),
        })
    }
}

impl Display for State {
    /// The store, for people; without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::None | State::Run => f.write_str("no checkpoint store"),
            State::Sqlite(path) => write!(f, "the checkpoint store {}", path.display()),
            State::Redis(config) => {
                let RedisConfig { urls, prefix, .. } = config.redacted();
                write!(f, "the checkpoint store {}, prefix {prefix}", urls.join(", "))
            }
        }
    }
}
