//! Tests of the schedule, without timely.

use std::{collections::BTreeMap, iter};

use super::{restoring::RESTORED, *};
use crate::{
    model::{
        guid::Guid,
        ids::{BookGeneration, IngestTime, Offset, PartitionId},
        key,
        routed::{EncodedValues, Routed, RoutedRecord},
    },
    ops::signal::{NoSaver, Stored},
    rule::{
        catalog::{Applied, Catalog},
        change::{ChangeSet, Published, RuleChange},
    },
    state::Delta,
};

struct Books(BTreeMap<BookGeneration, Arc<Applied>>);

impl Shelf for Books {
    fn applied(&self, generation: BookGeneration) -> Option<Arc<Applied>> {
        self.0.get(&generation).cloned()
    }
}

/// Schedule with two books: every `T` fires by version 1, then by version 2.
fn schedule() -> Schedule<Epoch> {
    schedule_of(r#"{"rule_id": "r", "trigger": {"event": {"id": "T"}}}"#)
}

/// A rule as version 1, then as version 2.
fn schedule_of(document: &str) -> Schedule<Epoch> {
    let mut catalog = Catalog::default();
    let empty = catalog.book();
    let mut set = |generation: u64| {
        let published = Published::first(document, generation, 0, BTreeMap::new()).unwrap();
        let changes = vec![RuleChange::Put(Box::new(published))];
        let generation = BookGeneration(generation);
        (generation, Arc::new(catalog.apply(&ChangeSet { generation, changes })))
    };
    let books = [set(1), set(2)].into_iter().collect();
    let place = WorkerPlace { index: 0, peers: 1 };
    let mut schedule = Schedule::new(Evaluator::new(empty), Arc::new(Books(books)), Box::new(NoSaver), place);
    schedule.signal(&Signal::Start(Arc::default()));
    schedule
}

fn record(schedule: &mut Schedule<Epoch>, epoch: u64, offset: u64) {
    let mut batch = Routed::default();
    let head = RoutedRecord {
        hash: key::route(0, "1"),
        partition: PartitionId(0),
        offset: Offset(offset),
        message: None,
        guid: Some(Guid::Number(1)),
        now: 1,
        time: 1,
        seen: 0,
        key_group: 0,
        targets: &[0],
        key: "1",
        event_id: "T",
        encoded: EncodedValues::default(),
    };
    batch.push(&head, std::iter::empty());
    schedule.wait(Epoch(epoch), Epoch(epoch), batch);
}

/// Lines of triggers that were sent.
#[derive(Default)]
struct Lines(Vec<String>);

impl Output<Epoch> for Lines {
    fn send(&mut self, fired: &mut Vec<Fired>, _emitted: &mut Emitted, _at: &Epoch) {
        self.0.extend(fired.drain(..).map(|fired| fired.line));
    }
}

/// Works with all frontiers at `frontier`, stored state complete; returns offset and version of each trigger.
fn work(schedule: &mut Schedule<Epoch>, frontier: u64) -> Vec<(u64, u64)> {
    let mut lines = Lines::default();
    let at = Frontier::at(Epoch(frontier));
    schedule.work(Progress { routed: at, stored: Frontier::ENDED, slowest: at }, &mut lines);
    let offset_and_version = |line: &String| {
        let trigger: serde_json::Value = serde_json::from_str(line).unwrap();
        (trigger["cause"]["offset"].as_u64().unwrap(), trigger["version"].as_u64().unwrap())
    };
    lines.0.iter().map(offset_and_version).collect()
}

/// Progress where every routed record has arrived but no epoch is complete.
fn all_routed(stored: Frontier) -> Progress {
    Progress { routed: Frontier::ENDED, stored, slowest: Frontier::at(Epoch(0)) }
}

#[test]
fn a_switch_is_a_barrier_for_its_epoch_and_later() {
    let mut schedule = schedule();
    schedule.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    schedule.signal(&Signal::Epoch(Epoch(1)));
    assert_eq!(work(&mut schedule, 1), []);
    schedule.signal(&Signal::Switch { generation: BookGeneration(2), at: Epoch(3) });
    schedule.signal(&Signal::Epoch(Epoch(2)));
    schedule.signal(&Signal::Epoch(Epoch(3)));
    record(&mut schedule, 3, 10);
    record(&mut schedule, 2, 11);
    assert_eq!(work(&mut schedule, 2), [(11, 1)], "what lies before the barrier does not wait");
    record(&mut schedule, 2, 12);
    assert_eq!(work(&mut schedule, 3), [(12, 1), (10, 2)], "all before it, then the switch, then the rest");
}

#[test]
fn a_record_waits_for_its_own_epoch_to_be_announced() {
    let mut schedule = schedule();
    schedule.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    schedule.signal(&Signal::Epoch(Epoch(1)));
    record(&mut schedule, 2, 10);
    assert_eq!(work(&mut schedule, 2), []);
    schedule.signal(&Signal::Epoch(Epoch(2)));
    assert_eq!(work(&mut schedule, 2), [(10, 1)]);
}

#[test]
fn clocks_wait_for_all_partitions_and_their_epoch() {
    let mut schedule = schedule();
    schedule.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    schedule.signal(&Signal::Epoch(Epoch(1)));
    schedule.add_clocks(
        Epoch(1),
        || Epoch(1),
        &mut vec![(PartitionId(0), IngestTime(500)), (PartitionId(1), IngestTime::MIN)],
    );
    work(&mut schedule, 1);
    assert_eq!(schedule.gauge().held_back_by, None, "epoch 1 has not passed");
    work(&mut schedule, 2);
    assert_eq!(
        (schedule.gauge().clock, schedule.gauge().held_back_by),
        (IngestTime::MIN, Some(PartitionId(1)))
    );
    schedule.add_clocks(Epoch(2), || Epoch(2), &mut vec![(PartitionId(1), IngestTime(700))]);
    work(&mut schedule, 3);
    assert_eq!(
        (schedule.gauge().clock, schedule.gauge().held_back_by),
        (IngestTime(500), Some(PartitionId(0)))
    );
}

#[test]
fn long_work_is_done_in_slices() {
    let mut schedule = schedule();
    schedule.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    schedule.signal(&Signal::Epoch(Epoch(1)));
    (0..3 * SLICE).for_each(|offset| record(&mut schedule, 1, offset));
    let mut calls = 1;
    while schedule.work(all_routed(Frontier::ENDED), &mut Lines::default()) {
        calls += 1;
    }
    assert_eq!((calls, schedule.gauge().counts.records), (3, 3 * SLICE));
}

#[test]
fn where_no_state_is_kept_nothing_is_noted_for_it() {
    let mut schedule =
        schedule_of(r#"{"rule_id": "r", "limit": {"times": 1}, "trigger": {"event": {"id": "T"}}}"#);
    schedule.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    schedule.signal(&Signal::Epoch(Epoch(1)));
    record(&mut schedule, 1, 10);
    assert_eq!(work(&mut schedule, 1), [(10, 1)]);
    assert_eq!((schedule.gauge().keys, schedule.evaluator.has_unsaved()), (1, false));
}

/// A saver that records its parts.
#[derive(Default)]
struct Notes(std::rc::Rc<std::cell::RefCell<Vec<(CheckpointNumber, Part)>>>);

impl Saver for Notes {
    fn holds_triggers(&self) -> bool {
        true
    }

    fn save(&self, n: CheckpointNumber, part: Part) {
        self.0.borrow_mut().push((n, part));
    }
}

#[test]
fn a_checkpoint_has_what_lies_before_it_and_nothing_behind() {
    let mut schedule = schedule();
    let notes = Notes::default();
    let taken = std::rc::Rc::clone(&notes.0);
    schedule.emissions.saver = Box::new(notes);
    schedule.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    schedule.signal(&Signal::Epoch(Epoch(1)));
    record(&mut schedule, 1, 10);
    schedule.signal(&Signal::Checkpoint { number: CheckpointNumber(1), at: Epoch(3) });
    schedule.signal(&Signal::Epoch(Epoch(2)));
    schedule.signal(&Signal::Epoch(Epoch(3)));
    record(&mut schedule, 3, 11);
    work(&mut schedule, 2);
    assert!(taken.borrow().is_empty(), "records of epoch 2 may still come");
    record(&mut schedule, 2, 12);
    assert_eq!(work(&mut schedule, 3).len(), 2, "the one before, the checkpoint, the one behind");
    let offsets = |part: &Part| match part {
        Part::Triggers(held) => held.iter().map(|f| f.line.contains("\"offset\":11")).collect(),
        Part::State(_) | Part::End => Vec::new(),
    };
    let parts: Vec<(u64, Vec<bool>)> = taken.borrow().iter().map(|(n, part)| (n.0, offsets(part))).collect();
    assert_eq!(parts, [(1, vec![false, false]), (1, vec![])]);
    schedule.signal(&Signal::Checkpoint { number: CheckpointNumber(2), at: Epoch(4) });
    schedule.signal(&Signal::Epoch(Epoch(4)));
    work(&mut schedule, 4);
    assert_eq!(taken.borrow().len(), 4);
    assert_eq!(offsets(&taken.borrow()[2].1), [true], "what fired behind it is part of the next");
}

#[test]
fn nothing_is_evaluated_before_stored_state_is_taken_in() {
    let mut schedule = schedule();
    schedule.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    schedule.signal(&Signal::Epoch(Epoch(1)));
    record(&mut schedule, 1, 10);
    let fired = |schedule: &mut Schedule<Epoch>, stored| {
        let mut lines = Lines::default();
        schedule.work(all_routed(stored), &mut lines);
        lines.0.len()
    };
    assert_eq!((fired(&mut schedule, Frontier::at(Epoch(0))), schedule.gauge().restoring), (0, true));
    assert_eq!((fired(&mut schedule, Frontier::ENDED), schedule.gauge().restoring), (1, false));
}

#[test]
fn a_second_switch_waits_until_stored_state_is_taken_in() {
    let mut schedule = schedule();
    schedule.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    schedule.signal(&Signal::Epoch(Epoch(1)));
    schedule.signal(&Signal::Switch { generation: BookGeneration(2), at: Epoch(3) });
    schedule.signal(&Signal::Epoch(Epoch(2)));
    schedule.signal(&Signal::Epoch(Epoch(3)));
    let mut work = |stored| {
        schedule.work(all_routed(stored), &mut Lines::default());
        schedule.gauge().generation
    };
    assert_eq!((work(Frontier::at(Epoch(0))), work(Frontier::ENDED)), (BookGeneration(1), BookGeneration(2)));
}

#[test]
fn much_stored_state_is_taken_in_in_slices() {
    let limited = r#"{"rule_id": "r", "limit": {"times": 1}, "trigger": {"event": {"id": "T"}}}"#;
    let mut schedule = schedule_of(limited);
    let stored = |order: u64, keys: std::ops::Range<usize>| {
        let mut states = Delta::default();
        let name = states.name("r:@rule:1".into());
        let text = |text: &mut String| text.push_str(r#"{"touched": 1, "firings": [1]}"#);
        keys.for_each(|key| states.push(name, &key.to_string(), Some(text)));
        iter::once(Stored { to: 0, order, states })
    };
    schedule.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    schedule.signal(&Signal::Epoch(Epoch(1)));
    work_once(&mut schedule, Frontier::at(Epoch(0)));
    // Half of the state is compacted (order 0), the other half is not.
    schedule.restore(stored(0, 0..RESTORED));
    schedule.restore(stored(1, RESTORED..2 * RESTORED + 1));
    let mut calls = 1;
    while work_once(&mut schedule, Frontier::ENDED) {
        calls += 1;
    }
    assert_eq!(schedule.gauge().keys, 2 * RESTORED + 1);
    assert_eq!((schedule.gauge().restored, schedule.gauge().unreadable), (2 * RESTORED as u64 + 1, 0));
    assert_eq!(calls, 4, "what is not folded takes two calls, the second of which begins to settle all keys");
}

fn work_once(schedule: &mut Schedule<Epoch>, stored: Frontier) -> bool {
    schedule.work(all_routed(stored), &mut Lines::default())
}
