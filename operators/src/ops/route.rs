//! Route: the exchange pact that brings routed records to the workers that own their keys.
//!
//! The owner is the routing hash modulo the number of workers. The hash is seeded by the `key_by`, so a user
//! and an ip of the same text have independent owners. `match` fills a batch per owner ([`Outgoing`]), so the
//! pact hands batches over whole, in the order in which they arrive.
//!
//! [`Outgoing`]: super::outgoing::Outgoing

use timely::{
    communication::Push,
    dataflow::channels::{Message, pact::DistributorPact, pushers::exchange::Distributor},
};

use crate::model::routed::Routed;

/// Distributor of batches to the owners of their keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Router;

/// The exchange pact of batches whose records have the same owner.
pub fn by_key() -> DistributorPact<fn(usize) -> Router> {
    DistributorPact(|_peers| Router)
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
        let Some(first) = batch.rows.first() else { return };
        let peers = pushers.len();
        let to = owner(first.hash, peers);
        debug_assert!(batch.rows.iter().all(|row| owner(row.hash, peers) == to), "a batch of several owners");
        Message::push_at(batch, time.clone(), &mut pushers[to]);
    }

    fn flush<T: Clone, P: Push<Message<T, Routed>>>(&mut self, _time: &T, _pushers: &mut [P]) {}
}
