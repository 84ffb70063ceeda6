//! Lines, one record each, to standard output or a file.
//!
//! - [`LineWriter`]: writes lines without waiting for their reader; used for refused records
//! - [`LineSink`]: the sink of triggers on top of it; `sync`: syncs its file
//!
//! **Invariant**: nothing here waits for the reader of standard output or of a pipe. What the reader has not
//! taken is kept, up to a bound; a writer without room has to be asked again. Files are written directly. New ones
//! have mode 0600.

mod sink;
mod sync;
mod writer;

pub use sink::LineSink;
pub use writer::LineWriter;
pub(crate) use writer::ends_torn;

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{TriggerSinkError, private};

/// Destination of lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineOutput {
    /// Standard output.
    Stdout,
    /// A file, or a pipe by its path.
    File(PathBuf),
    /// None: lines are dropped.
    Nowhere,
}

impl LineOutput {
    /// Makes the file anew, empty. To be called once, before the processes that write to it start.
    ///
    /// # Errors
    /// If the file can't be made.
    pub fn create(&self) -> Result<(), LineError> {
        match self {
            LineOutput::File(path) => {
                let opened = private::options().write(true).create(true).truncate(true).open(path);
                opened.map(drop).map_err(LineError::open(path))
            }
            LineOutput::Stdout | LineOutput::Nowhere => Ok(()),
        }
    }

    /// Opens a writer. Lines are appended to those of the file, so that a restart loses none; a last line
    /// that a crash has torn is ended first.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub fn open(&self) -> Result<LineWriter, LineError> {
        LineWriter::open(self)
    }
}

/// The reason why lines can't be written.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The file can't be opened.
    #[error(
        "{path} can't be opened for writing: {error}; name a file in a folder that exists and may be written"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The reader of standard output has closed it.
    #[error("the reader of standard output has gone")]
    ReaderGone,
    /// The system refuses to write, for example because the disk is full.
    #[error("lines can't be written: {0}")]
    Write(io::Error),
}

impl LineError {
    /// For `map_err` where a file is opened.
    fn open(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| LineError::Open { path: path.to_owned(), error }
    }
}

impl From<LineError> for TriggerSinkError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::ReaderGone => TriggerSinkError::ReaderGone,
            other => TriggerSinkError::failed(other),
        }
    }
}
