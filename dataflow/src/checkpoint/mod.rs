//! Checkpoints: exactly-once state.
//!
//! ```text
//!  evaluate ──parts──► writer (a thread per worker) ──blobs──► store
//!      │ barrier n                  │ what was written
//!      ▼                            ▼
//!  control (worker 0) ◄──reports── all workers           store ──► restore ──► evaluate (after a restart)
//!      │ all is there, sinks have delivered
//!      ▼
//!  keeper (a thread, process 0) ── commits n, folds blobs into readable state, keeps the lease, reads corrections
//! ```
//!
//! With a bound of memory, keys that are in folded checkpoints alone may leave memory; a [`loader`] per worker reads them back. Workers
//! hear from worker 0 how far checkpoints are folded.
//!
//! **Invariants**
//! - A checkpoint is what its manifest says: positions, clocks, rules, and the blobs of changed state since the state that is
//!   folded. It is committed after all its blobs are written and found to be there, by one compare-and-set.
//! - Blobs are folded in the order of their checkpoints, after the commit; then the store is told by a mark how far. A manifest
//!   lists every blob whose fold the store may still lose unnoticed. Where one log has everything, that is all above the mark that
//!   stood before the last commit: the next commit is refused if the last is gone, and a mark that is there has its folds before
//!   it. A server that has not the history any more in which was folded takes no mark, and all above the mark that it has is folded
//!   again.
//! - Of a Redis Cluster, which has many logs, a blob stays listed until all masters were found, a minute after its fold, with the
//!   histories that they had then; if one has another, all that is listed is folded again.
//! - Texts are absolute: folding or restoring a blob twice, or over later state that it precedes in the list, ends the same, as all
//!   later blobs are listed behind it.
//! - What is larger than a store takes in one blob lies there in pieces.
//! - State is named by rule, condition and beginning; names that no rule has are not read, and dropped behind the commit after
//!   which no rule had them, and again as long as blobs are listed that may have them.
//! - Whoever lost the ownership writes nothing that counts: blobs carry the generation in their name, commits and folds are
//!   checked in the store. It then ends.
//! - If the store has gone back behind our last commit, nothing more is committed, folded or dropped; the process ends, and the
//!   cluster restarts from what is there, with numbers above all that were published.
//!
//! **Limits**: a server that crashes, and loses blobs and no commit, between the look at them and the commit, leaves a commit that can't be
//! restored. A node of a Redis Cluster that comes back without folds of more than a minute ago has lost them. With a bound of memory,
//! a key may be read back from a node of a cluster that lost its last fold before that is made again.
//!
//! Idea: Carbone et al., "Lightweight Asynchronous Snapshots for Distributed Dataflows" (2015); here the barrier is an
//! epoch, which timely aligns.

mod blob;
mod committed;
mod fail_point;
mod fold;
pub mod inspect;
mod keeper;
pub mod loader;
mod manifest;
mod pieces;
mod publish;
pub mod restore;
pub mod rules;
mod state;
mod takeover;
pub mod taking;
pub mod writer;

use std::time::{Duration, Instant};

pub use keeper::{Done, Keeper, KeeperGauge, Opened, Snapshot, open};
pub use publish::{Publisher, Transactions};
use sinks::checkpoint::CheckpointError;
pub use state::State;

/// How long an owner may be silent before another engine takes over.
const LEASE: Duration = Duration::from_secs(10);
/// How long a process that begins waits for a store that is away. The others of its cluster wait for it a little longer, and the
/// supervisor allows more restarts a minute than that makes, unless it is told otherwise.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries of something that fails for the moment.
const RETRY: Duration = Duration::from_millis(250);

/// Ends the process: its state can't be kept any more. What may pass by itself gets a code with which the supervisor restarts the
/// cluster.
fn fail(error: &CheckpointError) -> ! {
    tracing::error!(%error, "checkpoints can't go on");
    let lost = matches!(error, CheckpointError::Fenced { .. } | CheckpointError::OutOfOrder { .. });
    std::process::exit(if lost || error.is_transient() {
        crate::exit::STATE_LOST
    } else {
        crate::exit::STATE_UNUSABLE
    })
}

/// Does something until it succeeds, as long as it fails only for the moment.
fn persist<T>(what: &str, attempt: impl FnMut() -> Result<T, CheckpointError>) -> T {
    insist(what, Duration::MAX, attempt).unwrap_or_else(|error| fail(&error))
}

/// Does something until it succeeds, as long as it fails only for the moment; so long after the beginning it is given up.
fn insist<T>(
    what: &str,
    patience: Duration,
    mut attempt: impl FnMut() -> Result<T, CheckpointError>,
) -> Result<T, CheckpointError> {
    let (begun, mut said) = (Instant::now(), false);
    loop {
        match attempt() {
            Ok(done) => {
                if said {
                    tracing::info!("{what}: the checkpoint store is back");
                }
                return Ok(done);
            }
            Err(error) if error.is_transient() && begun.elapsed() < patience => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(%error, "{what} waits for the checkpoint store");
                }
                // A store that is away tells nobody when it is back.
                std::thread::sleep(RETRY);
            }
            Err(error) => return Err(error),
        }
    }
}
