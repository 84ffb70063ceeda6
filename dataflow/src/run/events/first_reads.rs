//! When events were read first, so that one that is read again after a failure is held against the same wall clock.
//!
//! `now` of a live event is at most the wall clock at which it was read. For each batch the reading thread notes that
//! clock in a file of the run directory, which outlives the processes of a cluster: a note is the partition, the offset
//! behind the batch, and the clock (4, 8 and 8 bytes, little-endian). A batch that is read again is cut where those of
//! the first time ended, and its pieces have their clocks. Notes of what a checkpoint includes are dropped.
//!
//! Only of topics and files: in what can't be read twice, such as a pipe, the same offsets are other events.
//!
//! **Limits**: it is known as long as the supervisor lives; a `worker` has none. Notes that can't be written are missing,
//! and what is read again then has the clock of the second time. Of each partition the latest [`MOST`] notes are kept,
//! however long no checkpoint is committed; what was read before them has the clock of the first of these.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use operators::model::{
    ids::{Offset, PartitionId, Positions},
    raw::{RawBatch, RawRecord},
};

/// Bytes of a note.
const NOTE: usize = 20;
/// Bytes of the file from which on it is written anew without notes that were dropped.
const LONG: usize = 1 << 20;
/// Most notes of a partition.
const MOST: usize = 1 << 16;

/// When the records of a batch were read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    /// Offset behind the batch.
    end: Offset,
    /// Wall clock, unix µs.
    read_at: u64,
}

/// Notes of one worker's reading.
#[derive(Debug)]
pub(super) struct FirstReads {
    path: PathBuf,
    /// `None` once it can't be written.
    file: Option<File>,
    /// Bytes in the file.
    length: usize,
    /// Notes that no checkpoint includes, ascending.
    notes: BTreeMap<PartitionId, VecDeque<Note>>,
    /// Where this process began to read.
    start: Positions,
    /// Offset up to which an earlier process has read a partition.
    known: BTreeMap<PartitionId, Offset>,
}

impl FirstReads {
    /// Opens the file, or makes it; reading goes on at `start`.
    pub(super) fn open(path: &Path, start: &Positions) -> Self {
        let mut notes: BTreeMap<PartitionId, VecDeque<Note>> = BTreeMap::new();
        for (partition, note) in fs::read(path).unwrap_or_default().chunks_exact(NOTE).filter_map(decode) {
            if start.get(partition).is_none_or(|start| start < note.end) {
                let notes = notes.entry(partition).or_default();
                notes.truncate(notes.partition_point(|former| former.end < note.end));
                notes.push_back(note);
            }
        }
        let known = notes.iter().filter_map(|(partition, notes)| Some((*partition, notes.back()?.end)));
        let known = known.collect();
        let start = start.clone();
        let mut reads = FirstReads { path: path.to_owned(), file: None, length: 0, notes, start, known };
        reads.rewrite();
        reads
    }

    /// The batch, with the wall clock of its first reading; in pieces if it was read in several batches then.
    pub(super) fn batches(&mut self, batch: RawBatch) -> Vec<RawBatch> {
        let (partition, Some(end)) = (batch.partition, batch.next_offset()) else { return vec![batch] };
        let firsts = [batch.records.first().map(|r| r.offset), batch.refused.first().map(|r| r.offset)];
        let first = firsts.into_iter().flatten().min().unwrap_or(end);
        let known = self.known.get(&partition).copied().unwrap_or(Offset(0));
        if self.start.get(partition).is_some_and(|start| first < start) && known > Offset(0) {
            // The log begins anew: its offsets are those of other events.
            self.known.remove(&partition);
            self.notes.remove(&partition);
            return self.batches(batch);
        }
        if first >= known {
            self.note(partition, Note { end, read_at: batch.read_at });
            return vec![batch];
        }
        let notes = self.notes.entry(partition).or_default();
        let earlier = notes.range(notes.partition_point(|note| note.end <= first)..);
        let mut pieces = Vec::new();
        let mut from = first;
        for note in earlier.take_while(|note| note.end <= known) {
            let to = note.end.min(end);
            pieces.extend(piece(&batch, from, to, note.read_at));
            from = to;
        }
        if from < end {
            pieces.extend(piece(&batch, from, end, batch.read_at));
            self.note(partition, Note { end, read_at: batch.read_at });
        }
        pieces
    }

    /// Drops the notes of what a checkpoint includes.
    pub(super) fn committed(&mut self, positions: &Positions) {
        for (partition, position) in positions.iter() {
            let Some(notes) = self.notes.get_mut(&partition) else { continue };
            notes.drain(..notes.partition_point(|note| note.end <= position));
        }
        self.shorten();
    }

    /// Writes the file anew if most of it are notes that were dropped.
    fn shorten(&mut self) {
        if self.length > LONG
            && self.notes.values().map(VecDeque::len).sum::<usize>() * NOTE < self.length / 2
        {
            self.rewrite();
        }
    }

    fn note(&mut self, partition: PartitionId, note: Note) {
        let written = self.file.as_mut().map(|file| file.write_all(&encode(partition, note)));
        self.length += NOTE;
        self.give_up_after(written.unwrap_or(Ok(())));
        let notes = self.notes.entry(partition).or_default();
        notes.push_back(note);
        if notes.len() > MOST {
            notes.pop_front();
            self.shorten();
        }
    }

    /// Writes the file anew.
    fn rewrite(&mut self) {
        let all =
            self.notes.iter().flat_map(|(partition, notes)| notes.iter().map(|note| (*partition, *note)));
        let bytes: Vec<u8> = all.flat_map(|(partition, note)| encode(partition, note)).collect();
        self.length = bytes.len();
        let beside = self.path.with_extension("new");
        let written = fs::write(&beside, bytes)
            .and_then(|()| fs::rename(&beside, &self.path))
            .and_then(|()| OpenOptions::new().append(true).open(&self.path));
        let written = written.map(|file| self.file = Some(file));
        self.give_up_after(written);
    }

    fn give_up_after(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            let file = self.path.display();
            tracing::warn!(%error, %file, "when events are read can't be noted; after a failure it is the time at which they are read again");
            self.file = None;
        }
    }
}

/// The records of a batch, in the order of their offsets, from one offset up to another; `None` if there are none.
fn piece(batch: &RawBatch, from: Offset, to: Offset, read_at: u64) -> Option<RawBatch> {
    let RawBatch { records, refused, .. } = batch;
    let first = records.partition_point(|record| record.offset < from);
    let records = &records[first..records.partition_point(|record| record.offset < to).max(first)];
    let first = refused.partition_point(|record| record.offset < from);
    let refused = &refused[first..refused.partition_point(|record| record.offset < to).max(first)];
    let bytes = match (records.first(), records.last()) {
        (Some(first), Some(last)) => first.start..last.end,
        _ if refused.is_empty() => return None,
        _ => 0..0,
    };
    let moved = |record: RawRecord| RawRecord {
        start: record.start - bytes.start,
        end: record.end - bytes.start,
        ..record
    };
    Some(RawBatch {
        partition: batch.partition,
        bytes: batch.bytes.get(bytes.start as usize..bytes.end as usize).unwrap_or_default().to_vec(),
        records: records.iter().copied().map(moved).collect(),
        refused: refused.to_vec(),
        read_at,
    })
}

fn encode(partition: PartitionId, note: Note) -> [u8; NOTE] {
    let mut bytes = [0; NOTE];
    bytes[..4].copy_from_slice(&partition.0.to_le_bytes());
    bytes[4..12].copy_from_slice(&note.end.0.to_le_bytes());
    bytes[12..].copy_from_slice(&note.read_at.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(PartitionId, Note)> {
    let (partition, rest) = bytes.split_first_chunk::<4>()?;
    let (end, rest) = rest.split_first_chunk::<8>()?;
    let (read_at, _) = rest.split_first_chunk::<8>()?;
    let note = Note { end: Offset(u64::from_le_bytes(*end)), read_at: u64::from_le_bytes(*read_at) };
    Some((PartitionId(u32::from_le_bytes(*partition)), note))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A batch of records `{OFFSET}` of a partition, without those that are divisible by 5.
    fn batch(partition: u32, offsets: std::ops::Range<u64>, read_at: u64) -> RawBatch {
        let mut batch = RawBatch { partition: PartitionId(partition), read_at, ..RawBatch::default() };
        for offset in offsets.filter(|offset| offset % 5 > 0) {
            let start = batch.bytes.len() as u32;
            batch.bytes.extend(format!("{{{offset}}}").into_bytes());
            let end = batch.bytes.len() as u32;
            batch.records.push(RawRecord { offset: Offset(offset), start, end, time: None });
        }
        batch
    }

    /// Text and clock of every record.
    fn read(batches: &[RawBatch]) -> Vec<(String, u64)> {
        let text = |batch: &RawBatch, record| String::from_utf8(batch.record(record).to_vec()).unwrap();
        batches.iter().flat_map(|b| b.records.iter().map(|r| (text(b, r), b.read_at))).collect()
    }

    #[test]
    fn what_is_read_again_has_the_clock_of_the_first_time_however_it_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        let mut first = FirstReads::open(&path, &Positions::default());
        let mut wanted = Vec::new();
        for (offsets, at) in [(0..7, 100), (7..8, 200), (8..31, 300)] {
            wanted.extend(read(&first.batches(batch(1, offsets.clone(), at))));
            first.batches(batch(2, offsets, at + 1));
        }
        drop(first);
        let start = Positions::from([(PartitionId(1), Offset(3)), (PartitionId(2), Offset(0))]);
        for size in [1, 4, 9, 100] {
            // The third process knows no more than the second, and no less.
            for _ in 0..2 {
                let mut again = FirstReads::open(&path, &start);
                let cut = |from: u64| batch(1, from..(from + size).min(40), 999);
                let all: Vec<RawBatch> =
                    (3..40).step_by(size as usize).flat_map(|from| again.batches(cut(from))).collect();
                let mut expected: Vec<_> = wanted[2..].to_vec();
                expected.extend(read(&[batch(1, 31..40, 999)]));
                assert_eq!(read(&all), expected, "{size}");
                assert_eq!(read(&again.batches(batch(2, 0..3, 999))), read(&[batch(2, 0..3, 101)]));
                fs::write(&path, &fs::read(&path).unwrap()[..6 * NOTE + 3]).unwrap();
            }
        }
    }

    #[test]
    fn a_log_that_begins_anew_has_other_events() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        FirstReads::open(&path, &Positions::default()).batches(batch(1, 0..9, 100));
        let mut again = FirstReads::open(&path, &Positions::from([(PartitionId(1), Offset(4))]));
        assert_eq!(read(&again.batches(batch(1, 0..9, 700))), read(&[batch(1, 0..9, 700)]));
    }

    #[test]
    fn notes_are_bounded_however_long_no_checkpoint_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        let mut reads = FirstReads::open(&path, &Positions::default());
        let most = MOST as u64;
        for at in 1..=3 * most {
            reads.batches(batch(1, at..at + 1, at));
        }
        assert_eq!(reads.notes[&PartitionId(1)].len(), MOST);
        assert!(path.metadata().unwrap().len() as usize <= LONG.max(2 * MOST * NOTE) + 2 * NOTE);
        drop(reads);
        let mut again = FirstReads::open(&path, &Positions::from([(PartitionId(1), Offset(1))]));
        let clocks = read(&again.batches(batch(1, most + 1..3 * most + 1, 0)));
        let last = |text: u64| clocks.iter().find(|(line, _)| *line == format!("{{{text}}}")).unwrap().1;
        assert_eq!((last(3 * most - 1), last(2 * most + 4)), (3 * most - 1, 2 * most + 4));
        assert!(last(most + 2) > most + 2, "the clock of the first that is known");
    }

    #[test]
    fn notes_of_what_a_checkpoint_includes_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        let mut reads = FirstReads::open(&path, &Positions::default());
        for at in 1..=60_000 {
            reads.batches(batch(1, at..at + 1, at));
            reads.committed(&Positions::from([(PartitionId(1), Offset(at.saturating_sub(10)))]));
        }
        assert!(path.metadata().unwrap().len() < LONG as u64, "{}", path.metadata().unwrap().len());
        assert!(reads.notes[&PartitionId(1)].len() < 20);
        drop(reads);
        let mut again = FirstReads::open(&path, &Positions::from([(PartitionId(1), Offset(59_992))]));
        assert_eq!(read(&again.batches(batch(1, 59_992..59_993, 7))), [("{59992}".to_owned(), 59_992)]);
    }
}
