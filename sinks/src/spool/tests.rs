//! Tests of the invariants.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use proptest::prelude::*;

use super::{
    BreakerState, SpoolConfig,
    delivery::{Delivery, Now, PAUSE},
    log::SpoolLog,
    model::{Disk, Receiver},
    storage::{Folder, Storage},
};
use crate::{dead_letters, trigger::Trigger};

/// Wait that opens the breaker, ms.
const AFTER: u64 = 100;

fn config(folder: &Path) -> SpoolConfig {
    SpoolConfig {
        folder: folder.join("spool"),
        max_bytes: 1 << 16,
        after: Duration::from_millis(AFTER),
        queue: 100,
        queue_bytes: 1 << 20,
        dead_letters: folder.join("dead.jsonl"),
        receiver: "http://receiver/".into(),
    }
}

fn trigger(number: usize) -> Trigger {
    // Five fill a segment.
    let line = "x".repeat(if number.is_multiple_of(3) { 2_000 } else { 100 });
    Trigger { id: format!("{number:06}"), key: "k".into(), line, expires: None }
}

fn at(elapsed: u64) -> Now {
    Now { elapsed, unix: elapsed }
}

fn delivery<S: Storage>(receiver: &Receiver, storage: S, config: &SpoolConfig) -> Delivery<S> {
    let Ok(log) = SpoolLog::open(storage, config.max_bytes) else { panic!("the log opens") };
    Delivery::new(Box::new(receiver.clone()), log, config, at(0))
}

/// What happens to an engine, its disk and its receiver.
#[derive(Clone, Debug)]
enum Step {
    Fire(usize),
    Work(u64),
    Checkpoint,
    Receiver(bool),
    Deliver(usize),
    /// The nth call of the disk fails, and perhaps all after it.
    Fault(u64, bool),
    Heal,
    /// The machine crashes; this part of what is not synced survives.
    Crash(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..8usize).prop_map(Step::Fire),
        6 => (0..2 * AFTER).prop_map(Step::Work),
        3 => Just(Step::Checkpoint),
        2 => any::<bool>().prop_map(Step::Receiver),
        4 => (1..30usize).prop_map(Step::Deliver),
        2 => (1..6u64, any::<bool>()).prop_map(|(nth, for_good)| Step::Fault(nth, for_good)),
        1 => Just(Step::Heal),
        1 => any::<u8>().prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..120)
}

/// An engine that fires triggers 0, 1, 2, .. and commits how many are acknowledged.
struct Engine {
    disk: Disk,
    receiver: Receiver,
    config: SpoolConfig,
    delivery: Option<Delivery<Disk>>,
    /// Triggers fired by all processes up to the present one's start, as its checkpoint says.
    committed: usize,
    fired: usize,
    /// Most triggers ever fired.
    most: usize,
    elapsed: u64,
}

impl Engine {
    /// Triggers of the present process that are acknowledged, as a number of all.
    fn acknowledged(&self, started: usize) -> usize {
        self.delivery.as_ref().map_or(started, |delivery| started + delivery.acknowledged().0 as usize)
    }

    fn work(&mut self, ms: u64) {
        self.elapsed += ms;
        if self.delivery.is_none() {
            let log = SpoolLog::open(self.disk.clone(), self.config.max_bytes);
            let now = at(self.elapsed);
            self.delivery =
                log.ok().map(|log| Delivery::new(Box::new(self.receiver.clone()), log, &self.config, now));
        }
        if let Some(delivery) = &mut self.delivery {
            delivery.work(at(self.elapsed)).unwrap();
        }
    }

    fn fire(&mut self, count: usize) {
        let Some(delivery) = &mut self.delivery else { return };
        for _ in 0..count {
            delivery.take(trigger(self.fired), at(self.elapsed));
            self.fired += 1;
        }
        self.most = self.most.max(self.fired);
    }

    /// Everything acknowledged has arrived, or survives a crash.
    fn check(&self, started: usize) {
        let safe: BTreeSet<String> = self.receiver.taken().into_iter().chain(self.disk.durable()).collect();
        for number in 0..self.acknowledged(started) {
            assert!(safe.contains(&trigger(number).id), "{number} is acknowledged and not durable");
        }
    }
}

fn run(steps: &[Step]) {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine {
        disk: Disk::default(),
        receiver: Receiver::default(),
        config: config(folder.path()),
        delivery: None,
        committed: 0,
        fired: 0,
        most: 0,
        elapsed: 0,
    };
    let mut started = 0;
    for step in steps {
        match *step {
            Step::Fire(count) => engine.fire(count),
            Step::Work(ms) => engine.work(ms),
            Step::Checkpoint => engine.committed = engine.acknowledged(started),
            Step::Receiver(is_up) => engine.receiver.set(is_up),
            Step::Deliver(count) => engine.receiver.deliver(count),
            Step::Fault(nth, for_good) => engine.disk.fail(nth, for_good),
            Step::Heal => engine.disk.heal(),
            Step::Crash(part) => {
                engine.delivery = None;
                engine.disk.crash(part);
                engine.receiver.restart();
                (engine.fired, started) = (engine.committed, engine.committed);
            }
        }
        engine.check(started);
    }
    // In the end all is well, and everything that was fired arrives.
    engine.disk.heal();
    engine.receiver.set(true);
    engine.work(0);
    engine.fire(engine.most - engine.fired);
    for round in 0.. {
        engine.work(500);
        engine.receiver.deliver(1000);
        if engine.delivery.as_ref().unwrap().is_idle() {
            break;
        }
        assert!(round < 1000, "the spool is never empty");
    }
    // A file that could not be written or removed goes once the disk is tried again.
    engine.work(PAUSE);
    assert_eq!(engine.acknowledged(started), engine.fired);
    let mut seen = BTreeSet::new();
    let first: Vec<String> =
        engine.receiver.taken().into_iter().filter(|id| seen.insert(id.clone())).collect();
    assert_eq!(first, (0..engine.most).map(|number| trigger(number).id).collect::<Vec<_>>());
    assert_eq!(engine.disk.files(), 0);
}

proptest! {
    #[test]
    fn nothing_is_lost_or_early_and_the_order_stays(steps in steps()) {
        run(&steps);
    }
}

#[test]
fn what_was_half_written_for_a_trigger_that_is_delivered_meanwhile_goes() {
    let outage = [Step::Work(0), Step::Fire(1), Step::Work(AFTER), Step::Receiver(true), Step::Deliver(1)];
    let failure = [Step::Fire(1), Step::Fault(2, false), Step::Work(0), Step::Work(AFTER), Step::Deliver(1)];
    run(&[outage.as_slice(), &failure].concat());
}

#[test]
fn what_an_earlier_process_had_half_written_goes() {
    let crash = [Step::Work(0), Step::Fire(1), Step::Fault(1, false), Step::Work(AFTER), Step::Crash(64)];
    run(&crash);
    let failure = [Step::Work(0), Step::Fault(1, false), Step::Fire(1), Step::Work(0), Step::Work(AFTER)];
    run(&[crash.as_slice(), &failure].concat());
}

/// The same outage, restarted and delivered, with each call of the disk failing once, or crashing.
#[test]
fn any_call_of_the_disk_may_fail() {
    for nth in 1..60 {
        for for_good in [false, true] {
            let mut steps = vec![Step::Work(0), Step::Fault(nth, for_good)];
            for round in 0..6 {
                steps.extend([Step::Fire(5), Step::Work(AFTER), Step::Work(20 * AFTER), Step::Checkpoint]);
                steps.push(Step::Receiver(round % 3 == 2));
                steps.push(Step::Deliver(9));
            }
            steps.extend([Step::Crash(nth as u8 * 4), Step::Work(0), Step::Fire(3), Step::Work(AFTER)]);
            run(&steps);
        }
    }
}

#[test]
fn a_closed_receiver_holds_up_no_acknowledgement_and_gets_probes_alone() {
    let (folder, receiver, disk) = (tempfile::tempdir().unwrap(), Receiver::default(), Disk::default());
    let config = SpoolConfig { max_bytes: 1 << 24, ..config(folder.path()) };
    let mut delivery = delivery(&receiver, disk.clone(), &config);
    (0..5).for_each(|number| delivery.take(trigger(number), at(0)));
    delivery.work(at(1)).unwrap();
    assert_eq!((delivery.acknowledged().0, receiver.held(), disk.files()), (0, 5, 0));
    delivery.work(at(AFTER)).unwrap();
    assert_eq!((delivery.acknowledged().0, delivery.spool_stats().breaker), (5, BreakerState::Open));
    (5..500).for_each(|number| delivery.take(trigger(number), at(AFTER)));
    delivery.work(at(AFTER)).unwrap();
    assert_eq!((delivery.acknowledged().0, delivery.spool_stats().triggers), (500, 500));
    assert_eq!(receiver.held(), 16);

    receiver.set(true);
    receiver.deliver(1);
    delivery.work(at(AFTER)).unwrap();
    assert_eq!(delivery.spool_stats().breaker, BreakerState::HalfOpen);
    assert_eq!(receiver.held(), Receiver::QUEUE);
    while !delivery.is_idle() {
        receiver.deliver(7);
        delivery.work(at(AFTER)).unwrap();
    }
    delivery.work(at(AFTER)).unwrap();
    assert_eq!((delivery.spool_stats().breaker, delivery.spool_stats().bytes), (BreakerState::Closed, 0));
    assert_eq!(receiver.taken(), (0..500).map(|number| trigger(number).id).collect::<Vec<_>>());
}

#[test]
fn a_full_spool_holds_back_and_says_so() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::default());
    let config = SpoolConfig { max_bytes: 5_000, ..config(folder.path()) };
    let mut delivery = delivery(&receiver, Disk::default(), &config);
    (0..9).for_each(|number| delivery.take(trigger(number), at(0)));
    delivery.work(at(AFTER)).unwrap();
    // The sixth is the third large one.
    assert_eq!(delivery.acknowledged().0, 6);
    let stats = delivery.spool_stats();
    assert!(stats.full && stats.bytes <= 5_000, "{stats:?}");
    receiver.set(true);
    while !delivery.is_idle() {
        receiver.deliver(1);
        delivery.work(at(2 * AFTER)).unwrap();
    }
    assert_eq!((delivery.acknowledged().0, delivery.spool_stats().full), (9, false));
    assert_eq!(receiver.taken(), (0..9).map(|number| trigger(number).id).collect::<Vec<_>>());
}

#[test]
fn what_is_too_old_goes_to_the_dead_letters_while_the_receiver_is_closed() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::default());
    let config = config(folder.path());
    let mut delivery = delivery(&receiver, Disk::default(), &config);
    // What the sink holds it gives up itself, or not.
    (0..20).for_each(|number| delivery.take(trigger(number), at(0)));
    delivery.work(at(0)).unwrap();
    delivery.work(at(AFTER)).unwrap();
    (20..25).for_each(|number| {
        delivery.take(Trigger { expires: Some(5_000), ..trigger(number) }, at(AFTER));
    });
    delivery.work(at(4_999)).unwrap();
    assert_eq!((delivery.stats().expired, delivery.spool_stats().triggers), (0, 25));
    delivery.work(at(5_000)).unwrap();
    let letters = dead_letters::list(&config.dead_letters).unwrap().letters;
    assert_eq!((delivery.stats().expired, delivery.stats().dead, letters.len()), (5, 5, 5));
    assert_eq!(letters[0].last_error, "it became older than the max_age of its action");
    assert_eq!((&*letters[0].url, &*letters[0].trigger.id), ("http://receiver/", "000020"));
    assert_eq!(delivery.spool_stats().triggers, 20);
    let mode = fs::metadata(&config.dead_letters).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_folder_is_private_taken_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spools/receiver");
    let receiver = Receiver::default();
    let config = config(folder.path());
    let mut first = delivery(&receiver, Folder::new(&path), &config);
    assert!(!path.exists(), "it is made when it is needed");
    (0..7).for_each(|number| first.take(trigger(number), at(0)));
    first.work(at(AFTER)).unwrap();
    assert_eq!(first.acknowledged().0, 7);
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let busy = SpoolLog::open(Folder::new(&path), 1 << 30).err().unwrap().1;
    assert_eq!(busy.to_string(), "another process uses it; end that process");

    // A crash in the middle of an append.
    drop(first.into_storage());
    let last = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let newest = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let newest = newest.filter(|path| path.extension().is_some()).max().unwrap_or(last);
    let mut text = fs::read(&newest).unwrap();
    text.extend_from_slice(b"0123456789abcdef {\"id\":");
    fs::write(&newest, text).unwrap();
    receiver.restart();
    receiver.set(true);
    let mut second = delivery(&receiver, Folder::new(&path), &config);
    assert_eq!(second.spool_stats().breaker, BreakerState::Open);
    second.take(trigger(7), at(0));
    while !second.is_idle() {
        second.work(at(AFTER)).unwrap();
        receiver.deliver(100);
    }
    assert_eq!(receiver.taken(), (0..8).map(|number| trigger(number).id).collect::<Vec<_>>());
    second.work(at(AFTER)).unwrap();
    let left: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"]);
}
