//! Matcher: decodes an event, finds the filters it matches, checks crowds, and routes it to its keys.
//!
//! Stateless but for the ingest clock of each partition. `now` of an event is the highest record time read so
//! far in its partition; the record time is the log's own or, where there is none, the event's; live, each is
//! clamped to the wall clock at which the batch was read. In a replay, an event that is dated more than
//! [`MAX_AHEAD`] after the present does not move it.

use std::{collections::HashMap, sync::Arc};

use super::{
    evaluating::MAX_AHEAD,
    membership::{Membership, User},
    outgoing::RoutedSink,
};
use crate::{
    filter::{Faulted, Scratch},
    model::{
        decode::{DecodeError, Decoder, StreamDecoder},
        event::Event,
        ids::{Clocks, IngestTime, PartitionId},
        key,
        raw::{RawBatch, RawRecord, Refused},
        routed::{EncodedValues, RoutedRecord},
    },
    processor::{self, Work, prefetch},
    rule::{book::RuleBook, crowd::Crowd, field_sets, rows::Rows},
};

/// Counts of matching since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatchCounts {
    /// Records read.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Records refused.
    pub refused: u64,
    /// Filters matched.
    pub matched: u64,
    /// Routed records sent.
    pub routed: u64,
    /// Matches dropped because the event lacked a key field.
    pub keyless: u64,
    /// Comparisons and expressions that received a value of the wrong kind.
    pub wrong_values: u64,
    /// Events of a replay that are dated in the future, and so moved no clock.
    pub ahead: u64,
    /// Values of top-level fields that were left out, as they can't be what their names say.
    pub unusable_values: u64,
}

/// Matcher of one worker's events.
#[derive(Debug)]
pub struct Matcher {
    decoder: StreamDecoder,
    book: Arc<RuleBook>,
    membership: Membership,
    /// Whether record times are clamped to the wall clock.
    live: bool,
    /// Highest time of an event that moves the clock of a replay, unix ms.
    latest: i64,
    clocks: Clocks,
    scratch: Scratch,
    key: String,
    /// Targets whose rules admit the user, by `key_by`; empty between records.
    admitted: Vec<Vec<u32>>,
    /// Fields that a record's targets need, as bits.
    needed: Vec<u64>,
    counts: MatchCounts,
}

impl Matcher {
    /// Makes a matcher under `book`, whose crowds are still empty. `live` clamps record times to the wall
    /// clock; a replay does not.
    pub fn new(decoder: Decoder, book: Arc<RuleBook>, live: bool) -> Self {
        let mut membership = Membership::default();
        membership.install(&book, HashMap::new());
        Matcher {
            decoder: StreamDecoder::new(decoder, book.fields.clone()),
            book,
            membership,
            live,
            latest: i64::MAX,
            clocks: Clocks::default(),
            scratch: Scratch::default(),
            key: String::new(),
            admitted: Vec::new(),
            needed: Vec::new(),
            counts: MatchCounts::default(),
        }
    }

    /// Makes events dated more than [`MAX_AHEAD`] after `present` (unix ms) move no clock of a replay.
    #[must_use]
    pub fn at(self, present: i64) -> Self {
        Matcher { latest: present.saturating_add(MAX_AHEAD), ..self }
    }

    /// Switches to `book`; `crowds` maps rule slots to members. Takes effect with the next record.
    pub fn install(&mut self, book: Arc<RuleBook>, crowds: HashMap<u32, Crowd>) {
        self.membership.install(&book, crowds);
        self.decoder.install(&book.fields);
        self.book = book;
    }

    /// Uses these rows for the crowds that are in them; crowds that are not are looked up in their bitmaps.
    /// Changes the speed only.
    pub fn use_rows(&mut self, rows: Option<Arc<Rows>>) {
        self.membership.use_rows(&self.book, rows);
    }

    /// Whether crowds are looked up in their bitmaps, as the rows lack them.
    pub fn asks_bitmaps(&self) -> bool {
        self.membership.asks_bitmaps()
    }

    /// Ingest clocks by partition: the highest record time read.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Advances a partition's clock to `to`, unless it is later already; returns the clock.
    pub fn move_clock(&mut self, partition: PartitionId, to: IngestTime) -> IngestTime {
        self.clocks.advance(partition, to)
    }

    /// Counts since the start.
    pub fn counts(&self) -> MatchCounts {
        self.counts
    }

    /// Matches a batch; appends routed records to `routed`, and records that are not events to `refused`.
    pub fn batch(&mut self, batch: &RawBatch, routed: &mut impl RoutedSink, refused: &mut Vec<Refused>) {
        self.counts.refused += batch.refused.len() as u64;
        refused.extend_from_slice(&batch.refused);
        let (text, book, rows) = (batch.text(), Arc::clone(&self.book), self.membership.rows());
        for record in &batch.records {
            self.counts.records += 1;
            self.counts.bytes += u64::from(record.end - record.start);
            let text = text.and_then(|text| text.get(record.start as usize..record.end as usize));
            let matching = RecordMatch {
                matcher: self,
                book: (&book, rows.as_ref()),
                batch,
                record: (record, text),
                routed,
            };
            if let Err(error) = processor::run(matching) {
                self.counts.refused += 1;
                let bytes = batch.record(record);
                let sample = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).into_owned();
                let (partition, offset) = (batch.partition, record.offset);
                refused.push(Refused { partition, offset, reason: error.to_string(), sample });
            }
        }
    }

    /// Matches a record; `text` is its text if that is known to be UTF-8.
    #[inline(always)]
    fn record(
        &mut self,
        (book, rows): (&RuleBook, Option<&Arc<Rows>>),
        batch: &RawBatch,
        (record, text): (&RawRecord, Option<&str>),
        routed: &mut impl RoutedSink,
    ) -> Result<(), DecodeError> {
        let event = match text {
            Some(text) => self.decoder.decode_text(text)?,
            None => self.decoder.decode(batch.record(record))?,
        };
        let user = User::new(self.membership.member(event.guid()), rows);
        self.counts.unusable_values += u64::from(event.unusable);
        // Whether the user is admitted is asked when the index has been searched.
        user.row.iter().step_by(8).for_each(prefetch);
        let read_at = if self.live { (batch.read_at / 1000) as i64 } else { i64::MAX };
        let time = record.time.unwrap_or(event.event_time).min(read_at);
        let time = if self.live || time <= self.latest {
            IngestTime(time)
        } else {
            // The clock of who wrote it is wrong, and would be everybody's.
            self.counts.ahead += 1;
            IngestTime(0)
        };
        let now = self.move_clock(batch.partition, time).0;
        let mut faulted = Faulted::default();
        book.index.find(&event, &mut self.scratch, &mut faulted);
        self.counts.wrong_values += faulted.total();
        self.admit(book, user);
        self.route(book, &event, (batch, record, now), routed);
        self.decoder.recycle(event);
        Ok(())
    }

    /// Routes an event to the keys of the targets that were admitted; `now` is its ingest time.
    #[inline(always)]
    fn route(
        &mut self,
        book: &RuleBook,
        event: &Event<'_>,
        (batch, record, now): (&RawBatch, &RawRecord, i64),
        routed: &mut impl RoutedSink,
    ) {
        let message = event.message();
        for (group, targets) in self.admitted.iter_mut().enumerate() {
            if targets.is_empty() {
                continue;
            }
            if key::write_key(&book.keys[group], event, self.decoder.no_ids(), &mut self.key) {
                book.needs.unite(targets, &mut self.needed);
                let hash = key::route(book.key_seeds[group], &self.key);
                let head = RoutedRecord {
                    hash,
                    partition: batch.partition,
                    offset: record.offset,
                    guid: event.guid(),
                    message,
                    now,
                    time: event.event_time,
                    seen: batch.read_at,
                    key_group: group as u32,
                    targets,
                    key: &self.key,
                    event_id: event.event_id(),
                    encoded: EncodedValues::default(),
                };
                let needed = field_sets::fields(&self.needed);
                routed.push(&head, needed.filter_map(|field| Some((field, event.get(field)?))));
                self.counts.routed += 1;
            } else {
                self.counts.keyless += targets.len() as u64;
            }
            targets.clear();
        }
    }

    /// Collects the targets of the matched filters by their rule's `key_by`, except those of rules whose crowd
    /// excludes the user.
    #[inline(always)]
    fn admit(&mut self, book: &RuleBook, user: User<'_>) {
        let Matcher { membership, scratch, admitted, counts, .. } = self;
        admitted.resize_with(book.keys.len(), Vec::new);
        for unit in &scratch.units {
            for position in book.candidates.of(*unit) {
                let list = &book.candidates.lists()[position];
                counts.matched += list.range().len() as u64;
                membership.keep(book, position, user, &mut admitted[list.key_group as usize]);
            }
        }
    }
}

/// Matching of a record.
struct RecordMatch<'m, S> {
    matcher: &'m mut Matcher,
    book: (&'m RuleBook, Option<&'m Arc<Rows>>),
    batch: &'m RawBatch,
    record: (&'m RawRecord, Option<&'m str>),
    routed: &'m mut S,
}

impl<S: RoutedSink> Work for RecordMatch<'_, S> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run(self) -> Result<(), DecodeError> {
        self.matcher.record(self.book, self.batch, self.record, self.routed)
    }
}
