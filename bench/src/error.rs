//! Why a measurement could not be made, and what to do about it.

use std::{io, path::PathBuf};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that can't be.
    #[error("{0}")]
    Usage(String),
    /// A file or folder can't be used.
    #[error("can't {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A rule of the workload is none.
    #[error("rule {name} is no rule: {reason}; make the workload anew with `strateye-bench workload`")]
    Rule {
        /// Its file or id.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Events that are none.
    #[error("{path} line {line}: {reason}; make the workload anew with `strateye-bench workload`", path = path.display())]
    Event {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The engine could not be run, or did not say what it should.
    #[error("`{command}`: {reason}")]
    Engine {
        /// What was run.
        command: String,
        /// What went wrong.
        reason: String,
    },
    /// Two runs over the same events fired differently.
    #[error("the triggers differ:\n{0}")]
    Different(String),
}

impl Error {
    /// What the process exits with: 2 for bad usage, 1 for a failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            _ => 1,
        }
    }

    /// To be used as `map_err(Error::file("read", path))`.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { action, path, source }
    }
}
