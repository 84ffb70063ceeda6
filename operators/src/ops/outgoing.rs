//! Routed records on their way out of `match`: a batch per owner, filled where records are made.
//!
//! **Invariants**
//! - All records of a batch have the same owner, so the exchange hands batches over whole.
//! - Batches of one owner are sent in the order in which they were filled: records of one key stay in order.
//! - A batch has at most the given number of records; one record may exceed [`BYTES`].
//! - Records not sent have one epoch, whose capability is held. They wait for more records of that epoch only
//!   while each activation brings at least [`BUSY`]: an idle worker sends at once.

use std::mem;

use super::route::owner;
use crate::model::{
    epoch::Epoch,
    field::Field,
    routed::{Routed, RoutedRecord},
    value::Value,
};

/// Default of the most records in a batch.
pub const MAX_ROUTED: usize = 2_048;
/// Bytes from which on a batch is full.
const BYTES: usize = 128 * 1024;
/// Records in an activation from which on batches that are not full wait for the next activation.
const BUSY: usize = 1_024;

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

/// Batches of routed records, by the owners of their keys; `C` is the capability to send records of an epoch.
#[derive(Debug)]
pub struct Outgoing<C> {
    /// Most records in a batch.
    most: usize,
    /// A batch per worker, being filled.
    filling: Vec<Routed>,
    /// Full batches, in the order in which they became full.
    full: Vec<Routed>,
    /// Empty batches whose memory `send` left.
    spare: Vec<Routed>,
    /// Epoch of the records not sent.
    current: Option<(Epoch, C)>,
    /// Number of records since the last end of an activation.
    pushed: usize,
}

impl<C> Outgoing<C> {
    /// Makes empty batches for `peers` workers, each of `most` records at most.
    pub fn to(peers: usize, most: usize) -> Self {
        Outgoing {
            most,
            filling: vec![Routed::default(); peers],
            full: Vec::new(),
            spare: Vec::new(),
            current: None,
            pushed: 0,
        }
    }

    /// Number of records not sent yet.
    pub fn len(&self) -> usize {
        self.full.iter().chain(&self.filling).map(Routed::len).sum()
    }

    /// Whether all records are sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins records of `epoch`, which `at` allows to send; records of another epoch are sent first. Like
    /// the other methods, it calls `send` with batches, and discards what `send` leaves in them.
    pub fn begin(&mut self, epoch: Epoch, at: C, send: &mut impl FnMut(&C, &mut Routed)) {
        if self.current.as_ref().is_some_and(|(current, _)| *current != epoch) {
            self.send_all(send);
        }
        self.current = Some((epoch, at));
    }

    /// Sends every full batch.
    pub fn send_full(&mut self, send: &mut impl FnMut(&C, &mut Routed)) {
        let Some((_, at)) = &self.current else { return };
        for mut batch in self.full.drain(..) {
            send(at, &mut batch);
            if batch.rows.capacity() > 0 {
                batch.clear();
                self.spare.push(batch);
            }
        }
    }

    /// Sends every batch that has records, and gives up the capability.
    pub fn send_all(&mut self, send: &mut impl FnMut(&C, &mut Routed)) {
        self.send_full(send);
        let Some((_, at)) = self.current.take() else { return };
        for batch in self.filling.iter_mut().filter(|batch| !batch.is_empty()) {
            send(&at, batch);
            batch.clear();
        }
    }

    /// Ends an activation: sends every batch, unless more records are likely to follow at once. Returns
    /// whether records wait, and so the next activation has to follow at once.
    pub fn end_activation(&mut self, send: &mut impl FnMut(&C, &mut Routed)) -> bool {
        if mem::take(&mut self.pushed) < BUSY || self.is_empty() {
            self.send_all(send);
        }
        self.current.is_some()
    }
}

impl<C> RoutedSink for Outgoing<C> {
    fn push<'v>(&mut self, head: &RoutedRecord<'_>, values: impl Iterator<Item = (Field, &'v Value<'v>)>) {
        let to = owner(head.hash, self.filling.len());
        let batch = &mut self.filling[to];
        batch.push(head, values);
        self.pushed += 1;
        if batch.len() >= self.most || batch.bytes() >= BYTES {
            let next = self.spare.pop().unwrap_or_else(|| Routed::with_room_of(batch));
            self.full.push(mem::replace(batch, next));
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

    fn push<C>(outgoing: &mut Outgoing<C>, hash: u64, offset: u64, text: &str) {
        let head = RoutedRecord {
            hash,
            partition: PartitionId(0),
            offset: Offset(offset),
            guid: None,
            message: Some(offset).filter(|offset| offset % 2 == 1),
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

    const EPOCH: Epoch = Epoch(3);

    proptest! {
        #[test]
        fn every_record_is_sent_once_to_its_owner_in_the_order_of_its_key(
            peers in 1..5usize,
            hashes in prop::collection::vec(0..40u64, 0..200),
            // After which records full batches are sent, and all.
            sends in prop::collection::vec((0..200usize, any::<bool>()), 0..8),
            text in "[a-z]{0,9}",
            large in any::<bool>(),
            most in prop_oneof![1..9usize, Just(MAX_ROUTED)],
        ) {
            let (mut outgoing, mut sent) = (Outgoing::to(peers, most), Sent::default());
            let text = if large { text.repeat(BYTES / 100) } else { text };
            let mut send = |(): &(), batch: &mut Routed| sent.take(batch, peers);
            for (offset, hash) in hashes.iter().enumerate() {
                outgoing.begin(EPOCH, (), &mut send);
                push(&mut outgoing, *hash, offset as u64, &text);
                for (_, all) in sends.iter().filter(|(after, _)| *after == offset) {
                    if *all {
                        outgoing.send_all(&mut send);
                        prop_assert!(outgoing.is_empty());
                    } else {
                        outgoing.send_full(&mut send);
                    }
                }
            }
            outgoing.send_all(&mut send);
            prop_assert!(sent.sizes.iter().all(|size| *size <= most));
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
        let sizes = |records: &[(u64, &str)]| {
            let (mut outgoing, mut sent) = (Outgoing::to(2, MAX_ROUTED), Sent::default());
            let mut send = |(): &(), batch: &mut Routed| sent.take(batch, 2);
            outgoing.begin(EPOCH, (), &mut send);
            records.iter().for_each(|(hash, text)| push(&mut outgoing, *hash, 0, text));
            outgoing.send_full(&mut send);
            let left = outgoing.len();
            (sent.sizes, left)
        };
        let long = "x".repeat(BYTES);
        assert_eq!(sizes(&[(0, "short"), (0, &long), (0, "short"), (1, &long)]), (vec![2, 1], 1));
        let (full, left) = sizes(&[(0, ""); 3 * MAX_ROUTED]);
        assert!(!full.is_empty() && full.iter().all(|size| *size <= MAX_ROUTED) && left < MAX_ROUTED);
        assert_eq!(full.iter().sum::<usize>() + left, 3 * MAX_ROUTED);
    }

    #[test]
    fn records_wait_for_others_of_their_epoch_as_long_as_the_worker_is_busy() {
        let mut outgoing = Outgoing::<u64>::to(2, MAX_ROUTED);
        let mut sent = Vec::new();
        let mut send = |at: &u64, batch: &mut Routed| sent.push((*at, batch.len()));
        let mut turn = |epochs: &[(u64, usize)]| {
            for (epoch, records) in epochs {
                outgoing.begin(Epoch(*epoch), *epoch, &mut send);
                (0..*records).for_each(|_| push(&mut outgoing, 0, 0, ""));
            }
            outgoing.end_activation(&mut send)
        };
        let idle = [turn(&[(1, 3)]), turn(&[]), turn(&[(1, 0)])];
        let busy = [turn(&[(1, 5), (2, 100)]), turn(&[(2, BUSY - 200), (3, 200)]), turn(&[(3, BUSY - 1)])];
        // Batches that wait are sent before those of the next epoch, and at the end.
        assert_eq!((idle, busy), ([false; 3], [false, true, false]));
        assert_eq!(sent, [(1, 3), (1, 5), (2, 100), (2, BUSY - 200), (3, BUSY - 1 + 200)]);
    }
}
