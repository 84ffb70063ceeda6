//! Route: the exchange pact that brings a routed record to the worker that owns its key.
//!
//! The owner is the routing hash modulo the number of workers. The hash is seeded by the `key_by`, so a user
//! and an ip of the same text have independent owners. Batches are cut at 512 records, which amortises
//! timely's cost per message, and sent in the order in which they were filled: records of one key from one
//! worker stay in order.

use timely::{
    communication::Push,
    dataflow::channels::{Message, pact::DistributorPact, pushers::exchange::Distributor},
};

use crate::model::routed::Routed;

/// Upper bound of the records in a batch.
const RECORDS: usize = 512;
/// Bytes of variable parts from which on a batch is sent.
const BYTES: usize = 256 * 1024;

/// Distributor of records to the owners of their keys.
#[derive(Debug)]
pub struct Router {
    /// A batch per worker, being filled.
    filling: Vec<Routed>,
}

impl Router {
    /// Router to `peers` workers.
    pub fn for_peers(peers: usize) -> Self {
        Router { filling: vec![Routed::default(); peers] }
    }
}

/// The exchange pact of routed records.
pub fn by_key() -> DistributorPact<fn(usize) -> Router> {
    DistributorPact(Router::for_peers)
}

/// Index of the worker, among `peers`, that owns the keys of a routing hash.
pub fn owner(hash: u64, peers: usize) -> usize {
    (hash % peers as u64) as usize
}

impl Distributor<Routed> for Router {
    fn partition<T: Clone, P: Push<Message<T, Routed>>>(
        &mut self,
        batch: &mut Routed,
        time: &T,
        pushers: &mut [P],
    ) {
        for i in 0..batch.len() {
            // `match` made this batch, so it is consistent.
            let Some(record) = batch.get(i) else { continue };
            let to = owner(record.hash, pushers.len());
            let filling = &mut self.filling[to];
            filling.push_record(&record);
            if filling.len() >= RECORDS || filling.blob.len() >= BYTES {
                Message::push_at(filling, time.clone(), &mut pushers[to]);
                filling.clear();
            }
        }
        batch.clear();
    }

    fn flush<T: Clone, P: Push<Message<T, Routed>>>(&mut self, time: &T, pushers: &mut [P]) {
        for (filling, pusher) in self.filling.iter_mut().zip(pushers) {
            if !filling.is_empty() {
                Message::push_at(filling, time.clone(), pusher);
                filling.clear();
            }
        }
    }
}
