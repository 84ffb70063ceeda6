//! Tests of the keeper on a store in memory.

use std::collections::{BTreeMap, BTreeSet};

use operators::{
    document::text::DocumentDigest,
    model::trigger::Fired,
    ops::Part,
    rule::{change::Published, crowd::Crowd},
    state::Delta,
};
use sinks::{
    TransactionError, TransactionalSink, Trigger,
    checkpoint::{CheckpointStore, Fault, MAX_BLOB, MemoryCheckpoints},
};

use super::{committing::BEHIND, *};
use crate::checkpoint::{SelectingSink, blob, manifest::Manifest, takeover::crowd_name};
use crate::exit::STATE_LOST;

/// Timeout far above the duration of any step.
const WITHIN: Duration = Duration::from_secs(60);

/// Publisher of one checkpoint per permission, and of all once the permissions end.
struct OnPermission(mpsc::Receiver<()>);

impl TransactionalSink for OnPermission {
    fn last_published(&self) -> Result<Option<CheckpointNumber>, TransactionError> {
        Ok(None)
    }

    fn publish(&mut self, _number: CheckpointNumber, _batch: &[Trigger]) -> Result<(), TransactionError> {
        let _permission = self.0.recv();
        Ok(())
    }
}

/// A keeper, the calls that change its store, and permissions to publish.
struct Scene {
    keeper: Keeper,
    store: MemoryCheckpoints,
    calls: mpsc::Receiver<&'static str>,
    permit: mpsc::Sender<()>,
    /// Failures that would end the process.
    failures: mpsc::Receiver<Option<Fatal>>,
    /// Rules in force from the next checkpoint on.
    rules: Arc<Vec<Remembered>>,
    /// Instant at which the barrier of the next checkpoint was announced.
    asked: Instant,
    /// Rules remembered at the start.
    remembered: Vec<Remembered>,
}

impl Scene {
    /// A scene with a publisher.
    fn new() -> Self {
        let store = MemoryCheckpoints::new();
        let (permit, permissions) = mpsc::channel();
        let select = Box::new(|_: &Fired| None);
        let sinks = vec![SelectingSink { select, sink: Box::new(OnPermission(permissions)) }];
        let publisher = Publisher::start(Box::new(store.clone()), sinks, ExitHandle::for_test().0).unwrap();
        Scene::open(store, Some(publisher), permit)
    }

    /// A scene without a publisher.
    fn on(store: MemoryCheckpoints) -> Self {
        Scene::open(store, None, mpsc::channel().0)
    }

    fn open(store: MemoryCheckpoints, publisher: Option<Publisher>, permit: mpsc::Sender<()>) -> Self {
        let mut watched = store.clone();
        let calls = watched.watch();
        let (exit, failures) = ExitHandle::for_test();
        let owned = Owned::take(&|| Ok(Some(Box::new(watched.clone()))), "a").unwrap().unwrap();
        let marker = Marker::new(Marks::none(), admit(owned.stored(), &[], None).unwrap());
        let Opened { keeper, remembered, .. } = keep(owned, marker, publisher, &exit);
        Scene {
            keeper,
            store,
            calls,
            permit,
            failures,
            rules: Arc::default(),
            asked: Instant::now(),
            remembered,
        }
    }

    /// Ends the keeper, which leaves nothing that would block another one.
    fn end(mut self) -> MemoryCheckpoints {
        let last = self.store.committed().unwrap().map_or(0, |committed| committed.number.0);
        self.await_mark(last);
        drop(self.keeper);
        assert!(self.calls.iter().any(|call| call == "release"));
        self.store
    }

    /// Starts another keeper on the store that this one left.
    fn next(self) -> Self {
        Scene::on(self.end())
    }

    /// Hands over a checkpoint with triggers.
    fn hand_over(&mut self, n: u64) {
        self.hand_over_parts(n, &[Part::Triggers(Vec::new())], &[]);
    }

    /// Hands over a checkpoint with these parts, after which no rule has the `dropped` states.
    fn hand_over_parts(&mut self, n: u64, parts: &[Part], dropped: &[&str]) {
        let blobs = parts.iter().enumerate().map(|(i, part)| {
            let bytes = blob::encode(part).unwrap();
            let name = format!("ckpt:1:{n}:0:{i}");
            self.store.put_blob(&name, &bytes).unwrap();
            BlobRef::of(name, &bytes, matches!(part, Part::Triggers(_)))
        });
        let blobs = blobs.collect();
        let dropped = dropped.iter().map(|name| (*name).to_owned()).collect();
        self.keeper.commit(Snapshot { blobs, dropped, ..self.snapshot(n) });
    }

    /// A checkpoint of the rules alone.
    fn snapshot(&self, n: u64) -> Snapshot {
        Snapshot {
            number: CheckpointNumber(n),
            positions: Positions::default(),
            clocks: Clocks::default(),
            rules: Arc::clone(&self.rules),
            dropped: Vec::new(),
            corrections: None,
            blobs: Vec::new(),
            asked: self.asked,
        }
    }

    /// Commits a checkpoint with these texts of key 1, one by the name of each state.
    fn commit(&mut self, n: u64, texts: &[(&str, &str)], dropped: &[&str]) {
        let mut delta = Delta::default();
        for (name, text) in texts {
            let number = delta.name((*name).to_owned());
            delta.push(number, "1", Some(|out: &mut String| out.push_str(text)));
        }
        self.hand_over_parts(n, &[Part::State(delta)], dropped);
        self.assert_commits(n);
    }

    /// The compacted text of key 1.
    fn text(&mut self, name: &str) -> Option<String> {
        self.store.fields(name, &["1"]).unwrap().pop().flatten()
    }

    /// The last commit's manifest.
    fn manifest(&mut self) -> Manifest {
        Manifest::from_json(&self.store.committed().unwrap().unwrap().manifest).unwrap()
    }

    fn gauge(&self) -> KeeperGauge {
        *self.keeper.gauge().lock().unwrap()
    }

    /// Waits until the store's mark of compaction is n.
    fn await_mark(&mut self, n: u64) {
        self.await_that(|scene| scene.store.compacted_up_to().0 == n);
    }

    fn await_that(&self, so: impl Fn(&Self) -> bool) {
        let until = Instant::now() + WITHIN;
        while !so(self) {
            assert!(Instant::now() < until, "{:?}, mark {}", self.gauge(), self.store.compacted_up_to());
            std::thread::yield_now();
        }
    }

    /// The next call that prolongs the lease or commits.
    fn next_call(&self) -> &'static str {
        let call = || self.calls.recv_timeout(WITHIN).unwrap();
        std::iter::repeat_with(call).find(|call| ["renew", "commit"].contains(call)).unwrap()
    }

    /// Checks that a checkpoint handed over waits: the lease is renewed repeatedly before the commit. Without
    /// a wait that happens once in two seconds, and not twice before a commit.
    fn assert_waits(&mut self, n: u64) {
        self.calls.try_iter().for_each(drop);
        self.hand_over(n);
        assert_eq!([self.next_call(), self.next_call()], ["renew"; 2], "checkpoint {n}");
    }

    fn assert_commits(&mut self, n: u64) {
        assert_eq!(self.keeper.done.recv_timeout(WITHIN), Ok(Done { number: CheckpointNumber(n) }));
        assert_eq!(self.store.committed().unwrap().map(|committed| committed.number.0), Some(n));
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
    // One is published, one is committed, and the next waits again.
    for n in most + 1..=most + 2 {
        scene.asked = Instant::now();
        scene.assert_waits(n);
        let waited = scene.asked.elapsed();
        scene.permit.send(()).unwrap();
        scene.assert_commits(n);
        assert!(scene.gauge().took >= waited, "it took as long as its commit waited");
    }
    scene.assert_waits(most + 3);
    // All are published.
    drop(std::mem::replace(&mut scene.permit, mpsc::channel().0));
    scene.assert_commits(most + 3);
    scene.hand_over(most + 4);
    scene.assert_commits(most + 4);
    // The last publication shows without another commit.
    scene.await_that(|scene| {
        scene.gauge().published == Some(CheckpointNumber(most + 4)) && scene.gauge().uncompacted == 0
    });
}

#[test]
fn compactions_that_the_store_loses_are_made_again() {
    let mut scene = Scene::on(MemoryCheckpoints::new());
    scene.commit(1, &[("r:a:1", "one")], &[]);
    scene.await_mark(1);
    let before = scene.store.compacted_state();
    scene.commit(2, &[("r:a:1", "two")], &[]);
    scene.await_mark(2);
    // The commit before them exists, so that nothing refuses the next.
    scene.store.lose_compacted_since(&before);
    for n in 3..=6 {
        scene.commit(n, &[("r:b:1", "other")], &[]);
        let listed: BTreeSet<u64> = scene.manifest().blobs.iter().map(|listed| listed.number.0).collect();
        assert!(listed.contains(&2) || scene.text("r:a:1").as_deref() == Some("two"), "{n}: {listed:?}");
    }
    scene.await_mark(6);
    assert_eq!(scene.text("r:a:1").as_deref(), Some("two"));
    scene.commit(7, &[], &[]);
    scene.await_mark(7);
    scene.commit(8, &[], &[]);
    let listed: BTreeSet<u64> = scene.manifest().blobs.iter().map(|listed| listed.number.0).collect();
    assert_eq!(listed, BTreeSet::from([7, 8]), "what is compacted for good is not listed");
}

#[test]
fn state_that_no_rule_has_is_dropped_again_after_blobs_that_have_it() {
    let mut scene = Scene::on(MemoryCheckpoints::new());
    scene.commit(1, &[("old:a:1", "one"), ("r:a:1", "one")], &[]);
    scene.await_mark(1);
    scene.commit(2, &[("old:a:1", "two"), ("r:a:1", "two")], &["old:a:1"]);
    scene.await_mark(2);
    assert_eq!(scene.store.hashes().unwrap(), ["r:a:1"]);
    scene.commit(3, &[], &[]);
    scene.await_mark(3);
    assert_eq!(
        scene.manifest().blobs[0].number.0,
        2,
        "the blob with the last of the old state is still listed"
    );
    // The next keeper compacts it again.
    let mut next = scene.next();
    next.commit(4, &[], &[]);
    next.await_mark(4);
    assert_eq!(next.store.hashes().unwrap(), ["r:a:1"]);
    next.commit(5, &[], &[]);
    next.await_mark(5);
    next.commit(6, &[], &[]);
    assert_eq!(next.manifest().dropped, [], "it goes with the blobs");
}

#[test]
fn rules_and_crowds_that_are_larger_than_a_piece_come_back() {
    // Over 8 MiB each, the crowd as a bitmap.
    let crowd = |step: usize| {
        let crowd = Crowd::new((0..80_000_000).step_by(step).collect());
        assert!(crowd.to_bytes().len() > MAX_BLOB);
        crowd
    };
    let first =
        Published::first(r#"{"rule_id": "r", "trigger": {"event": {"id": "T"}}}"#, 1, 0, BTreeMap::new());
    let rule = |crowd: Crowd, word: &str| Remembered {
        published: Published {
            crowd: Some(crowd),
            document: word.repeat(9 << 20).into(),
            ..first.clone().unwrap()
        },
        document: Some(DocumentDigest::of(word.as_bytes())),
        in_force: true,
        quarantined: None,
        broken: None,
        pauses: 0,
    };
    let mut scene = Scene::on(MemoryCheckpoints::new());
    scene.rules = Arc::new(vec![rule(crowd(15), "a")]);
    scene.commit(1, &[], &[]);
    let mut of_first = scene.store.blobs().unwrap();
    of_first.retain(|name| name.contains(":rules:") || name.starts_with("crowd:"));
    assert_eq!(of_first.len(), 4, "{of_first:?}");
    let later = crowd(14);
    scene.rules = Arc::new(vec![rule(later.clone(), "b")]);
    scene.commit(2, &[], &[]);
    let rules = Arc::clone(&scene.rules);
    let mut next = scene.next();
    assert!(next.remembered == *rules);
    next.rules = rules;
    next.commit(3, &[], &[]);
    let blobs = next.store.blobs().unwrap();
    let name = crowd_name(&later.digest());
    assert!(blobs.contains(&name) && blobs.contains(&format!("{name}:1")), "{blobs:?}");
    assert!(!blobs.iter().any(|name| of_first.contains(name)), "{blobs:?}");
}

#[test]
fn a_store_that_is_away_at_the_start_is_waited_for() {
    let mut scene = Scene::on(MemoryCheckpoints::new());
    scene.commit(1, &[("r:a:1", "one")], &[]);
    let store = scene.end();
    // The store is away when it is opened, and when the ownership is taken.
    let tries = std::cell::Cell::new(0);
    let connect = || -> Result<Option<Box<dyn CheckpointStore>>, CheckpointError> {
        tries.set(tries.get() + 1);
        let mut store = store.clone();
        match tries.get() {
            1 => return Err(CheckpointError::Unavailable("away".to_owned())),
            2 => store.fail(1, Fault::Before),
            _ => {}
        }
        Ok(Some(Box::new(store)))
    };
    let take = || Owned::take(&connect, "a");
    let owned = Awaiting::for_test().wait("the store", CheckpointError::is_transient, take);
    let last = owned.unwrap().unwrap().resumed.start.checkpoint;
    assert_eq!((last, tries.get()), (Some(CheckpointNumber(1)), 5));
}

#[test]
fn a_fenced_owner_ends_its_process_so_that_the_cluster_restarts() {
    let mut scene = Scene::on(MemoryCheckpoints::new());
    scene.commit(1, &[("r:a:1", "one")], &[]);
    scene.store.take("a", Duration::from_secs(60)).unwrap();
    scene.hand_over(2);
    let fatal = scene.failures.recv_timeout(WITHIN).unwrap().unwrap();
    assert_eq!((fatal.code, fatal.what), (STATE_LOST, "checkpoints can't continue"));
    assert!(fatal.cause.contains("this engine must stop, the other one continues"), "{}", fatal.cause);
    assert_eq!(scene.store.committed().unwrap().map(|committed| committed.number.0), Some(1));
}

#[test]
fn blobs_that_the_store_has_lost_are_not_committed_and_end_the_process() {
    let mut scene = Scene::on(MemoryCheckpoints::new());
    scene.commit(1, &[("r:a:1", "one")], &[]);
    let blob = BlobRef { name: "ckpt:1:2:0:0".to_owned(), digest: 0, bytes: 1, triggers: false };
    scene.keeper.commit(Snapshot { blobs: vec![blob], ..scene.snapshot(2) });
    let fatal = scene.failures.recv_timeout(WITHIN).unwrap().unwrap();
    assert_eq!((fatal.code, fatal.what), (STATE_LOST, "the checkpoint store has lost data"));
    assert_eq!(scene.store.committed().unwrap().map(|committed| committed.number.0), Some(1));
}
