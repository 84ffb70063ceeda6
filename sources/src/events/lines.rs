//! Splitting of bytes into batches of lines, shared by the file and the stream source.
//!
//! One read fills the buffer; its lines are found with `memchr` and copied into a batch, and the unfinished
//! rest moves to the front. A line longer than `max_record_bytes` is never held in memory: beyond that length
//! only its length is counted, and its first 512 bytes are kept for the refusal.

use std::io::{ErrorKind, Read};

use memchr::memchr;
use operators::model::{
    ids::{Offset, PartitionId, Positions},
    raw::{RawBatch, RawRecord, Refused},
};
use serde::{Deserialize, Serialize};

use super::{MAX_BATCH_BYTES, MAX_RECORD_BYTES, MAX_RECORDS, Next, wall_us};
use crate::SourceError;

/// Longest sample of a refused record, bytes.
const SAMPLE: usize = 512;
/// Largest `max_record_bytes` and `max_batch_bytes`: positions in a batch are 32 bits wide.
const MAX_SETTING: usize = 1 << 30;

/// Settings of a line-based source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineConfig {
    /// Partition of all its records.
    pub partition: PartitionId,
    /// Resume point: lines below this offset (line number from 0) are skipped.
    pub first_offset: Offset,
    /// Most records in a batch.
    pub max_records: usize,
    /// Bytes from which on a batch is full.
    pub max_batch_bytes: usize,
    /// Bytes of the longest record; longer lines are refused.
    pub max_record_bytes: usize,
}

impl Default for LineConfig {
    fn default() -> Self {
        LineConfig {
            partition: PartitionId(0),
            first_offset: Offset(0),
            max_records: MAX_RECORDS,
            max_batch_bytes: MAX_BATCH_BYTES,
            max_record_bytes: MAX_RECORD_BYTES,
        }
    }
}

impl LineConfig {
    fn check(&self) -> Result<(), SourceError> {
        let settings = [
            ("max_records", self.max_records),
            ("max_batch_bytes", self.max_batch_bytes),
            ("max_record_bytes", self.max_record_bytes),
        ];
        match settings.into_iter().find(|(_, value)| !(1..=MAX_SETTING).contains(value)) {
            None => Ok(()),
            Some((setting, value)) => Err(SourceError::Setting {
                setting,
                reason: format!("is {value}; write a number from 1 to {MAX_SETTING}"),
            }),
        }
    }
}

/// Reader that splits an input into lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    name: String,
    config: LineConfig,
    /// Always initialised. `start..end` is read and not yet consumed; `start..scanned` contains no newline.
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
    end: usize,
    /// Bytes read from the input.
    read: u64,
    /// Offset of the line at `start`.
    offset: Offset,
    /// Set while the line at `start` is longer than is held in memory.
    long: Option<OverlongLine>,
    /// Records of the last batch.
    last_records: usize,
    ended: bool,
}

/// Head and length of a line that is too long.
#[derive(Debug)]
struct OverlongLine {
    head: Vec<u8>,
    length: u64,
    last: u8,
}

impl OverlongLine {
    fn extend(&mut self, bytes: &[u8]) {
        let room = SAMPLE.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.length += bytes.len() as u64;
        self.last = bytes.last().copied().unwrap_or(self.last);
    }
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R, name: String, config: LineConfig) -> Result<Self, SourceError> {
        config.check()?;
        let buffer = vec![0; config.max_batch_bytes.max(4096)];
        Ok(Lines {
            input,
            name,
            config,
            buffer,
            start: 0,
            scanned: 0,
            end: 0,
            read: 0,
            offset: Offset(0),
            long: None,
            last_records: 0,
            ended: false,
        })
    }

    /// Starts numbering at the first offset, for an input whose earlier lines cannot be read again.
    pub(super) fn continuing(mut self) -> Self {
        self.offset = self.config.first_offset;
        self
    }

    /// First offset not read, of the only partition.
    pub(super) fn positions(&self) -> Positions {
        Positions::from([(self.config.partition, self.offset.max(self.config.first_offset))])
    }

    /// Bytes consumed so far.
    pub(super) fn done(&self) -> u64 {
        self.read - (self.end - self.start) as u64
    }

    /// Performs at most one read. `Idle` if no record was completed.
    pub(super) fn step(&mut self) -> Result<Next, SourceError> {
        let mut batch = RawBatch { partition: self.config.partition, ..RawBatch::default() };
        self.cut(&mut batch);
        if !self.ended && is_empty(&batch) {
            self.fill(&mut batch)?;
            self.cut(&mut batch);
        }
        if !is_empty(&batch) {
            self.last_records = batch.records.len();
            batch.read_at = wall_us();
            return Ok(Next::Batch(batch));
        }
        Ok(if self.ended { Next::End } else { Next::Idle })
    }

    /// Moves complete lines from the buffer into the batch until it is full.
    fn cut(&mut self, batch: &mut RawBatch) {
        let LineConfig { max_records, max_batch_bytes, .. } = self.config;
        // As much as there may be, at once: growing would copy what is there each time.
        batch.bytes.reserve(max_batch_bytes.min(self.end - self.start));
        batch.records.reserve(self.last_records.min(max_records));
        while batch.records.len() + batch.refused.len() < max_records && batch.bytes.len() < max_batch_bytes {
            let Some(found) = memchr(b'\n', &self.buffer[self.scanned..self.end]) else {
                self.scanned = self.end;
                return;
            };
            let stop = self.scanned + found;
            self.take(stop, batch);
            self.start = stop + 1;
            self.scanned = stop + 1;
        }
    }

    /// Consumes the line at `start`, which ends before `stop`.
    fn take(&mut self, stop: usize, batch: &mut RawBatch) {
        let offset = self.offset;
        self.offset = offset.next();
        let rest = &self.buffer[self.start..stop];
        let long = self.long.take().map(|mut long| {
            long.extend(rest);
            long
        });
        if offset < self.config.first_offset {
            return;
        }
        if let Some(long) = long {
            let length = long.length - u64::from(long.last == b'\r');
            batch.refused.push(self.refuse(offset, length, &long.head));
            return;
        }
        let line = rest.strip_suffix(b"\r").unwrap_or(rest);
        if line.len() > self.config.max_record_bytes {
            batch.refused.push(self.refuse(offset, line.len() as u64, line));
        } else if !line.is_empty() {
            let start = position(batch);
            batch.bytes.extend_from_slice(line);
            batch.records.push(RawRecord { offset, start, end: position(batch), time: None });
        }
    }

    fn refuse(&self, offset: Offset, length: u64, head: &[u8]) -> Refused {
        Refused {
            partition: self.config.partition,
            offset,
            reason: format!(
                "line {} has {length} bytes, more than the {} of `max_record_bytes`; shorten it where it is produced, or raise the limit",
                offset.next(),
                self.config.max_record_bytes
            ),
            sample: sample(head),
        }
    }

    /// Reads once; at the end of the input, consumes what follows the last newline.
    fn fill(&mut self, batch: &mut RawBatch) -> Result<(), SourceError> {
        self.make_room();
        let count = loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    self.ended = true;
                    return Err(SourceError::Read { name: self.name.clone(), done: self.done(), source });
                }
                Ok(count) => break count,
            }
        };
        self.read += count as u64;
        self.end += count;
        if count == 0 {
            self.ended = true;
            if self.end > self.start || self.long.is_some() {
                self.take(self.end, batch);
            }
            (self.start, self.scanned, self.end) = (0, 0, 0);
        }
        Ok(())
    }

    /// Moves the unfinished line to the front of the buffer, or reduces it to its length and head if it is
    /// too long. Afterwards there is room behind it.
    fn make_room(&mut self) {
        let unfinished = self.start..self.end;
        // One byte more than allowed may still be the `\r` of a line that is not too long.
        if self.long.is_none() && unfinished.len() > self.config.max_record_bytes + 1 {
            self.long = Some(OverlongLine { head: Vec::new(), length: 0, last: 0 });
        }
        if let Some(long) = &mut self.long {
            long.extend(&self.buffer[unfinished]);
            (self.start, self.scanned, self.end) = (0, 0, 0);
            return;
        }
        let length = unfinished.len();
        self.buffer.copy_within(unfinished, 0);
        (self.start, self.scanned, self.end) = (0, length, length);
        if length == self.buffer.len() {
            let wanted = (length * 2).min(self.config.max_record_bytes + 2).max(length + 1);
            self.buffer.resize(wanted, 0);
        }
    }
}

fn is_empty(batch: &RawBatch) -> bool {
    batch.records.is_empty() && batch.refused.is_empty()
}

/// Position in the batch at which the next byte is written; the settings keep it far below 2^32.
pub(super) fn position(batch: &RawBatch) -> u32 {
    u32::try_from(batch.bytes.len()).unwrap_or(u32::MAX)
}

/// The beginning of a record as valid text of at most [`SAMPLE`] bytes.
pub(super) fn sample(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(SAMPLE)]).into_owned();
    let mut stop = text.len().min(SAMPLE);
    while !text.is_char_boundary(stop) {
        stop -= 1;
    }
    text.truncate(stop);
    text
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
