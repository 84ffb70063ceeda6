//! Routed records: what `match` sends to the worker that owns a key.
//!
//! One record per event and distinct `key_by` with a match: the key, the filters that matched, and the values
//! that those and the action read. A batch is a flat struct of arrays, so that the wire can copy it whole and
//! `evaluate` can read it in place; variable parts lie in arrays of their own, all texts in one. So the texts
//! of a batch are checked to be UTF-8 once, when it is received.

mod values;

use timely::{Accountable, container::PushInto};

pub use self::values::EncodedValues;
use self::values::Encoder;
use super::{
    field::Field,
    guid::Guid,
    ids::{Offset, PartitionId},
    value::Value,
};

/// Kinds of guids.
const NO_GUID: u32 = 0;
const NUMBER: u32 = 1;
const TEXT: u32 = 2;

/// Flag beside the kind of a guid: the last value of the record is the hash of its message, and no field's.
const MESSAGE: u32 = 4;

/// A batch of routed records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routed {
    /// The fixed part of each record.
    pub rows: Vec<Row>,
    /// Content of each value, see `EncodedValues`.
    pub words: Vec<u64>,
    /// Field and kind of each value.
    pub fields: Vec<u32>,
    /// Numbers of the filters that matched, in no order within a record.
    pub targets: Vec<u32>,
    /// Key, event id, guid and texts among the values, of each record.
    pub text: String,
}

/// The part of a routed record that has the same size in all; 80 bytes without padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Row {
    /// Routing hash of the key.
    pub hash: u64,
    /// The event's offset in its partition.
    pub offset: u64,
    /// The event's guid if it is a number; the length of its text if it is one; else 0.
    pub guid: u64,
    /// Ingest time, unix ms.
    pub now: i64,
    /// The event's own time, unix ms.
    pub time: i64,
    /// Wall clock when the source read the event, unix µs.
    pub seen: u64,
    /// The event's partition.
    pub partition: u32,
    /// Which `key_by` of the rule book.
    pub key_group: u32,
    /// 0 if the event has no guid, 1 if it is a number, 2 if it is a text; 4 more if it has the id of a message.
    pub guid_kind: u32,
    /// End of the record's targets.
    pub targets_end: u32,
    /// End of the record's values.
    pub values_end: u32,
    /// End of the key in the batch's text; it begins where the text of the record before ends.
    pub key_end: u32,
    /// End of the event id in the text; it begins behind the key.
    pub event_id_end: u32,
    /// End of the record's text; a guid that is a text begins behind the event id, the texts among its values behind
    /// that.
    pub text_end: u32,
}

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
    pub guid: Option<Guid<'b>>,
    /// What identifies the message, if it has an id.
    pub message: Option<u64>,
    /// Ingest time, unix ms.
    pub now: i64,
    /// The event's own time, unix ms.
    pub time: i64,
    /// Wall clock when the source read the event, unix µs.
    pub seen: u64,
    /// Which `key_by` of the rule book.
    pub key_group: u32,
    /// Numbers of the filters that matched, in no order.
    pub targets: &'b [u32],
    /// The key's text.
    pub key: &'b str,
    /// The event's id.
    pub event_id: &'b str,
    /// Values of the event; ignored in a head that is pushed with values of its own.
    pub encoded: EncodedValues<'b>,
}

impl Routed {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the batch has no records.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Size on the wire without the frame of a message, bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.rows[..])
            + size_of_val(&self.words[..])
            + size_of_val(&self.fields[..])
            + size_of_val(&self.targets[..])
            + self.text.len()
    }

    /// Makes an empty batch with room for as much as `other` holds.
    pub fn with_room_of(other: &Routed) -> Routed {
        Routed {
            rows: Vec::with_capacity(other.rows.len()),
            words: Vec::with_capacity(other.words.len()),
            fields: Vec::with_capacity(other.fields.len()),
            targets: Vec::with_capacity(other.targets.len()),
            text: String::with_capacity(other.text.len()),
        }
    }

    /// Targets of the record at position `i`; empty where the batch is inconsistent.
    pub fn targets(&self, i: usize) -> &[u32] {
        let end = |row: &Row| row.targets_end as usize;
        let start = i.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, end);
        let end = self.rows.get(i).map_or(start, end);
        self.targets.get(start..end).unwrap_or_default()
    }

    /// Removes all records; keeps the allocated memory.
    pub fn clear(&mut self) {
        let Routed { rows, words, fields, targets, text } = self;
        rows.clear();
        words.clear();
        fields.clear();
        targets.clear();
        text.clear();
    }

    /// Appends the record of `head` with `values`; the head's own encoded values are ignored.
    ///
    /// ```
    /// use strateye_operators::model::{
    ///     field::Field,
    ///     guid::Guid,
    ///     ids::{Offset, PartitionId},
    ///     routed::{EncodedValues, Routed, RoutedRecord},
    ///     value::Value,
    /// };
    ///
    /// let head = RoutedRecord {
    ///     hash: 7,
    ///     partition: PartitionId(0),
    ///     offset: Offset(41),
    ///     guid: Some(Guid::Number(1001)),
    ///     message: None,
    ///     now: 1_766_000_000_123,
    ///     time: 1_766_000_000_100,
    ///     seen: 0,
    ///     key_group: 0,
    ///     targets: &[2],
    ///     key: "1001",
    ///     event_id: "search",
    ///     encoded: EncodedValues::default(),
    /// };
    /// let mut batch = Routed::default();
    /// batch.push(&head, [(Field(7), &Value::Int(3))].into_iter());
    /// let record = batch.get(0).unwrap();
    /// assert_eq!((record.key, record.value(Field(7))), ("1001", Some(Value::Int(3))));
    /// ```
    pub fn push<'v>(
        &mut self,
        head: &RoutedRecord<'_>,
        values: impl Iterator<Item = (Field, &'v Value<'v>)>,
    ) {
        let row = self.push_texts(head);
        let Routed { words, fields, text, .. } = self;
        let mut encoder = Encoder { fields, words, start: text.len(), text };
        values.for_each(|(field, value)| encoder.push(field, value));
        self.push_row(head, row);
    }

    /// Appends a record of another batch, values included.
    pub fn push_record(&mut self, record: &RoutedRecord<'_>) {
        let row = self.push_texts(record);
        self.words.extend_from_slice(record.encoded.words);
        self.fields.extend_from_slice(record.encoded.fields);
        self.text.push_str(record.encoded.text);
        self.push_row(record, row);
    }

    /// Appends key, event id and guid; returns a row with the guid and their ends.
    fn push_texts(&mut self, head: &RoutedRecord<'_>) -> Row {
        self.text.push_str(head.key);
        let key_end = self.text.len() as u32;
        self.text.push_str(head.event_id);
        let event_id_end = self.text.len() as u32;
        let (guid_kind, guid) = match head.guid {
            None => (NO_GUID, 0),
            Some(Guid::Number(number)) => (NUMBER, number),
            Some(Guid::Text(text)) => {
                self.text.push_str(text);
                (TEXT, text.len() as u64)
            }
        };
        Row { guid, guid_kind, key_end, event_id_end, ..Row::default() }
    }

    /// Appends the targets, and the row, filled in; the record's values and texts are appended already.
    fn push_row(&mut self, head: &RoutedRecord<'_>, mut row: Row) {
        if let Some(message) = head.message {
            row.guid_kind |= MESSAGE;
            self.words.push(message);
            self.fields.push(0);
        }
        self.targets.extend_from_slice(head.targets);
        self.rows.push(Row {
            hash: head.hash,
            offset: head.offset.0,
            now: head.now,
            time: head.time,
            seen: head.seen,
            partition: head.partition.0,
            key_group: head.key_group,
            targets_end: self.targets.len() as u32,
            values_end: self.words.len() as u32,
            text_end: self.text.len() as u32,
            ..row
        });
    }

    /// Record at position `i`; `None` if the batch is inconsistent there, which only a broken peer sends.
    pub fn get(&self, i: usize) -> Option<RoutedRecord<'_>> {
        let row = self.rows.get(i)?;
        let before = match i.checked_sub(1) {
            Some(i) => *self.rows.get(i)?,
            None => Row::default(),
        };
        let text = |from: u32, to: u32| self.text.get(from as usize..to as usize);
        let mut values = before.values_end as usize..row.values_end as usize;
        let message = match row.guid_kind & MESSAGE {
            0 => None,
            _ => {
                values.end = values.end.checked_sub(1)?;
                Some(*self.words.get(values.end)?)
            }
        };
        let (guid, guid_end) = match row.guid_kind & !MESSAGE {
            NO_GUID => (None, row.event_id_end),
            NUMBER => (Some(Guid::Number(row.guid)), row.event_id_end),
            _ => {
                let end = row.event_id_end.checked_add(u32::try_from(row.guid).ok()?)?;
                (Some(Guid::Text(text(row.event_id_end, end)?)), end)
            }
        };
        Some(RoutedRecord {
            hash: row.hash,
            partition: PartitionId(row.partition),
            offset: Offset(row.offset),
            guid,
            message,
            now: row.now,
            time: row.time,
            seen: row.seen,
            key_group: row.key_group,
            targets: self.targets.get(before.targets_end as usize..row.targets_end as usize)?,
            key: text(before.text_end, row.key_end)?,
            event_id: text(row.key_end, row.event_id_end)?,
            encoded: EncodedValues {
                fields: self.fields.get(values.clone())?,
                words: self.words.get(values)?,
                text: text(guid_end, row.text_end)?,
            },
        })
    }
}

impl<'b> RoutedRecord<'b> {
    /// Value of a field, if the record carries it; the other values are not decoded.
    pub fn value(&self, field: Field) -> Option<Value<'b>> {
        self.encoded.get(field)
    }

    /// Values in the order they were pushed; ends early where the batch is inconsistent.
    pub fn values(&self) -> impl Iterator<Item = (Field, Value<'b>)> + use<'b> {
        self.encoded.iter()
    }
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
