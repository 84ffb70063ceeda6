use std::{collections::BTreeMap, sync::Mutex};

use super::*;
use crate::{
    model::{
        decode::Decoder,
        ids::{CheckpointNumber, Offset, Positions},
        raw::{RawBatch, RawRecord},
    },
    ops::{Start, read::SourceBarrier},
    rule::{
        catalog::{Applied, Catalog},
        change::{ChangeSet, Published, RuleChange},
        rows::Rows,
    },
};

/// Books by generation; the book of generation `n` has version `n` of the rule.
struct Books(BTreeMap<BookGeneration, Arc<Applied>>);

impl Shelf for Books {
    fn applied(&self, generation: BookGeneration) -> Option<Arc<Applied>> {
        self.0.get(&generation).cloned()
    }
}

/// Matching on worker 0, with the books of these generations: the book of generation `n` routes events `n` by
/// `ip`.
fn matching(generations: &[u64]) -> Matching<()> {
    let mut catalog = Catalog::default();
    let empty = catalog.book();
    let mut book = |generation: u64| {
        let document = format!(
            r#"{{"rule_id": "r", "key_by": "ip", "trigger": {{"event": {{"id": "{generation}"}}}}}}"#
        );
        let published = Published::first(&document, generation, 0, BTreeMap::new()).unwrap();
        let changes = vec![RuleChange::Put(Box::new(published))];
        let generation = BookGeneration(generation);
        (generation, Arc::new(catalog.apply(&ChangeSet { generation, changes })))
    };
    let books = Books(generations.iter().map(|generation| book(*generation)).collect());
    Matching::new(Matcher::new(Decoder::of_milliseconds(), empty, false), Arc::new(books), 0)
}

const PARTITION: PartitionId = PartitionId(3);

/// Opens [`PARTITION`] at its beginning.
fn opened() -> Read {
    Read::Opened([(PARTITION, Offset(0))].into())
}

/// An event of [`PARTITION`].
fn event(event_id: &str, time: i64) -> Read {
    let line = format!(r#"{{"ip": "10.0.0.7", "event_id": "{event_id}", "event_time": {time}}}"#);
    let records = vec![RawRecord { offset: Offset(0), start: 0, end: line.len() as u32, time: None }];
    Read::Batch(RawBatch { partition: PARTITION, bytes: line.into_bytes(), records, ..RawBatch::default() })
}

/// Matches everything that may be matched, with crowds arranged below `arranged`; returns the number of
/// records routed for each read.
fn routed(matching: &mut Matching<()>, arranged: u64) -> Vec<usize> {
    let mut crowds_at = |epoch: Epoch| (epoch.0 < arranged).then(HashMap::new);
    let mut counts = Vec::new();
    let slice = matching.slice();
    while let Some(((), reads)) = matching.next(&slice, &mut crowds_at) {
        let mut matches = Matches::<()>::to(2, 2_048);
        reads.into_iter().for_each(|read| matching.read(read, &mut matches));
        counts.push(matches.routed.len());
    }
    counts
}

#[test]
fn each_read_is_matched_by_the_book_of_its_epoch() {
    let mut matching = matching(&[1, 2]);
    matching.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    matching.signal(&Signal::Switch { generation: BookGeneration(2), at: Epoch(3) });
    matching.wait(Epoch(2), (), vec![event("1", 10), event("2", 10)]);
    matching.wait(Epoch(3), (), vec![event("1", 10)]);
    matching.wait(Epoch(4), (), vec![event("2", 10)]);
    assert_eq!(routed(&mut matching, 5), [1, 0, 1]);
}

#[test]
fn a_switch_holds_back_its_epoch_until_the_crowds_are_arranged() {
    let mut matching = matching(&[1, 2]);
    matching.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    matching.signal(&Signal::Switch { generation: BookGeneration(2), at: Epoch(3) });
    matching.wait(Epoch(2), (), vec![event("1", 10)]);
    matching.wait(Epoch(3), (), vec![event("2", 10)]);
    matching.wait(Epoch(2), (), vec![event("1", 10)]);
    assert_eq!(
        routed(&mut matching, 3),
        [1],
        "what lies before the switch does not wait, the rest keeps its order"
    );
    assert_eq!(routed(&mut matching, 4), [1, 0]);
}

#[test]
fn a_switch_waits_for_its_book() {
    let mut matching = matching(&[]);
    matching.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    matching.wait(Epoch(1), (), vec![event("1", 10)]);
    assert_eq!(routed(&mut matching, 5), Vec::<usize>::new());
}

#[test]
fn a_switch_takes_force_without_reads_once_its_epoch_is_announced() {
    let mut matching = matching(&[1]);
    matching.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(2) });
    let mut asked = Vec::new();
    let mut next = |matching: &mut Matching<()>| {
        let slice = matching.slice();
        let none = matching.next(&slice, &mut |epoch| {
            asked.push(epoch.0);
            Some(HashMap::new())
        });
        assert!(none.is_none());
        asked.clone()
    };
    matching.signal(&Signal::Epoch(Epoch(1)));
    assert_eq!(next(&mut matching), Vec::<u64>::new());
    matching.signal(&Signal::Epoch(Epoch(2)));
    assert_eq!(next(&mut matching), [2]);
    assert_eq!(next(&mut matching), [2], "once");
}

#[test]
fn clocks_are_given_out_once_per_epoch_if_they_changed() {
    let mut matching = matching(&[]);
    let clocks = |pairs: &[(u32, i64)]| -> Clocks {
        pairs.iter().map(|(partition, ms)| (PartitionId(*partition), IngestTime(*ms))).collect()
    };
    assert_eq!(matching.signal(&Signal::Epoch(Epoch(1))), Some(&clocks(&[(UNOPENED, i64::MIN)])));
    assert_eq!(matching.signal(&Signal::Epoch(Epoch(2))), None);
    let start = Start { clocks: clocks(&[(3, 40), (4, 50)]), ..Start::default() };
    matching.signal(&Signal::Start(Arc::new(start)));
    let mut matches = Matches::<()>::to(2, 2_048);
    let opened = [(PARTITION, Offset(7)), (PartitionId(5), Offset(0))].into();
    matching.read(Read::Opened(opened), &mut matches);
    let idle = |ms| Read::Idle { partitions: vec![PartitionId(5)], clock: IngestTime(ms) };
    matching.read(idle(60), &mut matches);
    let opened = clocks(&[(3, 40), (5, 60), (UNOPENED, i64::MAX)]);
    assert_eq!(matching.signal(&Signal::Epoch(Epoch(3))), Some(&opened));
    matching.read(idle(10), &mut matches);
    assert_eq!(matching.signal(&Signal::Epoch(Epoch(4))), None, "a clock does not go back");
}

#[test]
fn a_barrier_has_the_clocks_of_the_partitions_before_it() {
    let mut matching = matching(&[]);
    let mut matches = Matches::<()>::to(2, 2_048);
    let barrier = |checkpoint, offset| Read::Barrier {
        barrier: SourceBarrier::Checkpoint(CheckpointNumber(checkpoint)),
        positions: [(PARTITION, Offset(offset))].into(),
    };
    for read in [opened(), event("1", 10), barrier(1, 1), event("1", 20), barrier(2, 2)] {
        matching.read(read, &mut matches);
    }
    let clocks: Vec<_> = matches.barriers.iter().map(|b| (b.positions.clone(), b.clocks.clone())).collect();
    let at = |offset, ms| -> (Positions, Clocks) {
        ([(PARTITION, Offset(offset))].into(), [(PARTITION, IngestTime(ms))].into())
    };
    assert_eq!(clocks, [at(1, 10), at(2, 20)]);
}

#[test]
fn a_partition_that_has_ended_lets_timers_of_its_last_instant_run() {
    let mut matching = matching(&[]);
    let mut matches = Matches::<()>::to(2, 2_048);
    for read in [opened(), event("1", 10), Read::End { partition: PARTITION }] {
        matching.read(read, &mut matches);
    }
    assert_eq!(matches.clocks, [(PARTITION, IngestTime(11))]);
}

/// A book with a rule for some users, and the first rows of the process while they are built.
struct FirstRows {
    applied: Arc<Applied>,
    /// Whether they are waited for, and the rows.
    rows: Mutex<(bool, Option<Arc<Rows>>)>,
}

impl Shelf for FirstRows {
    fn applied(&self, _generation: BookGeneration) -> Option<Arc<Applied>> {
        Some(Arc::clone(&self.applied))
    }

    fn rows(&self) -> Option<Arc<Rows>> {
        self.rows.lock().unwrap().1.clone()
    }

    fn awaits_rows(&self) -> bool {
        self.rows.lock().unwrap().0
    }
}

/// The book, and the crowd of its rule in slot 0, if it has one.
fn first_rows(crowd: Option<Crowd>) -> FirstRows {
    let document = r#"{"rule_id": "r", "key_by": "ip", "trigger": {"event": {"id": "1"}}}"#;
    let published = Published { crowd, ..Published::first(document, 1, 0, BTreeMap::new()).unwrap() };
    let changes = vec![RuleChange::Put(Box::new(published))];
    let set = ChangeSet { generation: BookGeneration(1), changes };
    FirstRows { applied: Arc::new(Catalog::default().apply(&set)), rows: Mutex::new((true, None)) }
}

#[test]
fn reads_wait_for_the_first_rows_and_are_matched_whatever_becomes_of_them() {
    let crowd = Crowd::new([7].into_iter().collect());
    let crowds = BTreeMap::from([(0, crowd.clone())]);
    let rows = Arc::new(Rows::default().changed(&crowds, 1 << 20).unwrap());
    for rows in [Some(rows), None] {
        let shelf = Arc::new(first_rows(Some(crowd.clone())));
        let matcher = Matcher::new(Decoder::of_milliseconds(), Catalog::default().book(), false);
        let mut matching = Matching::<()>::new(matcher, Arc::<FirstRows>::clone(&shelf), 0);
        matching.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
        assert!(!matching.awaits_rows(), "there are no reads");
        matching.wait(Epoch(1), (), vec![event("1", 10)]);
        let matched = |matching: &mut Matching<()>| {
            let slice = matching.slice();
            matching
                .next(&slice, &mut |_| Some(HashMap::from([(0, crowd.clone())])))
                .map(|((), reads)| reads.len())
        };
        assert_eq!((matched(&mut matching), matching.awaits_rows()), (None, true));
        assert_eq!((matched(&mut matching), matching.awaits_rows()), (None, true));
        *shelf.rows.lock().unwrap() = (false, rows.clone());
        assert_eq!((matched(&mut matching), matching.awaits_rows()), (Some(1), false));
        assert_eq!(matching.matcher.asks_bitmaps(), rows.is_none(), "the rows are used at once");
    }
}

#[test]
fn reads_that_ask_no_bitmap_do_not_wait_for_rows() {
    let matcher = Matcher::new(Decoder::of_milliseconds(), Catalog::default().book(), false);
    let mut matching = Matching::<()>::new(matcher, Arc::new(first_rows(None)), 0);
    matching.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    matching.wait(Epoch(1), (), vec![event("1", 10)]);
    assert_eq!(routed(&mut matching, 2), [1]);
}

/// Rows as far as they are built.
#[derive(Default)]
struct Built(Mutex<Option<Arc<Rows>>>);

impl Shelf for Built {
    fn applied(&self, _generation: BookGeneration) -> Option<Arc<Applied>> {
        None
    }

    fn rows(&self) -> Option<Arc<Rows>> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn rows_are_fetched_at_every_epoch_and_former_ones_let_go() {
    let built = Arc::new(Built::default());
    let matcher = Matcher::new(Decoder::of_milliseconds(), Catalog::default().book(), false);
    let shelf: Arc<dyn Shelf> = Arc::<Built>::clone(&built);
    let mut matching = Matching::<()>::new(matcher, shelf, 0);
    matching.signal(&Signal::Epoch(Epoch(1)));
    let [first, second] = [0, 1].map(|_| Arc::<Rows>::default());
    let mut uses = Vec::new();
    for (epoch, rows) in (2..).zip([Some(&first), Some(&first), Some(&second), None]) {
        *built.0.lock().unwrap() = rows.map(Arc::clone);
        matching.signal(&Signal::Epoch(Epoch(epoch)));
        *built.0.lock().unwrap() = None;
        uses.push((Arc::strong_count(&first), Arc::strong_count(&second)));
    }
    assert_eq!(uses, [(2, 1), (2, 1), (1, 2), (1, 1)]);
}

#[test]
fn reads_that_a_slice_does_not_reach_are_matched_next_and_in_their_order() {
    let mut matching = matching(&[1]);
    matching.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    matching.wait(Epoch(1), (), vec![opened(), event("1", 10), event("1", 11)]);
    matching.wait(Epoch(2), (), vec![event("1", 12)]);
    let (mut matches, mut slices) = (Matches::<()>::to(1, 2_048), Vec::new());
    while slices.len() < 9 {
        // Each event costs two: its record, and the filter that it matches.
        let slice = Slice { end: matching.work() + 2 };
        let Some(((), reads)) = matching.next(&slice, &mut |_| Some(HashMap::new())) else { break };
        let mut reads = reads.into_iter();
        while let Some(read) = matching.take(&slice, &mut reads) {
            matching.read(read, &mut matches);
        }
        matching.put_back((), reads.collect());
        slices.push((matching.matching, matches.routed.len(), matching.is_used_up(&slice)));
    }
    assert_eq!(slices, [(Epoch(1), 1, true), (Epoch(1), 2, true), (Epoch(2), 3, true)]);
    assert_eq!(matching.matcher.clocks().get(PARTITION), Some(IngestTime(12)));
}
