//! Errors of checkpoint stores, with remedies.

use std::path::PathBuf;

use operators::model::ids::{CheckpointNumber, OwnerGeneration};

/// Error of a call to a checkpoint store.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Another owner's lease is valid.
    #[error(
        "another engine, {owner}, works under {place} and holds it for another {for_ms} ms; stop it, or choose another prefix or file"
    )]
    Owned {
        /// The prefix or file.
        place: String,
        /// The owner.
        owner: String,
        /// Remaining time of its lease, ms.
        for_ms: u64,
    },
    /// The ownership, or a hash, belongs to another owner generation. The receiver must stop writing.
    #[error(
        "generation {generation} does not own the checkpoints any more, the latest is generation {by}; this engine must stop, the other one continues"
    )]
    Fenced {
        /// The owner generation that was refused.
        generation: OwnerGeneration,
        /// The latest owner generation given out, or the one that changed the hash last. After a release it
        /// equals the refused one.
        by: OwnerGeneration,
    },
    /// The store does not know that it has an owner, or its file is another one.
    #[error(
        "{place} was emptied, or replaced, while this engine ran; restart the engine, it says what to do about the state"
    )]
    Emptied {
        /// The key or file.
        place: String,
    },
    /// The owner commits a checkpoint that does not follow its last one.
    #[error(
        "checkpoint {number} can't be committed after checkpoint {last}; restart the engine, it resumes from checkpoint {last}"
    )]
    OutOfOrder {
        /// The number that was refused.
        number: CheckpointNumber,
        /// The number of the last commit.
        last: CheckpointNumber,
    },
    /// The store can't be reached or does not answer in time. Whether the call took effect is unknown; it
    /// should be retried.
    #[error("the checkpoint store can't be used now: {0}; check that it runs and can be reached")]
    Unavailable(String),
    /// The server is unfit to keep checkpoints.
    #[error("{place} can't keep checkpoints: {reason}")]
    BadServer {
        /// The server.
        place: String,
        /// The fault, and what to configure.
        reason: String,
    },
    /// A setting or a name is invalid.
    #[error("{name} can't be {value:?}: {reason}")]
    Invalid {
        /// Purpose of the value.
        name: &'static str,
        /// The value.
        value: String,
        /// The fault, and what to write instead.
        reason: String,
    },
    /// Data that strateye does not write was found.
    #[error("{place} does not hold what strateye writes: {reason}")]
    Format {
        /// The key, file or row.
        place: String,
        /// The data found, and what to do.
        reason: String,
    },
    /// A value exceeds its limit.
    #[error("{what} is too large: {size}, at most {most} fits; write it in smaller parts")]
    TooLarge {
        /// Name of the value.
        what: String,
        /// Its size or value.
        size: u64,
        /// The limit.
        most: u64,
    },
    /// The SQLite file was written by a later release.
    #[error(
        "{} has checkpoints of schema {found}, this release knows {known}; use a later release, or another file", path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The latest version this release reads.
        known: i64,
    },
    /// SQLite refused a statement.
    #[error("checkpoint file {}: {source}; check that it is a checkpoint file of strateye, writable and on a local disk", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Error of SQLite.
        source: rusqlite::Error,
    },
}

impl CheckpointError {
    /// Whether a retry of the same call may succeed without intervention.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, CheckpointError::Unavailable(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unavailable_store_is_worth_trying_again() {
        assert!(CheckpointError::Unavailable("gone".into()).is_transient());
        assert!(
            !CheckpointError::Fenced { generation: OwnerGeneration(1), by: OwnerGeneration(2) }
                .is_transient()
        );
        assert!(
            !CheckpointError::OutOfOrder { number: CheckpointNumber(1), last: CheckpointNumber(2) }
                .is_transient()
        );
    }

    #[test]
    fn an_owner_is_named_with_what_to_do() {
        let error =
            CheckpointError::Owned { place: "prefix strateye".into(), owner: "a:1".into(), for_ms: 7 };
        let text = error.to_string();
        assert!(
            text.contains("a:1") && text.contains("prefix strateye") && text.contains("stop it"),
            "{text}"
        );
    }
}
