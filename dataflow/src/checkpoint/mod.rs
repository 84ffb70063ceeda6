//! Checkpoints: exactly-once state.
//!
//! ```text
//!  evaluate ──deltas──► writer (a thread per worker) ──blobs──► store
//!      │ barrier n                  │ names of the blobs
//!      ▼                            ▼
//!  control (worker 0) ◄──reports── all workers           store ──► restore ──► evaluate (after a restart)
//!      │ all blobs are written, sinks have acknowledged
//!      ▼
//!  keeper (a thread, process 0) ── commits n, has blobs compacted and triggers published, keeps the lease
//! ```
//!
//! With a bound of memory, keys whose state is compacted may leave memory; a [`loader`] per worker reads them
//! back. Worker 0 broadcasts the number up to which checkpoints are compacted.
//!
//! - `blob`, `pieces`: deltas and triggers as bytes, of any size
//! - `manifest`, [`rules`]: what a commit lists, and the stored form of its rules
//! - [`taking`]: barrier, reports and commit, as decided by worker 0
//! - [`writer`]: blobs of a worker, and the operator that reports them
//! - `takeover`: the ownership of a store, and the content of its last commit
//! - `mark`: what is known of the state outside the store, should that be emptied
//! - `keeper`: the thread that commits, and worker 0's end of it
//! - `ledger`: which blobs are listed, and the progress of compaction and publication
//! - `removals`: what is no longer listed, until it may be removed
//! - `stored_rules`, `corrections`: rules that are written again, edits by people that are read
//! - `compactor`: committed blobs become readable hashes
//! - `publish`, `transactional_sinks`: triggers that wait for their commit, and where they go
//! - `committed`: reads of a commit, and of what it lists
//! - [`restore`], [`loader`]: stored state back into memory, after a restart and key by key
//! - [`inspect`]: state as people see and correct it
//! - `state`: the configured store of the state
//! - `retry`, `fail_point`: calls of a store that is away, and tests of every place at which a process may
//!   end
//!
//! **Invariants**
//! - A checkpoint consists of what its manifest lists: positions, clocks, rules, and the blobs of changes
//!   since the compacted state. It is committed after all its blobs are written and found to exist, by one
//!   compare-and-set.
//! - Blobs are compacted in the order of their checkpoints, after the commit; then the store takes a mark of
//!   how far. A manifest lists every blob whose compaction the store may still lose unnoticed. With one log
//!   those are all above the mark that stood before the last commit: the next commit is refused if the last
//!   is lost, and a mark that exists has its hashes before it. A server whose history is not the one of the
//!   compaction takes no mark, and everything above its own mark is compacted again.
//! - In a Redis Cluster, which has many logs, a blob stays listed until all masters were found, a minute
//!   after its compaction, with the histories that they had then; if one has another, everything listed is
//!   compacted again.
//! - What a commit no longer lists, and corrections that it includes, are removed from a Redis Cluster a minute
//!   and several commits later: the commit may be lost by a fail-over, and the one before then needs them.
//! - Restored blobs have the size and the digest that their manifest says.
//! - A compaction carries the numbers of its checkpoints; a hash to which the same owner has applied later ones
//!   is not changed, so a call that arrives late undoes nothing.
//! - Texts are absolute: compacting or restoring a blob twice, or over later state that it precedes in the
//!   list, has the same result, as all later blobs are listed after it.
//! - A blob larger than a store accepts is stored in pieces.
//! - State is named by rule, condition and beginning. Names that no rule has are not read; they are dropped
//!   after the commit since which no rule has them, and again while blobs are listed that may contain them.
//! - An engine that has lost the ownership writes nothing that takes effect: blobs carry the owner's
//!   generation in their name, and the store checks it at every commit and compaction. The engine then ends.
//! - If the store has gone back behind this engine's last commit, nothing more is committed, compacted or
//!   dropped; the process ends, and the cluster restarts from the commit that is there, with numbers above
//!   all that were published.
//!
//! **Limits**: a server that crashes between the check of the blobs and the commit, and loses blobs but not
//! the commit, leaves a commit that can't be restored. A node of a Redis Cluster that comes back without
//! hashes older than a minute has lost them. With a bound of memory, a key may be read back from a node of a
//! cluster that lost its last compaction before that is repeated.
//!
//! Idea: Carbone et al., "Lightweight Asynchronous Snapshots for Distributed Dataflows" (2015); here the
//! barrier is an epoch, which timely aligns.

mod blob;
mod committed;
mod compactor;
mod corrections;
mod fail_point;
pub mod inspect;
mod keeper;
mod ledger;
pub mod loader;
mod manifest;
mod mark;
mod pieces;
mod publish;
mod removals;
pub mod restore;
mod retry;
pub mod rules;
mod state;
mod stored_rules;
mod takeover;
pub mod taking;
mod transactional_sinks;
pub mod writer;

use std::time::Duration;

pub use keeper::{Done, Keeper, KeeperGauge, Opened, Snapshot, open};
pub use mark::MarkConfig;
pub use publish::Publisher;
use sinks::checkpoint::CheckpointError;
pub use state::State;
pub use transactional_sinks::SelectingSink;

use crate::exit::{Fatal, STATE_LOST, STATE_UNUSABLE};

/// Lease of the ownership: after this time without a renewal another engine may take over.
const LEASE: Duration = Duration::from_secs(10);
/// Time between two attempts of a call that failed with a transient error.
const RETRY: Duration = Duration::from_millis(250);

impl From<CheckpointError> for Fatal {
    /// Failure of the process: state can't be kept any more. Errors that a restart from the last commit may
    /// repair have an exit code of their own.
    fn from(error: CheckpointError) -> Self {
        let lost = matches!(
            error,
            CheckpointError::Fenced { .. }
                | CheckpointError::Emptied { .. }
                | CheckpointError::OutOfOrder { .. }
        );
        let code = if lost || error.is_transient() { STATE_LOST } else { STATE_UNUSABLE };
        Fatal::new(code, "checkpoints can't continue", error)
    }
}
