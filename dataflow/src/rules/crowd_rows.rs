//! The rows of the crowds of a process, built on a thread of their own.
//!
//! **Invariants**
//! - Nobody waits for the thread. A [request](RowBuilder::build) replaces one that is not begun yet, and
//!   [`built`](RowBuilder::built) returns whatever was built last.
//! - Rows that would be too large are not built; then there are none until crowds change again.
//! - At most two versions of the rows are being built or handed over at a time; a third exists while a worker
//!   still uses an older one. Versions share the blocks of users in which they do not differ.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
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
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RowBuilder {
    /// Starts the thread; rows may take at most `most` bytes, and with 0 there are never any.
    pub(super) fn start(most: usize) -> Self {
        let shared = Arc::<Shared>::default();
        let (wake, woken) = mpsc::sync_channel(1);
        let builder = RowBuilder { shared: Arc::clone(&shared), wake };
        if most > 0 {
            threads::spawn("rules:rows", move || woken.iter().for_each(|()| shared.build(most)));
        }
        builder
    }

    /// Requests the rows of these crowds, all crowds of a book. Never blocks.
    pub(super) fn build(&self, crowds: Crowds) {
        *lock(&self.shared.requested) = Some(crowds);
        // If the thread is to be woken already, it will find this request.
        let _ = self.wake.try_send(());
    }

    /// The rows built last, if there are any.
    pub(super) fn built(&self) -> Option<Arc<Rows>> {
        lock(&self.shared.built).clone()
    }
}

impl Shared {
    /// Builds the rows last requested, if they are not built yet.
    fn build(&self, most: usize) {
        let Some(crowds) = lock(&self.requested).take() else { return };
        let former = lock(&self.built).clone().unwrap_or_default();
        let rows = former.changed(&crowds, most);
        if let Err(error) = &rows {
            tracing::info!(
                crowds = crowds.len(),
                "{error}, so users are looked up in the crowds' bitmaps, which takes longer; if there is memory, \
                 raise `crowd_rows_mb`, which counts up to four times the size of the bitmaps"
            );
        }
        *lock(&self.built) = rows.ok().map(Arc::new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowds(guid: u64) -> Crowds {
        BTreeMap::from([(7, Crowd::new([guid].into_iter().collect()))])
    }

    #[test]
    fn the_latest_request_is_built_and_rows_that_are_too_large_are_not() {
        let shared = Shared::default();
        let (wake, woken) = mpsc::sync_channel(1);
        let builder = RowBuilder { shared: Arc::new(shared), wake };
        assert!(builder.built().is_none());
        builder.build(crowds(1));
        builder.build(crowds(2));
        assert_eq!(woken.try_iter().count(), 1, "one waking for both");
        builder.shared.build(1 << 20);
        let built = builder.built().unwrap();
        assert!(built.column(7, &crowds(2)[&7]).is_some() && built.column(7, &crowds(1)[&7]).is_none());
        builder.shared.build(1 << 20);
        assert!(Arc::ptr_eq(&built, &builder.built().unwrap()), "nothing was requested since");
        builder.build(crowds(3));
        builder.shared.build(8);
        assert!(builder.built().is_none());
    }

    #[test]
    fn without_a_thread_requests_do_not_block() {
        let builder = RowBuilder::start(0);
        (0..3).for_each(|guid| builder.build(crowds(guid)));
        assert!(builder.built().is_none());
    }
}
