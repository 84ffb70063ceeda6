//! The loader: a thread per worker that reads evicted keys back, many in one call.
//!
//! **Invariant**: its queue is bounded by the records that wait for keys, and by the number of keys that
//! timers reload at once. While the store is away it waits and shows that by a flag: a dataflow without
//! progress is then no reason to restart the cluster.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use operators::ops::{Loaded, Loader, Wanted};
use sinks::checkpoint::{CheckpointError, CheckpointStore};
use timely::scheduling::SyncActivator;

use super::retry::retry_until_done;
use crate::{exit::ExitHandle, threads};

/// Upper bound of keys read in one call.
const BATCH: usize = 512;
/// Interval at which an idle loader checks that the store can be reached.
const LOOK: Duration = Duration::from_secs(1);

/// `evaluate`'s end of the loader.
pub struct StoreLoader {
    wanted: mpsc::Sender<Vec<Wanted>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    done: Mutex<Vec<Loaded>>,
    wake: Mutex<Option<SyncActivator>>,
}

/// Starts the thread of a worker. It keeps `away` true while the store can't be reached, and ends the process
/// if the store can't be used.
pub fn start(store: Box<dyn CheckpointStore>, away: Arc<AtomicBool>, exit: ExitHandle) -> StoreLoader {
    let (wanted, from) = mpsc::channel();
    let shared = Arc::new(Shared::default());
    let mut reading = Reading { store, away, shared: Arc::clone(&shared) };
    threads::spawn("state:load", move || {
        if let Err(error) = reading.run(&from) {
            exit.end(error);
        }
    });
    StoreLoader { wanted, shared }
}

impl Loader for StoreLoader {
    fn request(&self, keys: Vec<Wanted>) {
        // The thread lives as long as this end.
        let _ = self.wanted.send(keys);
    }

    fn loaded(&self) -> Vec<Loaded> {
        std::mem::take(&mut *self.shared.done.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wakes(&self, activator: SyncActivator) {
        *self.shared.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(activator);
    }
}

struct Reading {
    store: Box<dyn CheckpointStore>,
    away: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Reading {
    fn run(&mut self, from: &mpsc::Receiver<Vec<Wanted>>) -> Result<(), CheckpointError> {
        loop {
            match from.recv_timeout(LOOK) {
                Ok(mut wanted) => {
                    from.try_iter().for_each(|more| wanted.extend(more));
                    self.read(wanted)?;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let seen = self.store.committed().map(drop);
                    note(&self.away, &seen);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn read(&mut self, mut wanted: Vec<Wanted>) -> Result<(), CheckpointError> {
        // Keys of one group have states of the same names.
        wanted.sort_by_key(|wanted| wanted.key.group);
        for group in wanted.chunk_by(|a, b| a.key.group == b.key.group && a.names == b.names) {
            for batch in group.chunks(BATCH) {
                let loaded = self.batch(batch)?;
                self.shared.done.lock().unwrap_or_else(PoisonError::into_inner).extend(loaded);
                if let Some(wake) = &*self.shared.wake.lock().unwrap_or_else(PoisonError::into_inner) {
                    // The worker may be gone; then nobody waits.
                    let _ = wake.activate();
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, wanted: &[Wanted]) -> Result<Vec<Loaded>, CheckpointError> {
        let Reading { store, away, .. } = self;
        let keys: Vec<&str> = wanted.iter().map(|wanted| &*wanted.key.key).collect();
        let mut loaded: Vec<Loaded> =
            wanted.iter().map(|wanted| Loaded { wanted: wanted.clone(), texts: Vec::new() }).collect();
        let names = wanted.first().map(|first| Arc::clone(&first.names)).unwrap_or_default();
        for (place, name) in names.iter().enumerate() {
            let texts = retry_until_done("reading state back", || {
                let read = store.fields(name, &keys);
                note(away, &read);
                read
            })?;
            for (loaded, text) in loaded.iter_mut().zip(texts) {
                loaded.texts.extend(text.map(|text| (place, text)));
            }
        }
        Ok(loaded)
    }
}

/// Sets `away` if the call failed because the store can't be reached, and clears it otherwise.
fn note<T>(away: &AtomicBool, seen: &Result<T, CheckpointError>) {
    away.store(seen.as_ref().is_err_and(CheckpointError::is_transient), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use operators::{model::ids::CheckpointNumber, state::evicted::EvictedKey};
    use sinks::checkpoint::{CheckpointSpan, MemoryCheckpoints};

    use super::*;

    const FIRST: CheckpointSpan = CheckpointSpan::of(CheckpointNumber(1));

    fn wanted(group: u32, key: &str, names: &Arc<[String]>) -> Wanted {
        let key = EvictedKey { group, hash: 0, key: key.into() };
        Wanted { key, names: Arc::clone(names), uncompacted: Vec::new() }
    }

    #[test]
    fn every_key_comes_back_with_what_it_has() {
        let mut store = MemoryCheckpoints::default();
        let generation = store.take("test", Duration::from_secs(60)).unwrap().generation;
        store.apply(generation, FIRST, "r:a:1", &[("1", Some("x")), ("2", Some("y"))]).unwrap();
        store.apply(generation, FIRST, "r:b:1", &[("2", Some("z"))]).unwrap();
        store.apply(generation, FIRST, "s:c:1", &[("1", Some("other"))]).unwrap();
        let away = Arc::new(AtomicBool::new(false));
        let loader = start(Box::new(store), Arc::clone(&away), ExitHandle::for_test().0);
        let (r, s): (Arc<[String]>, Arc<[String]>) =
            (["r:a:1".to_owned(), "r:b:1".to_owned()].into(), ["s:c:1".to_owned()].into());
        let asked = [wanted(0, "1", &r), wanted(1, "1", &s), wanted(0, "2", &r), wanted(0, "none", &r)];
        loader.request(asked[..2].to_vec());
        loader.request(asked[2..].to_vec());
        let until = Instant::now() + Duration::from_secs(30);
        let mut loaded = Vec::new();
        while loaded.len() < asked.len() && Instant::now() < until {
            loaded.extend(loader.loaded());
            std::thread::yield_now();
        }
        let texts = |wanted: &Wanted| -> Vec<(usize, String)> {
            let found: Vec<_> = loaded.iter().filter(|l| l.wanted == *wanted).collect();
            assert_eq!(found.len(), 1, "{wanted:?}");
            found[0].texts.clone()
        };
        assert_eq!(texts(&asked[0]), [(0, "x".to_owned())]);
        assert_eq!(texts(&asked[1]), [(0, "other".to_owned())]);
        assert_eq!(texts(&asked[2]), [(0, "y".to_owned()), (1, "z".to_owned())]);
        assert_eq!(texts(&asked[3]), []);
        assert!(!away.load(Ordering::Relaxed));
    }
}
