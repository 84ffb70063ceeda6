//! The log: segments of records, appended at the end, read from the beginning, removed when done.

use std::{collections::VecDeque, io};

use super::{record, storage::Storage};
use crate::trigger::Trigger;

/// Bytes at which a segment is full, or a part of the whole log, if that is less. Triggers of one segment at
/// most are repeated after a restart.
const SEGMENT_BYTES: u64 = 256 << 10;
const PART: u64 = 16;

/// Number of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentNumber(pub(super) u64);

#[derive(Debug)]
struct Segment {
    number: u64,
    /// Durable bytes.
    bytes: u64,
    /// Durable records that are not done.
    open: u64,
    /// Durable records that were not read yet.
    unread: u64,
    damaged: bool,
}

/// A log of triggers.
pub(super) struct SpoolLog<S> {
    storage: S,
    max_bytes: u64,
    /// Oldest first. Appended to is the last one, unless it is full.
    segments: VecDeque<Segment>,
    /// Number of the next segment.
    next: u64,
    /// Records of one segment, read and not yet handed out.
    reading: VecDeque<Trigger>,
    /// A segment whose end may hold what was not synced, and its durable length.
    torn: Option<(u64, u64)>,
    /// Segments that are done and not yet removed.
    finished: Vec<Segment>,
}

impl<S: Storage> SpoolLog<S> {
    /// Opens a log and counts its records.
    ///
    /// # Errors
    /// Those of the storage; to be opened again.
    pub(super) fn open(mut storage: S, max_bytes: u64) -> Result<Self, (S, io::Error)> {
        match Self::list(&mut storage) {
            Err(error) => Err((storage, error)),
            Ok((segments, next, torn)) => Ok(SpoolLog {
                storage,
                max_bytes,
                segments,
                next,
                reading: VecDeque::new(),
                torn,
                finished: Vec::new(),
            }),
        }
    }

    #[expect(clippy::type_complexity, reason = "the three fields of the log that its files determine")]
    fn list(storage: &mut S) -> io::Result<(VecDeque<Segment>, u64, Option<(u64, u64)>)> {
        let numbers = storage.open()?;
        let (mut segments, mut torn) = (VecDeque::new(), None);
        for &number in &numbers {
            let content = storage.read(number)?;
            let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let ends_torn = whole < content.len();
            torn = ends_torn.then_some((number, whole as u64));
            let lines = || content[..whole].split_inclusive(|byte| *byte == b'\n');
            let good = lines().filter_map(parse).count();
            let damaged = good < lines().count() || (ends_torn && Some(&number) != numbers.last());
            if damaged {
                tracing::error!(
                    segment = number,
                    "a segment of a spool has damaged records; the rest of it is delivered, and it is kept as .damaged"
                );
            }
            // What was not synced may still be lost; no later segment is begun before it can't be.
            storage.sync(number)?;
            let (bytes, count) = (whole as u64, good as u64);
            segments.push_back(Segment { number, bytes, open: count, unread: count, damaged });
        }
        Ok((segments, numbers.last().map_or(1, |last| last + 1), torn))
    }

    /// Whether all records are done.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.iter().all(|segment| segment.open == 0)
    }

    /// Records that are not done.
    pub(super) fn triggers(&self) -> u64 {
        self.segments.iter().map(|segment| segment.open).sum()
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().chain(&self.finished).map(|segment| segment.bytes).sum()
    }

    /// Appends the first of these triggers, as many as one segment takes, and syncs them. Returns their number
    /// and segment; `None` if there is no room for any.
    ///
    /// # Errors
    /// Those of the storage. None is durable then, and the call may be repeated.
    pub(super) fn append<'t>(
        &mut self,
        triggers: impl Iterator<Item = &'t Trigger>,
    ) -> io::Result<Option<(usize, SegmentNumber)>> {
        if let Some((number, length)) = self.torn {
            self.storage.truncate(number, length)?;
            self.torn = None;
        }
        let full = SEGMENT_BYTES.min(self.max_bytes / PART);
        let last = self.segments.back().filter(|last| last.bytes < full && !last.damaged);
        let (number, before) = last.map_or((self.next, 0), |last| (last.number, last.bytes));
        let (mut bytes, mut count, room) = (Vec::new(), 0, self.max_bytes.saturating_sub(self.bytes()));
        for trigger in triggers {
            let end = bytes.len();
            record::write(trigger, &mut bytes);
            // Without the second condition a record larger than the bound would wait for ever.
            if bytes.len() as u64 > room && !(self.is_empty() && count == 0) {
                bytes.truncate(end);
                break;
            }
            count += 1;
            if before + bytes.len() as u64 >= full {
                break;
            }
        }
        if count == 0 {
            return Ok(None);
        }
        self.torn = Some((number, before));
        self.storage.append(number, &bytes)?;
        self.storage.sync(number)?;
        self.torn = None;
        if number == self.next {
            self.next += 1;
            self.segments.push_back(Segment { number, bytes: 0, open: 0, unread: 0, damaged: false });
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.bytes += bytes.len() as u64;
            segment.open += count as u64;
            segment.unread += count as u64;
        }
        Ok(Some((count, SegmentNumber(number))))
    }

    /// Counts the first `count` of the records appended last as read: somebody has them already. There must be
    /// no unread records before them.
    pub(super) fn skip(&mut self, segment: SegmentNumber, count: usize) {
        if let Some(segment) = self.find(segment) {
            segment.unread = segment.unread.saturating_sub(count as u64);
        }
    }

    /// The next record that was not read yet, and its segment; `None` if there is none.
    ///
    /// # Errors
    /// Those of the storage; the call may be repeated.
    pub(super) fn next(&mut self) -> io::Result<Option<(SegmentNumber, Trigger)>> {
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.unread > 0) else {
            return Ok(None);
        };
        if self.reading.is_empty() {
            let content = self.storage.read(segment.number)?;
            let durable = content.get(..segment.bytes as usize).unwrap_or(&content);
            self.reading = durable.split_inclusive(|byte| *byte == b'\n').filter_map(parse).collect();
            let read = self.reading.len().saturating_sub(segment.unread as usize);
            self.reading.drain(..read);
        }
        let Some(trigger) = self.reading.pop_front() else {
            return Err(io::Error::other("a segment has lost records while it was in use"));
        };
        segment.unread -= 1;
        Ok(Some((SegmentNumber(segment.number), trigger)))
    }

    /// Notes that a record of a segment, which was read, is done; removes segments without others.
    pub(super) fn done(&mut self, segment: SegmentNumber) {
        if let Some(segment) = self.find(segment) {
            segment.open = segment.open.saturating_sub(1);
        }
        self.remove_finished();
    }

    /// Removes segments that are done, and one of which nothing is durable. A segment that can't be removed now
    /// is removed later; until then it counts against the bound.
    pub(super) fn remove_finished(&mut self) {
        while let Some(at) = self.segments.iter().position(|segment| segment.open == 0) {
            self.finished.extend(self.segments.remove(at));
        }
        let SpoolLog { storage, segments, torn, finished, .. } = self;
        finished.retain(|segment| {
            let removed = match segment.damaged {
                true => storage.set_aside(segment.number),
                false => storage.remove(segment.number),
            };
            if removed.is_ok() {
                torn.take_if(|(number, _)| *number == segment.number);
            }
            removed.is_err()
        });
        if let Some((number, _)) = *torn
            && segments.iter().chain(&*finished).all(|segment| segment.number != number)
            && storage.remove(number).is_ok()
        {
            *torn = None;
        }
    }

    fn find(&mut self, number: SegmentNumber) -> Option<&mut Segment> {
        self.segments.iter_mut().find(|segment| segment.number == number.0)
    }

    #[cfg(test)]
    pub(super) fn into_storage(self) -> S {
        self.storage
    }
}

/// Parses a line with its line break.
fn parse(line: &[u8]) -> Option<Trigger> {
    record::read(line.strip_suffix(b"\n")?)
}
