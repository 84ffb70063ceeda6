//! Errors of a measurement, with remedies.

use std::{io, path::PathBuf};

/// Error of a measurement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is invalid.
    #[error("{0}")]
    Usage(String),
    /// A file or folder can't be used.
    #[error("can't {action} {path}: {source}", path = path.display())]
    File {
        /// The operation that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A rule of the workload is invalid.
    #[error(
        "rule {name} is not a valid rule: {reason}; make the workload again with `strateye-bench workload`"
    )]
    Rule {
        /// Its file or id.
        name: String,
        /// The fault.
        reason: String,
    },
    /// An event of the workload is invalid.
    #[error("{path} line {line}: {reason}; make the workload again with `strateye-bench workload`", path = path.display())]
    Event {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The fault.
        reason: String,
    },
    /// The engine could not be run, or did not print the figures expected of it.
    #[error("`{command}`: {reason}")]
    Engine {
        /// The command.
        command: String,
        /// The reason, with the program's last output.
        reason: String,
    },
    /// Two runs over the same events fired different triggers.
    #[error("the triggers differ:\n{0}")]
    Different(String),
}

impl Error {
    /// Exit code of the process: 2 for bad usage, 1 for a failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            _ => 1,
        }
    }

    /// For use as `map_err(Error::file("read", path))`.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { action, path, source }
    }
}
