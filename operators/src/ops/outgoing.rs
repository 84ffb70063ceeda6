//! Routed records on their way out of `match`: a batch per owner, filled where records are made.
//!
//! **Invariants**
//! - All records of a batch have the same owner, so the exchange hands batches over whole.
//! - Batches of one owner are sent in the order in which they were filled: records of one key stay in order.
//! - A batch has at most [`RECORDS`] records; one record may exceed [`BYTES`].

use std::mem;

use super::route::owner;
use crate::model::{
    field::Field,
    routed::{Routed, RoutedRecord},
    value::Value,
};

/// Upper bound of the records in a batch.
const RECORDS: usize = 2_048;
/// Bytes from which on a batch is full.
const BYTES: usize = 128 * 1024;

/// Receiver of the records that a matcher routes.
pub trait RoutedSink {
    /// Appends the record of `head` with `values`; the head's own values are ignored.
    fn push<'v>(&mut self, head: &RoutedRecord<'_>, values: impl Iterator<Item = (Field, &'v Value<'v>)>);
}

impl RoutedSink for Routed {
    fn push<'v>(&mut self, head: &RoutedRecord<'_>, values: impl Iterator<Item = (Field, &'v Value<'v>)>) {
        Routed::push(self, head, values);
    }
}

/// Batches of routed records, by the owners of their keys.
#[derive(Debug)]
pub struct Outgoing {
    /// A batch per worker, being filled.
    filling: Vec<Routed>,
    /// Full batches, in the order in which they became full.
    full: Vec<Routed>,
    /// Empty batches with memory to be reused.
    spare: Vec<Routed>,
}

impl Outgoing {
    /// Makes empty batches for `peers` workers.
    pub fn to(peers: usize) -> Self {
        Outgoing { filling: vec![Routed::default(); peers], full: Vec::new(), spare: Vec::new() }
    }

    /// Number of records not sent yet.
    pub fn len(&self) -> usize {
        self.full.iter().chain(&self.filling).map(Routed::len).sum()
    }

    /// Whether all records are sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `send` with every full batch; what `send` leaves in it is discarded.
    pub fn send_full(&mut self, mut send: impl FnMut(&mut Routed)) {
        for mut batch in self.full.drain(..) {
            send(&mut batch);
            batch.clear();
            self.spare.push(batch);
        }
    }

    /// Calls `send` with every batch that has records; what `send` leaves in it is discarded.
    pub fn send_all(&mut self, mut send: impl FnMut(&mut Routed)) {
        self.send_full(&mut send);
        for batch in self.filling.iter_mut().filter(|batch| !batch.is_empty()) {
            send(batch);
            batch.clear();
        }
    }
}

impl RoutedSink for Outgoing {
    fn push<'v>(&mut self, head: &RoutedRecord<'_>, values: impl Iterator<Item = (Field, &'v Value<'v>)>) {
        let to = owner(head.hash, self.filling.len());
        let batch = &mut self.filling[to];
        batch.push(head, values);
        if batch.len() >= RECORDS || batch.bytes() >= BYTES {
            self.full.push(mem::replace(batch, self.spare.pop().unwrap_or_default()));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        ids::{Offset, PartitionId},
        routed::EncodedValues,
    };

    fn push(outgoing: &mut Outgoing, hash: u64, offset: u64, text: &str) {
        let head = RoutedRecord {
            hash,
            partition: PartitionId(0),
            offset: Offset(offset),
            guid: None,
            now: 0,
            time: 0,
            seen: 0,
            key_group: 0,
            targets: &[1],
            key: "key",
            event_id: "event",
            encoded: EncodedValues::default(),
        };
        outgoing.push(&head, [(Field(6), &Value::Text(text.into()))].into_iter());
    }

    /// Hash and offset of every record sent, in order.
    #[derive(Default)]
    struct Sent {
        records: Vec<(u64, u64)>,
        sizes: Vec<usize>,
    }

    impl Sent {
        fn take(&mut self, batch: &mut Routed, peers: usize) {
            let records: Vec<_> = batch.rows.iter().map(|row| (row.hash, row.offset)).collect();
            assert!(records.iter().all(|(hash, _)| owner(*hash, peers) == owner(records[0].0, peers)));
            self.sizes.push(records.len());
            self.records.extend(records);
            // As the exchange may leave it.
            *batch = Routed { text: "left over".into(), ..Routed::default() };
        }
    }

    proptest! {
        #[test]
        fn every_record_is_sent_once_to_its_owner_in_the_order_of_its_key(
            peers in 1..5usize,
            hashes in prop::collection::vec(0..40u64, 0..200),
            // After which records full batches are sent, and all.
            sends in prop::collection::vec((0..200usize, any::<bool>()), 0..8),
            text in "[a-z]{0,9}",
            large in any::<bool>(),
        ) {
            let (mut outgoing, mut sent) = (Outgoing::to(peers), Sent::default());
            let text = if large { text.repeat(BYTES / 100) } else { text };
            for (offset, hash) in hashes.iter().enumerate() {
                push(&mut outgoing, *hash, offset as u64, &text);
                for (_, all) in sends.iter().filter(|(after, _)| *after == offset) {
                    if *all {
                        outgoing.send_all(|batch| sent.take(batch, peers));
                        prop_assert!(outgoing.is_empty());
                    } else {
                        outgoing.send_full(|batch| sent.take(batch, peers));
                    }
                }
            }
            prop_assert_eq!(outgoing.len() + sent.records.len(), hashes.len());
            outgoing.send_all(|batch| sent.take(batch, peers));
            prop_assert_eq!(sent.records.len(), hashes.len());
            for hash in 0..40 {
                let of_key = |records: &[(u64, u64)]| -> Vec<u64> {
                    records.iter().filter(|(h, _)| *h == hash).map(|(_, offset)| *offset).collect()
                };
                let pushed: Vec<_> = hashes.iter().copied().zip(0..).collect();
                prop_assert_eq!(of_key(&sent.records), of_key(&pushed));
            }
        }
    }

    #[test]
    fn a_batch_is_cut_at_its_bounds() {
        let (mut outgoing, mut sent) = (Outgoing::to(2), Sent::default());
        let long = "x".repeat(BYTES);
        for (hash, text) in [(0, "short"), (0, long.as_str()), (0, "short"), (1, long.as_str())] {
            push(&mut outgoing, hash, 0, text);
        }
        outgoing.send_full(|batch| sent.take(batch, 2));
        assert_eq!((sent.sizes, outgoing.len()), (vec![2, 1], 1));

        let (mut outgoing, mut sent) = (Outgoing::to(2), Sent::default());
        (0..2 * RECORDS).for_each(|_| push(&mut outgoing, 0, 0, ""));
        outgoing.send_all(|batch| sent.take(batch, 2));
        assert_eq!(sent.sizes.iter().sum::<usize>(), 2 * RECORDS);
        assert!(sent.sizes.len() > 1 && sent.sizes.iter().all(|size| *size <= RECORDS), "{:?}", sent.sizes);
    }
}
