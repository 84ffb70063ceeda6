//! The folder: a thread of process 0 that folds committed blobs into readable state, in the order of their checkpoints, and several
//! checkpoints together where there is much to fold.
//!
//! **Invariants**
//! - What failed because the store was away is done again only if the store still has the commit: one that came back with an
//!   older commit would get state of a later one. The process then ends instead, and the cluster restarts from what is there.
//! - A checkpoint counts as folded once the store has a mark for it. Where the store may have lost folds, it takes none; what it lost
//!   is then handed on again, and whatever does not follow on what is folded is left alone until it comes again in its turn.
//!
//! **Limit**: a store that goes back while a call is under way, and is there again before the connection has noticed, is not told
//! apart from one whose connection broke.

use std::{
    collections::BTreeMap,
    iter,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use operators::state::Delta;
use sinks::checkpoint::{CheckpointError, CheckpointStore, FieldChange};

use super::{
    blob,
    committed::{is_committed, listed},
    fail,
    fail_point::reach,
    persist,
};
use crate::{protocol::report::BlobRef, threads};

/// Bytes of blobs that are folded together, as they are stored.
const GROUP: u64 = 32 << 20;
/// After each call the folder rests so many times as long as it took: events need not wait for a burst of folding, and what changes
/// often is folded once for the several checkpoints that come meanwhile.
const REST: u32 = 9;
/// But no longer than that in all before a checkpoint is folded.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// Hashes changed by one call.
const HASHES: usize = 16;

/// A committed checkpoint.
pub(super) struct Work {
    /// The one that was handed on before; this is not folded unless that is.
    pub(super) after: u64,
    pub(super) n: u64,
    /// Its blobs of state.
    pub(super) blobs: Vec<BlobRef>,
    /// State that no rule has behind it.
    pub(super) dropped: Vec<String>,
}

/// What the folder tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// All checkpoints up to this one are folded.
    Folded(u64),
    /// The store may have lost folds: those above this one are to be handed on again, in order.
    Lost(u64),
}

/// Folds.
pub(super) struct Folder {
    store: Box<dyn CheckpointStore>,
    generation: u64,
    /// All up to this one is folded.
    through: u64,
}

impl Folder {
    /// Starts the thread.
    pub(super) fn start(
        store: Box<dyn CheckpointStore>,
        generation: u64,
    ) -> (mpsc::Sender<Work>, mpsc::Receiver<Told>) {
        // Bounded by the keeper, which commits nothing while too much is unfolded.
        let (to, work) = mpsc::channel();
        let (told, from) = mpsc::channel();
        let mut folder = Folder { store, generation, through: 0 };
        threads::spawn("state:fold", move || folder.run(&work, &told));
        (to, from)
    }

    fn run(&mut self, work: &mpsc::Receiver<Work>, told: &mpsc::Sender<Told>) {
        while let Some(works) = gather(work) {
            let works = following(self.through, works);
            let Some(n) = works.last().map(|work| work.n) else { continue };
            if told.send(self.fold_all(n, &works)).is_err() {
                return;
            }
        }
    }

    /// Folds checkpoints that follow on each other, the last being n.
    fn fold_all(&mut self, n: u64, works: &[Work]) -> Told {
        let blobs: Vec<BlobRef> = works.iter().flat_map(|work| work.blobs.iter().cloned()).collect();
        let mut rest = Rest { left: LONGEST_REST };
        groups(&blobs).into_iter().for_each(|group| self.fold(n, group, &mut rest));
        for name in works.iter().flat_map(|work| &work.dropped) {
            reach("drop:before");
            self.keep_on(n, "dropping state", |store, generation| store.drop_hash(generation, name));
            reach("drop:after");
        }
        reach("fold:done");
        let mark = self.keep_on(n, "folding", |store, generation| store.mark_compacted(generation, n));
        reach("fold:marked");
        if mark >= n {
            self.through = n;
            return Told::Folded(n);
        }
        tracing::warn!(mark, n, "the checkpoint store may have lost folds; they are made again");
        self.through = mark;
        Told::Lost(mark)
    }

    /// Does something behind commit n until it succeeds, as long as the store has that commit.
    fn keep_on<T>(
        &mut self,
        n: u64,
        what: &str,
        mut attempt: impl FnMut(&mut dyn CheckpointStore, u64) -> Result<T, CheckpointError>,
    ) -> T {
        let Folder { store, generation, .. } = self;
        let mut failed = false;
        persist(what, || {
            if std::mem::replace(&mut failed, true) {
                is_committed(&mut **store, n)?;
            }
            attempt(&mut **store, *generation)
        })
    }

    /// Folds blobs together: a call for every state of every blob would cost more than what it writes.
    fn fold(&mut self, n: u64, blobs: &[BlobRef], rest: &mut Rest) {
        let deltas: Vec<Delta> = blobs.iter().map(|blob| self.delta(n, blob)).collect();
        let hashes = by_hash(&deltas);
        let hashes: Vec<(&str, &[FieldChange<'_>])> =
            hashes.iter().map(|(name, all)| (*name, &**all)).collect();
        self.keep_on(n, "folding", |store, generation| {
            hashes.chunks(HASHES).try_for_each(|portion| {
                let begun = Instant::now();
                reach("fold:before");
                store.apply_many(generation, portion)?;
                reach("fold:after");
                rest.after(begun.elapsed());
                Ok(())
            })
        });
    }

    fn delta(&mut self, n: u64, blob: &BlobRef) -> Delta {
        let bytes = self.keep_on(n, "folding", |store, _| {
            // What was committed and is gone went with its commit.
            listed(store, blob).or_else(|error| is_committed(store, n).and(Err(error)))
        });
        blob::state(&bytes).unwrap_or_else(|reason| {
            let place = blob.name.clone();
            fail(&CheckpointError::Format { place, reason })
        })
    }
}

/// How long the folder may still rest.
struct Rest {
    left: Duration,
}

impl Rest {
    /// Rests after so long a work.
    fn after(&mut self, worked: Duration) {
        let rest = (worked * REST).min(self.left);
        self.left -= rest;
        // Pacing is what it is for.
        thread::sleep(rest);
    }
}

/// The next work, with all that has come meanwhile.
fn gather(work: &mpsc::Receiver<Work>) -> Option<Vec<Work>> {
    let first = work.recv().ok()?;
    Some(iter::once(first).chain(work.try_iter()).collect())
}

/// The work that follows on what is folded, each on the one before.
fn following(mut through: u64, works: Vec<Work>) -> Vec<Work> {
    let follows = |work: &Work| {
        let follows = work.after <= through;
        through = if follows { work.n } else { through };
        follows
    };
    works.into_iter().filter(follows).collect()
}

/// Cuts blobs into groups that do not hold too much at once.
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

/// The changes by state name, in their order.
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

    fn work_of(after: u64, n: u64) -> Work {
        Work { after, n, blobs: Vec::new(), dropped: Vec::new() }
    }

    #[test]
    fn what_does_not_follow_waits_until_it_comes_again() {
        let pairs = [(7, 8), (8, 9), (4, 5), (5, 8), (8, 9), (9, 10)];
        let works = |pairs: &[(u64, u64)]| pairs.iter().map(|(after, n)| work_of(*after, *n)).collect();
        let numbers = |works: Vec<Work>| works.iter().map(|work| (work.after, work.n)).collect::<Vec<_>>();
        assert_eq!(numbers(following(4, works(&pairs))), pairs[2..]);
        assert_eq!(numbers(following(7, works(&pairs[..2]))), pairs[..2]);
        assert!(following(6, works(&pairs[..2])).is_empty());
    }

    #[test]
    fn what_waits_is_folded_together() {
        let (to, work) = mpsc::channel();
        let of = |n| work_of(n - 1, n);
        (1..=3).for_each(|n| to.send(of(n)).unwrap());
        let numbers = |works: Vec<Work>| works.iter().map(|work| work.n).collect::<Vec<_>>();
        assert_eq!(gather(&work).map(numbers), Some(vec![1, 2, 3]));
        to.send(of(4)).unwrap();
        drop(to);
        assert_eq!(gather(&work).map(numbers), Some(vec![4]));
        assert!(gather(&work).is_none());
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
