//! Who there is: how active each user is, and where from.
//!
//! Activity follows a Zipf-Mandelbrot law by rank, and ranks are shuffled over guids, so that a guid says nothing about
//! its activity. A user has three addresses in one of 64 clusters (guid mod 64): a log that is split by cluster keeps the
//! order per guid as well as per ip.

use super::draw::{Draw, Weights, scatter};

/// How many clusters of addresses there are.
pub const CLUSTERS: u64 = 64;
/// Users who share an address, on average.
const SHARING: u64 = 3;

/// The users of a workload; guids are 1 to their number.
#[derive(Debug)]
pub struct Users {
    guids: Vec<u64>,
    activity: Weights,
}

impl Users {
    /// So many users, ranked by `draw`.
    pub fn new(count: u64, draw: &mut Draw) -> Users {
        let mut guids: Vec<u64> = (1..=count).collect();
        draw.shuffle(&mut guids);
        Users { guids, activity: Weights::zipf(count as usize, 0.9, 10.0) }
    }

    /// Whoever is next to do something.
    pub fn draw(&self, draw: &mut Draw) -> u64 {
        self.guids[self.activity.draw(draw)]
    }

    /// How many of so many events are by the user at whose rank this share of all events lies before it: a measure of
    /// how active those are whom most events come from.
    pub fn events_at(&self, share: f64, events: u64) -> f64 {
        let rank = self.activity.quantile(share);
        events as f64 * self.activity.share(|r| r == rank)
    }

    /// One of the user's addresses: 0 is the usual one, 1 and 2 are others in the same cluster.
    pub fn ip(&self, guid: u64, which: u64) -> String {
        let addresses = (self.guids.len() as u64 / CLUSTERS / SHARING).max(1);
        let address = scatter(guid * 3 + which) % addresses;
        format!("10.{}.{}.{}", guid % CLUSTERS, address / 250, address % 250 + 1)
    }
}

/// The user's device.
pub fn device(guid: u64) -> String {
    format!("{:016x}", scatter(guid))
}
