use operators::model::{
    ids::{BookGeneration, CheckpointNumber, Offset, PartitionId},
    raw::{RawBatch, RawRecord},
};

use super::*;

/// An intake whose first switch is at epoch 1, and its source's end of the channel.
fn intake(read_ahead: usize) -> (Intake, mpsc::Sender<Read>) {
    let mut intake = Intake::new(read_ahead);
    let (to, from) = mpsc::channel();
    intake.start(from);
    intake.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(1) });
    (intake, to)
}

const PARTITION: PartitionId = PartitionId(3);

/// Opens [`PARTITION`] at this offset.
fn opened(offset: u64) -> Read {
    Read::Opened([(PARTITION, Offset(offset))].into())
}

/// A record of `bytes` bytes in [`PARTITION`].
fn batch(offset: u64, bytes: usize) -> Read {
    let records = vec![RawRecord { offset: Offset(offset), start: 0, end: bytes as u32, time: None }];
    Read::Batch(RawBatch { partition: PARTITION, bytes: vec![b'x'; bytes], records, ..RawBatch::default() })
}

/// Short forms of the reads of a turn at `epoch`, when all epochs below `complete` are complete.
fn sent(intake: &mut Intake, epoch: u64, complete: u64) -> (Vec<String>, NextTurn) {
    let turn = intake.turn(Epoch(epoch), |e| e.0 < complete);
    let short = |read: &Read| match read {
        Read::Batch(batch) => format!("batch {}", batch.records[0].offset),
        Read::Opened(partitions) => format!("opened {partitions}"),
        Read::Barrier { barrier: SourceBarrier::Switch(generation), positions } => {
            format!("Switch({generation}) {positions}")
        }
        Read::Barrier { barrier: SourceBarrier::Checkpoint(n), positions } => {
            format!("Checkpoint({n}) {positions}")
        }
        Read::Idle { .. } => "idle".to_owned(),
        Read::End { partition } => format!("end {partition}"),
    };
    (turn.reads.iter().map(short).collect(), turn.next)
}

#[test]
fn a_barrier_waits_for_the_source_and_has_the_positions_before_it() {
    let (mut intake, to) = intake(100);
    assert_eq!(sent(&mut intake, 1, 0).0, Vec::<String>::new(), "the source is not open");
    to.send(opened(7)).unwrap();
    to.send(batch(7, 1)).unwrap();
    assert_eq!(sent(&mut intake, 1, 0).0, ["opened [(3, 7)]", "Switch(1) [(3, 7)]", "batch 7"]);
    intake.signal(&Signal::Checkpoint { number: CheckpointNumber(4), at: Epoch(3) });
    to.send(batch(8, 1)).unwrap();
    assert_eq!(sent(&mut intake, 2, 0).0, ["batch 8"], "it lies in an epoch below the barrier");
    to.send(batch(9, 1)).unwrap();
    assert_eq!(sent(&mut intake, 3, 0).0, ["Checkpoint(4) [(3, 9)]", "batch 9"]);
}

#[test]
fn nothing_is_read_before_the_first_switch_or_during_a_pause() {
    let (to, from) = mpsc::channel();
    let mut intake = Intake::new(100);
    intake.start(from);
    to.send(opened(0)).unwrap();
    to.send(batch(0, 1)).unwrap();
    assert_eq!(sent(&mut intake, 1, 0).0, ["opened [(3, 0)]"]);
    intake.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(3) });
    assert_eq!(sent(&mut intake, 2, 0).0, Vec::<String>::new());
    intake.signal(&Signal::Hold(true));
    assert_eq!(sent(&mut intake, 3, 0).0, ["Switch(1) [(3, 0)]"]);
    intake.signal(&Signal::Hold(false));
    assert_eq!(sent(&mut intake, 3, 0).0, ["batch 0"]);
}

#[test]
fn reading_waits_while_too_many_bytes_are_under_way() {
    let (mut intake, to) = intake(10);
    to.send(opened(0)).unwrap();
    to.send(batch(0, 10)).unwrap();
    assert_eq!(sent(&mut intake, 1, 0).1, NextTurn::Woken);
    to.send(batch(1, 1)).unwrap();
    assert_eq!(sent(&mut intake, 2, 1), (Vec::new(), NextTurn::Soon), "epoch 1 is not complete");
    assert_eq!(sent(&mut intake, 2, 2), (vec!["batch 1".to_owned()], NextTurn::Woken));
}

#[test]
fn much_is_sent_in_slices() {
    let (mut intake, to) = intake(usize::MAX);
    to.send(opened(0)).unwrap();
    (0..3).for_each(|offset| to.send(batch(offset, SLICE / 2)).unwrap());
    assert_eq!(sent(&mut intake, 1, 0).1, NextTurn::AtOnce);
    assert_eq!(sent(&mut intake, 1, 0), (vec!["batch 2".to_owned()], NextTurn::Woken));
}

#[test]
fn the_end_of_the_source_is_reported_once_behind_all_reads() {
    let (mut intake, to) = intake(100);
    to.send(opened(0)).unwrap();
    to.send(Read::End { partition: PARTITION }).unwrap();
    let turn = intake.turn(Epoch(1), |_| false);
    assert_eq!((turn.reads.len(), turn.ended), (3, false), "opened, switch, end");
    drop(to);
    let ended: Vec<bool> = (0..3).map(|_| intake.turn(Epoch(1), |_| false).ended).collect();
    assert_eq!(ended, [true, false, false]);
}

#[test]
fn a_source_with_nothing_to_read_ends_once_the_first_switch_is_in_force() {
    let mut intake = Intake::new(100);
    let (to, from) = mpsc::channel();
    intake.start(from);
    to.send(Read::Opened(Positions::default())).unwrap();
    drop(to);
    assert!(!intake.turn(Epoch(1), |_| false).ended);
    intake.signal(&Signal::Switch { generation: BookGeneration(1), at: Epoch(2) });
    assert!(intake.turn(Epoch(2), |_| false).ended);
}
