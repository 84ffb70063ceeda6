//! The keeper on a store in memory.

use operators::{model::trigger::Fired, ops::Part};
use sinks::checkpoint::MemoryCheckpoints;

use super::*;
use crate::checkpoint::{Transactions, blob};

/// Nothing here takes nearly as long.
const WITHIN: Duration = Duration::from_secs(60);

/// Publishes one checkpoint for each word it gets, and all once nobody gives any more.
struct Told(mpsc::Receiver<()>);

impl Transactions for Told {
    fn last_published(&mut self) -> Result<Option<u64>, String> {
        Ok(None)
    }

    fn highest_published(&mut self) -> Result<u64, String> {
        Ok(0)
    }

    fn publish(&mut self, _n: u64, _fired: &[Fired]) -> Result<(), String> {
        let _word = self.0.recv();
        Ok(())
    }
}

/// A keeper, what its store is asked to change, and the word for the next checkpoint to be published.
struct Scene {
    keeper: Keeper,
    store: MemoryCheckpoints,
    calls: mpsc::Receiver<&'static str>,
    word: mpsc::Sender<()>,
}

impl Scene {
    fn new() -> Self {
        let store = MemoryCheckpoints::new();
        let (word, told) = mpsc::channel();
        let publisher = Publisher::start(Box::new(store.clone()), Box::new(Told(told))).unwrap();
        let mut watched = store.clone();
        let calls = watched.watch();
        let opened = open_on(&|| Ok(Some(Box::new(watched.clone()))), "a", || Some(publisher));
        Scene { keeper: opened.unwrap().unwrap().keeper, store, calls, word }
    }

    /// Hands over a checkpoint with triggers.
    fn hand_over(&mut self, n: u64) {
        let bytes = blob::encode(&Part::Triggers(Vec::new())).unwrap();
        let name = format!("ckpt:1:{n}:0:0");
        self.store.put_blob(&name, &bytes).unwrap();
        self.keeper.commit(Snapshot {
            n,
            positions: Vec::new(),
            clocks: Vec::new(),
            rules: Arc::default(),
            dropped: Vec::new(),
            corrections: None,
            blobs: vec![BlobRef::of(name, &bytes, true)],
            took: Duration::ZERO,
        });
    }

    /// The next call that prolongs the lease or commits.
    fn next_call(&self) -> &'static str {
        let call = || self.calls.recv_timeout(WITHIN).unwrap();
        std::iter::repeat_with(call).find(|call| ["renew", "commit"].contains(call)).unwrap()
    }

    /// A checkpoint handed over waits: the lease is prolonged again and again before it is committed. By itself that happens once in two
    /// seconds, and not twice before a commit that need not wait.
    fn assert_waits(&mut self, n: u64) {
        self.calls.try_iter().for_each(drop);
        self.hand_over(n);
        assert_eq!([self.next_call(), self.next_call()], ["renew"; 2], "checkpoint {n}");
    }

    fn assert_commits(&mut self, n: u64) {
        assert_eq!(self.keeper.done.recv_timeout(WITHIN), Ok(Done { n }));
        assert_eq!(self.store.committed().unwrap().map(|committed| committed.n), Some(n));
    }
}

#[test]
fn commits_wait_while_too_many_checkpoints_are_not_published() {
    let mut scene = Scene::new();
    let most = BEHIND as u64 + 1;
    for n in 1..=most {
        scene.hand_over(n);
        scene.assert_commits(n);
    }
    // One leaves, one is committed, and the next waits again.
    for n in most + 1..=most + 2 {
        scene.assert_waits(n);
        scene.word.send(()).unwrap();
        scene.assert_commits(n);
    }
    scene.assert_waits(most + 3);
    // All leave.
    drop(std::mem::replace(&mut scene.word, mpsc::channel().0));
    scene.assert_commits(most + 3);
    scene.hand_over(most + 4);
    scene.assert_commits(most + 4);
}
