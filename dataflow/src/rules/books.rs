//! The books of a process, made off the worker threads.
//!
//! The first worker of a process that receives a change set hands it to one thread, which applies it to the
//! catalog. A book stays until the one after the next is made; by then every worker has switched, because
//! worker 0 prepares a change only after the one before is in force everywhere.
//!
//! In process 0 the rules of a change set are compiled already, by the thread that prepares documents; the
//! [compiler](operators::rule::compiler) of the process hands them over.
//!
//! The rows of crowds are requested once a book is made, before any worker receives it, and built by another
//! thread; no book waits for them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
};

use operators::{
    model::ids::BookGeneration,
    ops::Shelf,
    rule::{
        catalog::{Applied, Catalog, CrowdChange},
        change::ChangeSet,
        rows::Rows,
    },
};
use timely::scheduling::SyncActivator;

use super::crowd_rows::{Crowds, RowBuilder};
use crate::threads;

/// The books of a process, made and being made.
#[derive(Clone)]
pub struct Books {
    shared: Arc<Mutex<Shared>>,
    work: mpsc::SyncSender<Arc<ChangeSet>>,
    rows: RowBuilder,
}

#[derive(Default)]
struct Shared {
    asked: BookGeneration,
    made: BTreeMap<BookGeneration, Arc<Applied>>,
    wake: Vec<SyncActivator>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Books {
    /// Starts the thread that makes books with `catalog`, which is empty, and the one that builds rows of crowds,
    /// of at most `crowd_rows` bytes.
    pub fn start(mut catalog: Catalog, crowd_rows: usize) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (work, asked) = mpsc::sync_channel::<Arc<ChangeSet>>(4);
        let books = Arc::clone(&shared);
        let rows = RowBuilder::start(crowd_rows);
        let builder = rows.clone();
        threads::spawn("rules:build", move || {
            let mut crowds = Crowds::new();
            for set in asked {
                let applied = Arc::new(catalog.apply(&set));
                change(&mut crowds, &applied.crowds);
                if !applied.crowds.is_empty() {
                    builder.build(crowds.clone());
                }
                let mut shared = lock(&books);
                shared.made.insert(set.generation, Arc::clone(&applied));
                while shared.made.len() > 2 {
                    shared.made.pop_first();
                }
                shared.wake.drain(..).for_each(|activator| {
                    // The worker may be gone; then nobody waits.
                    let _ = activator.activate();
                });
            }
        });
        Books { shared, work, rows }
    }

    /// Requests the book of a change set, unless another worker did before; `wake` is activated once it is
    /// made. Blocks while four requests wait.
    pub fn prepare(&self, set: &Arc<ChangeSet>, wake: SyncActivator) {
        let mut shared = lock(&self.shared);
        shared.wake.push(wake);
        let first = shared.asked < set.generation;
        shared.asked = shared.asked.max(set.generation);
        drop(shared);
        if first {
            // The thread lives as long as the process.
            let _ = self.work.send(Arc::clone(set));
        }
    }
}

impl Shelf for Books {
    fn applied(&self, generation: BookGeneration) -> Option<Arc<Applied>> {
        lock(&self.shared).made.get(&generation).cloned()
    }

    fn rows(&self) -> Option<Arc<Rows>> {
        self.rows.built()
    }

    fn awaits_rows(&self) -> bool {
        self.rows.builds_first()
    }
}

/// Applies changes to the crowds of a book.
fn change(crowds: &mut Crowds, changes: &[CrowdChange]) {
    for change in changes {
        match &change.after {
            Some(crowd) => crowds.insert(change.slot, crowd.clone()),
            None => crowds.remove(&change.slot),
        };
    }
}
