//! Routed records: what `match` sends to the worker that owns a key.
//!
//! One record per event and distinct `key_by` with a match: the key, the filters that matched, and the values
//! that those and the action read. A batch is a flat struct of arrays, so that the wire can copy it whole and
//! `evaluate` can read it in place; variable parts lie in one blob.

use timely::{Accountable, container::PushInto};

use super::{
    field::Field,
    ids::{Offset, PartitionId},
    value::Value,
};

/// A batch of routed records: one entry per record in each array but `targets` and `blob`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routed {
    /// Routing hash of the key.
    pub hash: Vec<u64>,
    /// The event's offset in its partition.
    pub offset: Vec<u64>,
    /// The event's guid; 0 if it has none, see `flags`.
    pub guid: Vec<u64>,
    /// Ingest time, unix ms.
    pub now: Vec<i64>,
    /// The event's own time, unix ms.
    pub time: Vec<i64>,
    /// Wall clock when the source read the event, unix µs.
    pub seen: Vec<u64>,
    /// The event's partition.
    pub partition: Vec<u32>,
    /// Which `key_by` of the rule book; the top bit says that there is a guid.
    pub flags: Vec<u32>,
    /// End of the record's targets in `targets`.
    pub targets_end: Vec<u32>,
    /// End of the record's bytes in `blob`.
    pub blob_end: Vec<u32>,
    /// Numbers of the filters that matched, ascending within a record.
    pub targets: Vec<u32>,
    /// Key, event id and values of each record, see `RecordBytes`.
    pub blob: Vec<u8>,
}

const HAS_GUID: u32 = 1 << 31;

/// View of one record of a batch; its values are decoded on demand.
#[derive(Clone, Copy, Debug)]
pub struct RoutedRecord<'b> {
    /// Routing hash of the key.
    pub hash: u64,
    /// The event's partition.
    pub partition: PartitionId,
    /// The event's offset in its partition.
    pub offset: Offset,
    /// The event's guid, if it has one.
    pub guid: Option<u64>,
    /// Ingest time, unix ms.
    pub now: i64,
    /// The event's own time, unix ms.
    pub time: i64,
    /// Wall clock when the source read the event, unix µs.
    pub seen: u64,
    /// Which `key_by` of the rule book.
    pub key_group: u32,
    /// Numbers of the filters that matched, ascending.
    pub targets: &'b [u32],
    /// The key's text.
    pub key: &'b str,
    /// The event's id.
    pub event_id: &'b str,
    /// Values of the event as [`Routed`] encodes them; empty in a head that is to be pushed.
    pub encoded: &'b [u8],
}

impl Routed {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.hash.len()
    }

    /// Whether the batch has no records.
    pub fn is_empty(&self) -> bool {
        self.hash.is_empty()
    }

    /// Approximate size on the wire, bytes.
    pub fn bytes(&self) -> usize {
        self.len() * 64 + self.targets.len() * 4 + self.blob.len()
    }

    /// Removes all records; keeps the allocated memory.
    pub fn clear(&mut self) {
        let Routed {
            hash,
            offset,
            guid,
            now,
            time,
            seen,
            partition,
            flags,
            targets_end,
            blob_end,
            targets,
            blob,
        } = self;
        hash.clear();
        offset.clear();
        guid.clear();
        now.clear();
        time.clear();
        seen.clear();
        partition.clear();
        flags.clear();
        targets_end.clear();
        blob_end.clear();
        targets.clear();
        blob.clear();
    }

    /// Appends the record of `head` with `values`; the head's own encoded values are ignored.
    ///
    /// ```
    /// use strateye_operators::model::{
    ///     field::Field,
    ///     ids::{Offset, PartitionId},
    ///     routed::{Routed, RoutedRecord},
    ///     value::Value,
    /// };
    ///
    /// let head = RoutedRecord {
    ///     hash: 7,
    ///     partition: PartitionId(0),
    ///     offset: Offset(41),
    ///     guid: Some(1001),
    ///     now: 1_766_000_000_123,
    ///     time: 1_766_000_000_100,
    ///     seen: 0,
    ///     key_group: 0,
    ///     targets: &[2],
    ///     key: "1001",
    ///     event_id: "search",
    ///     encoded: &[],
    /// };
    /// let mut batch = Routed::default();
    /// batch.push(&head, [(Field(6), &Value::Int(3))].into_iter());
    /// let record = batch.get(0).unwrap();
    /// assert_eq!((record.key, record.values().next()), ("1001", Some((Field(6), Value::Int(3)))));
    /// ```
    pub fn push<'v>(
        &mut self,
        head: &RoutedRecord<'_>,
        values: impl Iterator<Item = (Field, &'v Value<'v>)>,
    ) {
        self.targets.extend_from_slice(head.targets);
        write_text(&mut self.blob, head.key);
        write_text(&mut self.blob, head.event_id);
        values.for_each(|(field, value)| write_value(&mut self.blob, field, value));
        self.push_fixed(head);
    }

    /// Appends a record of another batch, values included.
    pub fn push_record(&mut self, record: &RoutedRecord<'_>) {
        self.targets.extend_from_slice(record.targets);
        write_text(&mut self.blob, record.key);
        write_text(&mut self.blob, record.event_id);
        self.blob.extend_from_slice(record.encoded);
        self.push_fixed(record);
    }

    fn push_fixed(&mut self, head: &RoutedRecord<'_>) {
        self.hash.push(head.hash);
        self.offset.push(head.offset.0);
        self.guid.push(head.guid.unwrap_or(0));
        self.now.push(head.now);
        self.time.push(head.time);
        self.seen.push(head.seen);
        self.partition.push(head.partition.0);
        self.flags.push(head.key_group | if head.guid.is_some() { HAS_GUID } else { 0 });
        self.targets_end.push(self.targets.len() as u32);
        self.blob_end.push(self.blob.len() as u32);
    }

    /// Record at position `i`; `None` if the batch is inconsistent there, which only a broken peer sends.
    pub fn get(&self, i: usize) -> Option<RoutedRecord<'_>> {
        let start = |ends: &[u32]| if i == 0 { Some(0) } else { ends.get(i - 1).map(|e| *e as usize) };
        let targets = self.targets.get(start(&self.targets_end)?..*self.targets_end.get(i)? as usize)?;
        let blob = self.blob.get(start(&self.blob_end)?..*self.blob_end.get(i)? as usize)?;
        let (key, rest) = read_text(blob)?;
        let (event_id, values) = read_text(rest)?;
        let flags = *self.flags.get(i)?;
        Some(RoutedRecord {
            hash: *self.hash.get(i)?,
            partition: PartitionId(*self.partition.get(i)?),
            offset: Offset(*self.offset.get(i)?),
            guid: (flags & HAS_GUID != 0).then_some(*self.guid.get(i)?),
            now: *self.now.get(i)?,
            time: *self.time.get(i)?,
            seen: *self.seen.get(i)?,
            key_group: flags & !HAS_GUID,
            targets,
            key,
            event_id,
            encoded: values,
        })
    }
}

impl<'b> RoutedRecord<'b> {
    /// Values in the order they were pushed; ends early where the bytes are inconsistent.
    pub fn values(&self) -> impl Iterator<Item = (Field, Value<'b>)> + use<'b> {
        let mut rest = self.encoded;
        std::iter::from_fn(move || {
            let (field, value, behind) = read_value(rest)?;
            rest = behind;
            Some((field, value))
        })
    }
}

fn write_text(blob: &mut Vec<u8>, text: &str) {
    blob.extend_from_slice(&(text.len() as u32).to_le_bytes());
    blob.extend_from_slice(text.as_bytes());
}

fn read_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn write_value(blob: &mut Vec<u8>, field: Field, value: &Value<'_>) {
    blob.extend_from_slice(&field.0.to_le_bytes());
    match value {
        Value::Bool(b) => blob.extend_from_slice(&[0, u8::from(*b)]),
        Value::Int(i) => {
            blob.push(1);
            blob.extend_from_slice(&i.to_le_bytes());
        }
        Value::Float(f) => {
            blob.push(2);
            blob.extend_from_slice(&f.to_le_bytes());
        }
        Value::Text(t) => {
            blob.push(3);
            write_text(blob, t);
        }
    }
}

fn read_value(bytes: &[u8]) -> Option<(Field, Value<'_>, &[u8])> {
    let (field, rest) = bytes.split_first_chunk::<2>()?;
    let (tag, rest) = rest.split_first()?;
    let (value, rest) = match tag {
        0 => rest.split_first().map(|(b, rest)| (Value::Bool(*b != 0), rest))?,
        1 => rest.split_first_chunk::<8>().map(|(b, rest)| (Value::Int(i64::from_le_bytes(*b)), rest))?,
        2 => rest.split_first_chunk::<8>().map(|(b, rest)| (Value::Float(f64::from_le_bytes(*b)), rest))?,
        _ => read_text(rest).map(|(t, rest)| (Value::Text(t.into()), rest))?,
    };
    Some((Field(u16::from_le_bytes(*field)), value, rest))
}

impl Accountable for Routed {
    fn record_count(&self) -> i64 {
        self.len() as i64
    }
}

impl PushInto<RoutedRecord<'_>> for Routed {
    fn push_into(&mut self, record: RoutedRecord<'_>) {
        self.push_record(&record);
    }
}
