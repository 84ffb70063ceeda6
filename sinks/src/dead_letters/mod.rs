//! Triggers that could not be delivered, kept in a file until they are replayed.
//!
//! - `letter`: one letter and its line
//! - `file`: the file and those beside it
//! - `replay`: sends the letters again
//!
//! One JSON document per line: `{"at", "url", "attempts", "last_error", "id", "key", "trigger"}`. `trigger`
//! is the trigger's own document, byte for byte; a trigger that is no JSON object is stored as a string.
//!
//! **Invariants**: a letter is synced to disk before `append` returns; a torn line, left by a crash in the
//! middle of an append, damages no other. Beside the file `NAME` are `NAME.lock` (held for every append and
//! move, by any process), `NAME.replaying-N` (letters that are being replayed), `NAME.replay-lock` and
//! `NAME.unreadable` (lines that a replay could not read).

mod file;
mod letter;
mod replay;

use std::{
    io,
    path::{Path, PathBuf},
};

pub(crate) use file::{DeadLetterFile, read_lines};
pub use letter::DeadLetter;
pub use replay::{Replayed, replay};

use crate::trigger_sink::TriggerSinkError;

/// Error of reading, writing or replaying dead letters.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// A file can't be used.
    #[error(
        "{path} can't be {action}: {error}; name a file in a folder that exists, may be written and has room"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// The action, as a participle: opened, read, written, locked, moved, removed.
        action: &'static str,
        /// Error of the system.
        error: io::Error,
    },
    /// Another process replays the same file.
    #[error("{path} is being replayed already; wait for that replay to end")]
    Busy {
        /// The dead-letter file.
        path: PathBuf,
    },
    /// The sink to which letters are sent again has failed.
    #[error("the letters can't be sent again: {0}")]
    Sink(#[from] TriggerSinkError),
    /// The sink can never take a letter.
    #[error("a letter can't be sent again: {0}")]
    Refused(String),
}

impl DeadLetterError {
    /// Conversion of a system error, for `map_err`.
    pub(crate) fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| DeadLetterError::File { path: path.to_owned(), action, error }
    }
}

/// Content of a dead-letter file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The letters, oldest first.
    pub letters: Vec<DeadLetter>,
    /// Number of lines that are no letters: torn by a crash, written by another program, or being written.
    pub unreadable: usize,
}

/// Reads all letters of a dead-letter file, those of an interrupted replay included. A missing file holds
/// none.
///
/// # Errors
/// If the file exists and can't be read.
pub fn list(path: &Path) -> Result<Listing, DeadLetterError> {
    let file = DeadLetterFile::new(path);
    let mut listing = Listing::default();
    let aside = file.aside()?;
    for part in aside.iter().map(PathBuf::as_path).chain([path]) {
        read_lines(part, &mut |line| {
            match DeadLetter::parse(line) {
                Some(letter) => listing.letters.push(letter),
                None => listing.unreadable += 1,
            }
            Ok(())
        })?;
    }
    Ok(listing)
}
