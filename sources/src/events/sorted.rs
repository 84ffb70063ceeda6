//! Events from a JSONL file in the order of their times.
//!
//! Exports are often sorted by user, so that the second user begins in the past of the first. Here the lines are sorted
//! before the first is returned: so many at a time, as a *run*. All runs but the last lie in unnamed temporary files,
//! which take as much space as the file, and are merged (Knuth, The Art of Computer
//! Programming, vol. 3, 5.4.1).
//!
//! **Invariants**
//! - Every line that [`FileSource`] returns is returned once, with the same offset, in the order of (time, offset). A
//!   line that is no event comes where it stands: at the highest time before it.
//! - Offsets do not ascend. So nothing can be resumed from a position, and no state may be kept of such a source.
//! - Memory is bounded by two runs, a small buffer per run, and the samples of lines that are too long.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fmt,
    io::{self, BufReader, BufWriter, Read, Seek as _, Write},
    path::Path,
    time::Duration,
};

use operators::model::{
    decode::{Decoder, StreamDecoder},
    field::Fields,
    ids::{Offset, Positions},
    raw::{RawBatch, RawRecord, Refused},
};

use super::{EventSource, FileSource, LineConfig, Next, ReadProgress, wall_us};
use crate::SourceError;

/// Bytes of lines that are sorted in memory.
const RUN: usize = 128 << 20;

/// Source that reads a JSONL file in the order of its events' times.
#[derive(Debug)]
pub struct SortedSource {
    config: LineConfig,
    runs: Vec<Run>,
    /// The next line of each run that has one.
    next: BinaryHeap<Reverse<(i64, u64, usize)>>,
    /// Lines that the file's reader refused, in its order.
    refused: Vec<Refused>,
    done: u64,
    length: u64,
}

impl SortedSource {
    /// Reads and sorts a file; the times of its events are those that `decoder` reads.
    ///
    /// # Errors
    /// If the file can't be read, or a temporary file can't be written.
    pub fn open(path: &Path, decoder: &Decoder, config: LineConfig) -> Result<Self, SourceError> {
        Self::in_runs_of(RUN, path, decoder, config)
    }

    fn in_runs_of(
        most: usize,
        path: &Path,
        decoder: &Decoder,
        config: LineConfig,
    ) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Sort { path: path.to_owned(), source };
        let mut file = FileSource::open(path, config.clone())?;
        let mut decoder = StreamDecoder::new(decoder.clone(), Fields::default());
        let (mut runs, mut lines, mut refused, mut highest) =
            (Vec::new(), Unsorted::default(), Vec::new(), 0);
        loop {
            match file.next(Duration::MAX)? {
                Next::Batch(batch) => {
                    for record in &batch.records {
                        let line = batch.record(record);
                        let event = decoder.decode(line).ok();
                        let time = event.as_ref().map_or(highest, |event| event.event_time);
                        event.into_iter().for_each(|event| decoder.recycle(event));
                        highest = highest.max(time);
                        lines.push(time, record.offset, line);
                    }
                    refused.extend(batch.refused);
                    if lines.bytes.len() >= most {
                        runs.push(std::mem::take(&mut lines).in_file().map_err(failed)?);
                    }
                }
                Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
                Next::End => break,
            }
        }
        runs.push(lines.in_memory().map_err(failed)?);
        let ReadProgress { bytes: length, .. } = file.progress();
        let mut source = SortedSource { config, runs, next: BinaryHeap::new(), refused, done: 0, length };
        for run in 0..source.runs.len() {
            source.advance(run)?;
        }
        Ok(source)
    }

    /// Reads the next line of a run.
    fn advance(&mut self, run: usize) -> Result<(), SourceError> {
        let done = self.done;
        let read = self.runs[run].read();
        let read = read.map_err(|source| SourceError::Read { name: "a sorted file".into(), done, source })?;
        self.next.extend(read.map(|(time, offset)| Reverse((time, offset, run))));
        Ok(())
    }
}

impl EventSource for SortedSource {
    fn positions(&self) -> Positions {
        Positions::from([(self.config.partition, self.config.first_offset)])
    }

    fn next(&mut self, _: Duration) -> Result<Next, SourceError> {
        let LineConfig { max_records, max_batch_bytes, partition, .. } = self.config;
        let mut batch = RawBatch { partition, ..RawBatch::default() };
        let refused = self.refused.len().min(max_records);
        batch.refused.extend(self.refused.drain(..refused));
        while batch.records.len() < max_records && batch.bytes.len() < max_batch_bytes {
            let Some(Reverse((_, offset, run))) = self.next.pop() else { break };
            let line = &self.runs[run].line;
            let start = batch.bytes.len() as u32;
            batch.bytes.extend_from_slice(line);
            let end = batch.bytes.len() as u32;
            // What ends a line is not known any more; the last line may have had nothing there.
            self.done = (self.done + line.len() as u64 + 1).min(self.length);
            batch.records.push(RawRecord { offset: Offset(offset), start, end, time: None });
            self.advance(run)?;
        }
        if batch.records.is_empty() && batch.refused.is_empty() {
            self.done = self.length;
            return Ok(Next::End);
        }
        batch.read_at = wall_us();
        Ok(Next::Batch(batch))
    }

    fn progress(&self) -> ReadProgress {
        ReadProgress { bytes: self.done, total: Some(self.length) }
    }
}

/// Lines of a run, as they come.
#[derive(Debug, Default)]
struct Unsorted {
    bytes: Vec<u8>,
    /// Time, offset and range of each line.
    order: Vec<(i64, u64, usize, usize)>,
}

impl Unsorted {
    fn push(&mut self, time: i64, offset: Offset, line: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(line);
        self.order.push((time, offset.0, start, self.bytes.len()));
    }

    /// Writes the lines in order, each behind its time, its offset and its length.
    fn write(mut self, to: &mut impl Write) -> io::Result<()> {
        self.order.sort_unstable();
        for (time, offset, start, end) in self.order {
            to.write_all(&time.to_le_bytes())?;
            to.write_all(&offset.to_le_bytes())?;
            to.write_all(&(end - start).to_le_bytes())?;
            to.write_all(&self.bytes[start..end])?;
        }
        Ok(())
    }

    /// The lines in order, in memory.
    fn in_memory(self) -> io::Result<Run> {
        let mut bytes = Vec::with_capacity(self.bytes.len() + HEAD * self.order.len());
        self.write(&mut bytes)?;
        Ok(Run { lines: Box::new(io::Cursor::new(bytes)), line: Vec::new() })
    }

    /// The lines in order, in a temporary file.
    fn in_file(self) -> io::Result<Run> {
        let mut file = BufWriter::new(tempfile::tempfile()?);
        self.write(&mut file)?;
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Run { lines: Box::new(BufReader::new(file)), line: Vec::new() })
    }
}

/// Bytes in front of a line.
const HEAD: usize = 24;

/// Sorted lines.
struct Run {
    lines: Box<dyn Read + Send>,
    /// The line read last.
    line: Vec<u8>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Run {
    /// Reads the next line; returns its time and offset.
    fn read(&mut self) -> io::Result<Option<(i64, u64)>> {
        let mut head = [[0; 8]; HEAD / 8];
        match self.lines.read_exact(head.as_flattened_mut()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let [time, offset, length] = head;
        self.line.resize(usize::from_le_bytes(length), 0);
        self.lines.read_exact(&mut self.line)?;
        Ok(Some((i64::from_le_bytes(time), u64::from_le_bytes(offset))))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    const BASE: i64 = 1_793_491_200_000;

    /// Offsets of all lines in the order in which a source returns them, and of those refused.
    fn read(source: &mut dyn EventSource) -> (Vec<(u64, Vec<u8>)>, Vec<u64>) {
        let (mut lines, mut refused) = (Vec::new(), Vec::new());
        while let Next::Batch(batch) = source.next(Duration::MAX).unwrap() {
            lines.extend(batch.records.iter().map(|record| (record.offset.0, batch.record(record).to_vec())));
            refused.extend(batch.refused.iter().map(|refused| refused.offset.0));
        }
        (lines, refused)
    }

    proptest! {
        /// With runs of any size.
        #[test]
        fn lines_come_in_the_order_of_time_and_offset(
            times in prop::collection::vec(prop::option::weighted(0.9, 0..20i64), 0..60),
            run in prop_oneof![Just(1usize), 50..500usize, Just(RUN)],
            max_records in 1..9usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("events.jsonl");
            let long = format!("\"{}\"", "x".repeat(300));
            let line = |time: &Option<i64>| match time {
                Some(time) => format!("{{\"event_id\": \"a\", \"event_time\": {}}}\n", BASE + time),
                None => "no event\n".to_owned(),
            };
            let lines: String = times.iter().map(line).collect();
            fs::write(&path, format!("{lines}\n{long}\n")).unwrap();
            let config = LineConfig { max_records, max_record_bytes: 200, ..LineConfig::default() };
            let (all, refused) = read(&mut FileSource::open(&path, config.clone()).unwrap());
            let mut highest = 0;
            let mut expected: Vec<_> = all
                .into_iter()
                .map(|(offset, line)| {
                    let time = times[offset as usize].map_or(highest, |time| BASE + time);
                    highest = highest.max(time);
                    (time, offset, line)
                })
                .collect();
            expected.sort();
            let expected: Vec<_> = expected.into_iter().map(|(_, offset, line)| (offset, line)).collect();
            let mut sorted = SortedSource::in_runs_of(run, &path, &Decoder::default(), config).unwrap();
            prop_assert_eq!(read(&mut sorted), (expected, refused));
            let length = fs::metadata(&path).unwrap().len();
            prop_assert_eq!(sorted.progress(), ReadProgress { bytes: length, total: Some(length) });
        }
    }

    #[test]
    fn an_error_names_the_file_that_cannot_be_opened() {
        let none = Path::new("/none/events.jsonl");
        let error =
            SortedSource::open(none, &Decoder::default(), LineConfig::default()).unwrap_err().to_string();
        assert!(error.contains("/none/events.jsonl"), "{error}");
    }
}
