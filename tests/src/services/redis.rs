//! Redis, alone and as a cluster.

use std::ops::Deref;

use super::Service;

/// One Redis that appends every write to its disk before it answers, and never evicts.
#[derive(Debug)]
pub struct Redis(Service);

impl Redis {
    /// Starts one.
    ///
    /// # Panics
    /// If it can't be started; the message says what to install.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with settings of its own, as in `&["--appendfsync", "everysec"]`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        Self(Service::start("redis", settings))
    }

    /// Its address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }
}

impl Deref for Redis {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

/// A Redis Cluster of three masters, without replicas; each master as [`Redis`]. Its address is all three, with commas.
#[derive(Debug)]
pub struct RedisCluster(Service);

impl RedisCluster {
    /// Starts one.
    ///
    /// # Panics
    /// If it can't be started; the message says what to install.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with settings of its own for all nodes.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        Self(Service::start("redis-cluster", settings))
    }

    /// The nodes' addresses as URLs.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.address().split(',').map(|address| format!("redis://{address}/")).collect()
    }

    /// Ends one node (0, 1 or 2) with SIGKILL; a restart brings it back.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn kill_node(&self, node: usize) {
        self.run("kill", &[Self::name(node)]);
    }

    /// Stops one node (0, 1 or 2) from running until [`resume_node`](Self::resume_node).
    ///
    /// # Panics
    /// If there is no such node, or if it does not run.
    pub fn pause_node(&self, node: usize) {
        self.run("pause", &[Self::name(node)]);
    }

    /// Ends the pause of a node.
    ///
    /// # Panics
    /// If there is no such node, or if it does not run.
    pub fn resume_node(&self, node: usize) {
        self.run("continue", &[Self::name(node)]);
    }

    /// What the script calls a node.
    fn name(node: usize) -> String {
        (node + 1).to_string()
    }
}

impl Deref for RedisCluster {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}
