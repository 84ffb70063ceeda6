//! The compactor: a thread of process 0 that applies committed blobs to the readable hashes of the store.
//!
//! It processes checkpoints in the order of their numbers, several together when many wait.
//!
//! **Invariants**
//! - A call that failed because the store was away is repeated only if the store still has the commit: a
//!   store that came back with an older commit would receive state of a later one. The process then ends
//!   instead, and the cluster restarts from the commit that the store has.
//! - A checkpoint counts as compacted once the store has a mark for it. Where the store may have lost hashes,
//!   it refuses the mark; the keeper then hands on the lost checkpoints again, and any that does not follow
//!   the one compacted last is skipped until it comes again in its turn.
//!
//! **Limit**: a store that goes back while a call is in progress, and is reachable again before the
//! connection has noticed, can't be distinguished from one whose connection broke.

use std::{
    collections::BTreeMap,
    iter,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use operators::{
    model::ids::{CheckpointNumber, OwnerGeneration},
    state::Delta,
};
use sinks::checkpoint::{CheckpointError, CheckpointSpan, CheckpointStore, FieldChange};

use super::{
    blob,
    committed::{is_committed, listed},
    fail_point::reach,
    retry::retry_until_done,
};
use crate::{exit::ExitHandle, protocol::report::BlobRef, threads};

/// Upper bound of blobs compacted together, stored bytes.
const GROUP: u64 = 32 << 20;
/// Rest after each call, in multiples of its duration: so that events need not wait for a burst of
/// compaction, and a key that changes often is written once for several checkpoints.
const REST: u32 = 9;
/// Upper bound of the sum of rests before a checkpoint is compacted.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// Hashes changed by one call.
const HASHES: usize = 16;

/// A committed checkpoint to be compacted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compaction {
    /// The checkpoint handed on before it; this one is skipped unless that one is compacted.
    pub(super) after: CheckpointNumber,
    /// Number of the checkpoint.
    pub(super) number: CheckpointNumber,
    /// Blobs of state of the checkpoint.
    pub(super) blobs: Vec<BlobRef>,
    /// Names of state that no rule has after the checkpoint.
    pub(super) dropped: Vec<String>,
}

/// Reports of the compactor thread to the keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compacted {
    /// All checkpoints up to this number are compacted.
    UpTo(CheckpointNumber),
    /// The store may have lost hashes: the checkpoints above this number are to be handed on again, in order.
    LostAbove(CheckpointNumber),
}

/// Both ends of the compactor thread, as the keeper holds them.
pub(super) struct CompactorLink {
    /// Checkpoints to be compacted. Bounded by the keeper, which commits nothing while too many wait.
    pub(super) compactions: mpsc::Sender<Compaction>,
    /// Reports of the thread.
    pub(super) compacted: mpsc::Receiver<Compacted>,
}

/// Applies committed blobs to the readable hashes.
pub(super) struct Compactor {
    store: Box<dyn CheckpointStore>,
    generation: OwnerGeneration,
    /// All checkpoints up to this number are compacted.
    up_to: CheckpointNumber,
}

impl Compactor {
    /// Starts the thread, which owns a connection of its own; it ends the process if the store can't be used.
    pub(super) fn start(
        store: Box<dyn CheckpointStore>,
        generation: OwnerGeneration,
        exit: ExitHandle,
    ) -> CompactorLink {
        let (compactions, waiting) = mpsc::channel();
        let (report, compacted) = mpsc::channel();
        let mut compactor = Compactor { store, generation, up_to: CheckpointNumber::default() };
        threads::spawn("state:compact", move || {
            if let Err(error) = compactor.run(&waiting, &report) {
                exit.end(error);
            }
        });
        CompactorLink { compactions, compacted }
    }

    fn run(
        &mut self,
        waiting: &mpsc::Receiver<Compaction>,
        report: &mpsc::Sender<Compacted>,
    ) -> Result<(), CheckpointError> {
        while let Some(gathered) = gather(waiting) {
            let next = following(self.up_to, gathered);
            let Some(last) = next.last().map(|compaction| compaction.number) else { continue };
            if report.send(self.compact(last, &next)?).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Compacts consecutive checkpoints; `last` is the number of the last.
    fn compact(
        &mut self,
        last: CheckpointNumber,
        compactions: &[Compaction],
    ) -> Result<Compacted, CheckpointError> {
        let blobs: Vec<BlobRef> = compactions.iter().flat_map(|c| c.blobs.iter().cloned()).collect();
        let mut rest = Rest { left: LONGEST_REST };
        let first = compactions.first().map_or(last, |compaction| compaction.number);
        let span = CheckpointSpan { first, last };
        groups(&blobs).into_iter().try_for_each(|group| self.apply(span, group, &mut rest))?;
        for name in compactions.iter().flat_map(|c| &c.dropped) {
            reach("drop:before");
            self.behind(last, "dropping state", |store, generation| store.drop_hash(generation, name))?;
            reach("drop:after");
        }
        reach("fold:done");
        let mark =
            self.behind(last, "compaction", |store, generation| store.mark_compacted(generation, last))?;
        reach("fold:marked");
        if mark >= last {
            self.up_to = last;
            return Ok(Compacted::UpTo(last));
        }
        tracing::warn!(
            mark = mark.0,
            n = last.0,
            "the checkpoint store may have lost hashes; they are written again"
        );
        self.up_to = mark;
        Ok(Compacted::LostAbove(mark))
    }

    /// Retries `attempt` until it is done, while the store has the commit of checkpoint `number`; blocks the
    /// thread.
    fn behind<T>(
        &mut self,
        number: CheckpointNumber,
        what: &str,
        mut attempt: impl FnMut(&mut dyn CheckpointStore, OwnerGeneration) -> Result<T, CheckpointError>,
    ) -> Result<T, CheckpointError> {
        let Compactor { store, generation, .. } = self;
        let mut failed = false;
        retry_until_done(what, || {
            if std::mem::replace(&mut failed, true) {
                is_committed(&mut **store, number)?;
            }
            attempt(&mut **store, *generation)
        })
    }

    /// Applies blobs of the checkpoints in `span` together: a call for every state of every blob would cost more
    /// than the writing itself.
    fn apply(
        &mut self,
        span: CheckpointSpan,
        blobs: &[BlobRef],
        rest: &mut Rest,
    ) -> Result<(), CheckpointError> {
        let deltas = blobs.iter().map(|blob| self.delta(span.last, blob));
        let deltas: Vec<Delta> = deltas.collect::<Result<_, _>>()?;
        let hashes = by_hash(&deltas);
        let hashes: Vec<(&str, &[FieldChange<'_>])> =
            hashes.iter().map(|(name, all)| (*name, &**all)).collect();
        self.behind(span.last, "compaction", |store, generation| {
            hashes.chunks(HASHES).try_for_each(|portion| {
                let begun = Instant::now();
                reach("fold:before");
                store.apply_many(generation, span, portion)?;
                reach("fold:after");
                rest.after(begun.elapsed());
                Ok(())
            })
        })
    }

    fn delta(&mut self, number: CheckpointNumber, blob: &BlobRef) -> Result<Delta, CheckpointError> {
        let bytes = self.behind(number, "compaction", |store, _| {
            // A blob that was committed and is missing was lost together with its commit.
            listed(store, blob).or_else(|error| is_committed(store, number).and(Err(error)))
        })?;
        blob::state(&blob.name, &bytes)
    }
}

/// Remaining time of rests before a checkpoint is compacted.
struct Rest {
    left: Duration,
}

impl Rest {
    /// Sleeps after a call that took `worked`.
    fn after(&mut self, worked: Duration) {
        let rest = (worked * REST).min(self.left);
        self.left -= rest;
        // Leaves the store, and a processor, to checkpoints meanwhile.
        thread::sleep(rest);
    }
}

/// Takes all waiting checkpoints; blocks until there is one. `None` when the channel has ended.
fn gather(waiting: &mpsc::Receiver<Compaction>) -> Option<Vec<Compaction>> {
    let first = waiting.recv().ok()?;
    Some(iter::once(first).chain(waiting.try_iter()).collect())
}

/// Checkpoints that follow the one compacted last, each directly on the one before; others are skipped.
fn following(mut up_to: CheckpointNumber, compactions: Vec<Compaction>) -> Vec<Compaction> {
    let follows = |compaction: &Compaction| {
        let follows = compaction.after <= up_to;
        up_to = if follows { compaction.number } else { up_to };
        follows
    };
    compactions.into_iter().filter(follows).collect()
}

/// Cuts blobs into groups of at most [`GROUP`] bytes, a larger blob being a group of its own.
fn groups(blobs: &[BlobRef]) -> Vec<&[BlobRef]> {
    let (mut groups, mut rest) = (Vec::new(), blobs);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |blob: &&BlobRef| {
            bytes += blob.bytes;
            bytes <= GROUP
        };
        let (group, others) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        groups.push(group);
        rest = others;
    }
    groups
}

/// Changes by state name, in their order.
fn by_hash(deltas: &[Delta]) -> BTreeMap<&str, Vec<FieldChange<'_>>> {
    let mut hashes: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    let named = deltas.iter().flat_map(Delta::by_name);
    for (name, changes) in named.filter(|(_, changes)| !changes.is_empty()) {
        hashes.entry(name).or_default().extend(changes);
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(bytes: u64) -> BlobRef {
        BlobRef { name: format!("ckpt:{bytes}"), digest: 0, bytes, triggers: false }
    }

    fn compaction(after: u64, number: u64) -> Compaction {
        let (after, number) = (CheckpointNumber(after), CheckpointNumber(number));
        Compaction { after, number, blobs: Vec::new(), dropped: Vec::new() }
    }

    #[test]
    fn what_does_not_follow_waits_until_it_comes_again() {
        let pairs = [(7, 8), (8, 9), (4, 5), (5, 8), (8, 9), (9, 10)];
        let all = |pairs: &[(u64, u64)]| pairs.iter().map(|(after, n)| compaction(*after, *n)).collect();
        let numbers = |all: Vec<Compaction>| all.iter().map(|c| (c.after.0, c.number.0)).collect::<Vec<_>>();
        assert_eq!(numbers(following(CheckpointNumber(4), all(&pairs))), pairs[2..]);
        assert_eq!(numbers(following(CheckpointNumber(7), all(&pairs[..2]))), pairs[..2]);
        assert!(following(CheckpointNumber(6), all(&pairs[..2])).is_empty());
    }

    #[test]
    fn what_waits_is_compacted_together() {
        let (to, waiting) = mpsc::channel();
        let of = |n| compaction(n - 1, n);
        (1..=3).for_each(|n| to.send(of(n)).unwrap());
        let numbers = |all: Vec<Compaction>| all.iter().map(|c| c.number.0).collect::<Vec<_>>();
        assert_eq!(gather(&waiting).map(numbers), Some(vec![1, 2, 3]));
        to.send(of(4)).unwrap();
        drop(to);
        assert_eq!(gather(&waiting).map(numbers), Some(vec![4]));
        assert!(gather(&waiting).is_none());
    }

    #[test]
    fn it_rests_longer_than_it_works_but_not_for_ever() {
        let mut rest = Rest { left: Duration::from_micros(10) };
        rest.after(Duration::from_micros(1));
        assert_eq!(rest.left, Duration::from_micros(1));
        rest.after(Duration::from_secs(1));
        assert_eq!(rest.left, Duration::ZERO);
    }

    #[test]
    fn groups_are_of_some_size_and_hold_every_blob_once() {
        let blobs = [GROUP / 2, GROUP / 2, 1, 3 * GROUP, 2, 3].map(blob);
        let cut: Vec<usize> = groups(&blobs).iter().map(|group| group.len()).collect();
        assert_eq!(cut, [2, 1, 1, 2]);
        assert_eq!(groups(&blobs).concat(), blobs);
        assert!(groups(&[]).is_empty());
    }
}
