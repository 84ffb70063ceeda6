//! Triggers that could not be delivered, kept in a file until somebody replays them.
//!
//! One JSON document a line: `{"at", "url", "attempts", "last_error", "id", "key", "trigger"}`. `trigger` is the
//! trigger's own document, byte for byte; a line that is no JSON object stands there as a string.
//!
//! **Invariants**: a letter is synced to disk before `append` returns; a torn line, left by a crash in the middle of an
//! append, spoils no other. Beside the file `NAME` lie `NAME.lock` (held for every append and move, by whatever
//! process), `NAME.replaying-N` (letters that are being replayed), `NAME.replay-lock` and `NAME.unreadable` (lines
//! that a replay could not read).

mod file;
mod letter;
mod replay;

use std::{
    io,
    path::{Path, PathBuf},
};

pub(super) use file::DeadLetterFile;
pub use letter::DeadLetter;
pub use replay::{Replayed, replay};

/// Why dead letters can't be read, written or replayed.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// A file can't be used.
    #[error(
        "{path} can't be {action}: {error}; name a file in a folder that exists, may be written and has room"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried: opened, read, written, locked, moved, removed.
        action: &'static str,
        /// Why.
        error: io::Error,
    },
    /// Another process replays the same file.
    #[error("{path} is being replayed already; wait for that replay to end")]
    Busy {
        /// The dead-letter file.
        path: PathBuf,
    },
}

impl DeadLetterError {
    /// For `map_err`.
    fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| DeadLetterError::File { path: path.to_owned(), action, error }
    }
}

/// Dead letters, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The letters, oldest first.
    pub letters: Vec<DeadLetter>,
    /// Lines that are no letters: torn by a crash, written by somebody else, or just being written.
    pub unreadable: usize,
}

/// Reads all letters of a dead-letter file, those of a replay that was broken off included. A file that is not there
/// holds none.
///
/// # Errors
/// If the file is there and can't be read.
pub fn list(path: &Path) -> Result<Listing, DeadLetterError> {
    let file = DeadLetterFile::new(path);
    let mut listing = Listing::default();
    let aside = file.aside()?;
    for part in aside.iter().map(PathBuf::as_path).chain([path]) {
        file::read_lines(part, &mut |line| {
            match DeadLetter::parse(line) {
                Some(letter) => listing.letters.push(letter),
                None => listing.unreadable += 1,
            }
            Ok(())
        })?;
    }
    Ok(listing)
}
