//! The users: their activity and addresses.
//!
//! Activity follows a Zipf-Mandelbrot law by rank, and ranks are shuffled over guids, so that a guid implies
//! nothing about its activity. A user has three addresses in one of 64 clusters (guid mod 64): a log that is
//! partitioned by cluster keeps the order per guid as well as per ip.

use super::draw::{Draw, Weights, scatter};

/// Number of clusters of addresses.
pub const CLUSTERS: u64 = 64;
/// Average number of users who share an address.
const SHARING: u64 = 3;

/// The users of a workload; guids are 1 to their number.
#[derive(Debug)]
pub struct Users {
    guids: Vec<u64>,
    activity: Weights,
}

impl Users {
    /// `count` users, ranked by `draw`.
    pub fn new(count: u64, draw: &mut Draw) -> Users {
        let mut guids: Vec<u64> = (1..=count).collect();
        draw.shuffle(&mut guids);
        Users { guids, activity: Weights::zipf(count as usize, 0.9, 10.0) }
    }

    /// The user of the next event.
    pub fn draw(&self, draw: &mut Draw) -> u64 {
        self.guids[self.activity.draw(draw)]
    }

    /// Number of events, out of a total, by the user at whose rank the given share of all events lies before
    /// it: a measure of the activity of those users who cause most events.
    pub fn events_at(&self, share: f64, events: u64) -> f64 {
        let rank = self.activity.quantile(share);
        events as f64 * self.activity.share(|r| r == rank)
    }

    /// An address of the user: 0 is the usual one, 1 and 2 are others in the same cluster.
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
