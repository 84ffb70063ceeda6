//! The rows of the crowds of a process, built on a thread of their own.
//!
//! **Invariants**
//! - Nothing waits for the thread but the first events, which wait for the first rows of the process
//!   ([`builds_first`](RowBuilder::builds_first)), five seconds at most. A [request](RowBuilder::build)
//!   replaces one that is not begun yet, and [`built`](RowBuilder::built) returns whatever was built last.
//! - Rows that would be too large are not built. Most often that is found before they are begun, so that the
//!   first events do not wait; at the latest once they have become too large. Then there are none, and no
//!   further attempt costs time, until the bitmaps have become an eighth larger or smaller.
//! - At most two versions of the rows are being built or handed over at a time; a third exists while a worker
//!   still uses an older one. Versions share the blocks of users in which they do not differ.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use operators::rule::{crowd::Crowd, rows::Rows};

use crate::threads;

/// Crowds by rule slot.
pub(super) type Crowds = BTreeMap<u32, Crowd>;

/// Builder of the rows of a process.
#[derive(Clone)]
pub(super) struct RowBuilder {
    shared: Arc<Shared>,
    wake: mpsc::SyncSender<()>,
}

#[derive(Default)]
struct Shared {
    requested: Mutex<Option<Crowds>>,
    built: Mutex<Option<Arc<Rows>>>,
    first: Mutex<First>,
}

/// Progress of the first rows of the process.
#[derive(Clone, Copy, Default)]
enum First {
    #[default]
    NotRequested,
    /// Requested at that instant, and not complete.
    Building(Instant),
    /// Complete, or too large; or there are never any.
    Over,
}

/// Longest time for which the first rows count as being built.
const FIRST_WITHIN: Duration = Duration::from_secs(5);

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RowBuilder {
    /// Starts the thread; rows may take at most `most` bytes, and with 0 there are never any.
    pub(super) fn start(most: usize) -> Self {
        let shared = Arc::<Shared>::default();
        let (wake, woken) = mpsc::sync_channel(1);
        if most > 0 {
            let mut work = Work { shared: Arc::clone(&shared), most, refused: None };
            threads::spawn("rules:rows", move || woken.iter().for_each(|()| work.build()));
        } else {
            *lock(&shared.first) = First::Over;
        }
        RowBuilder { shared, wake }
    }

    /// Requests the rows of these crowds, all crowds of a book. Never blocks.
    pub(super) fn build(&self, crowds: Crowds) {
        let mut first = lock(&self.shared.first);
        if matches!(*first, First::NotRequested) {
            *first = First::Building(Instant::now());
        }
        drop(first);
        *lock(&self.shared.requested) = Some(crowds);
        // If the thread is to be woken already, it will find this request.
        let _ = self.wake.try_send(());
    }

    /// Whether the first rows of the process are being built; false once that takes more than five seconds.
    pub(super) fn builds_first(&self) -> bool {
        self.builds_first_at(Instant::now())
    }

    fn builds_first_at(&self, now: Instant) -> bool {
        match *lock(&self.shared.first) {
            First::Building(since) => now.saturating_duration_since(since) < FIRST_WITHIN,
            First::NotRequested | First::Over => false,
        }
    }

    /// The rows built last, if there are any.
    pub(super) fn built(&self) -> Option<Arc<Rows>> {
        lock(&self.shared.built).clone()
    }
}

/// The work of the thread.
struct Work {
    shared: Arc<Shared>,
    /// Upper bound of the bytes of rows.
    most: usize,
    /// Bytes of the bitmaps of which rows were too large, if they were last time.
    refused: Option<usize>,
}

impl Work {
    /// Builds the rows last requested, if they are not built yet.
    fn build(&mut self) {
        let Some(crowds) = lock(&self.shared.requested).take() else { return };
        let bitmaps: usize = crowds.values().map(Crowd::bytes).sum();
        if self.refused.is_some_and(|refused| bitmaps.abs_diff(refused) < refused / 8) {
            return;
        }
        let former = lock(&self.shared.built).clone().unwrap_or_default();
        let rows = former.changed(&crowds, self.most);
        self.refused = rows.is_err().then_some(bitmaps);
        if let Err(error) = &rows {
            tracing::info!(
                crowds = crowds.len(),
                "{error}, so users are looked up in the crowds' bitmaps, which takes longer; if there is memory, \
                 raise `crowd_rows_mb`, which counts up to four times the size of the bitmaps"
            );
        }
        *lock(&self.shared.built) = rows.ok().map(Arc::new);
        *lock(&self.shared.first) = First::Over;
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    fn crowds(guids: Range<u64>) -> Crowds {
        BTreeMap::from([(7, Crowd::new(guids.collect()))])
    }

    /// A builder, its work without a thread, and its waking.
    fn idle(most: usize) -> (RowBuilder, Work, mpsc::Receiver<()>) {
        let shared = Arc::<Shared>::default();
        let (wake, woken) = mpsc::sync_channel(1);
        let work = Work { shared: Arc::clone(&shared), most, refused: None };
        (RowBuilder { shared, wake }, work, woken)
    }

    #[test]
    fn the_latest_request_is_built_once() {
        let (builder, mut work, woken) = idle(1 << 20);
        assert!(builder.built().is_none());
        builder.build(crowds(1..2));
        builder.build(crowds(2..3));
        assert_eq!(woken.try_iter().count(), 1, "one waking for both");
        work.build();
        let built = builder.built().unwrap();
        assert!(built.column(7, &crowds(2..3)[&7]).is_some() && built.column(7, &crowds(1..2)[&7]).is_none());
        work.build();
        assert!(Arc::ptr_eq(&built, &builder.built().unwrap()), "nothing was requested since");
    }

    #[test]
    fn rows_that_are_too_large_are_tried_again_when_the_crowds_are_of_another_size() {
        let (builder, mut work, _woken) = idle(20_000);
        let mut build = |guids: Range<u64>| {
            builder.build(crowds(guids));
            work.build();
            (builder.built().is_some(), work.refused)
        };
        // A member in a row of eight bytes, and in two bytes of a bitmap.
        let refused = Some(crowds(0..3_000)[&7].bytes());
        assert_eq!(build(0..2_000), (true, None));
        assert_eq!(build(0..3_000), (false, refused));
        assert_eq!(build(0..2_900), (false, refused), "not tried, as it is nearly of the same size");
        assert_eq!(build(0..2_000), (true, None));
    }

    #[test]
    fn only_the_first_rows_are_waited_for_and_not_for_long() {
        for (most, guids) in [(1 << 20, 0..10), (20_000, 0..3_000)] {
            let (builder, mut work, _woken) = idle(most);
            assert!(!builder.builds_first(), "nothing is requested");
            builder.build(crowds(guids.clone()));
            assert!(builder.builds_first_at(Instant::now() + FIRST_WITHIN / 2));
            assert!(!builder.builds_first_at(Instant::now() + FIRST_WITHIN));
            builder.build(crowds(guids.start + 1..guids.end));
            work.build();
            assert!(!builder.builds_first(), "built, or too large");
            builder.build(crowds(3..5));
            assert!(!builder.builds_first(), "these are not the first");
        }
    }

    #[test]
    fn without_a_thread_requests_do_not_block_and_nothing_waits() {
        let builder = RowBuilder::start(0);
        (0..3).for_each(|guid| builder.build(crowds(guid..guid + 1)));
        assert!(builder.built().is_none() && !builder.builds_first());
    }
}
