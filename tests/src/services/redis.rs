//! Redis, alone and as a cluster.

use std::{fs, ops::Deref, path::Path};

use super::{Certificates, Service};

/// A Redis that appends every write to its disk before it answers, and never evicts.
#[derive(Debug)]
pub struct Redis(Service);

impl Redis {
    /// Starts a server.
    ///
    /// # Panics
    /// If it can't be started; the message names what to install.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further settings, as in `&["--appendfsync", "everysec"]`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        Self(Service::start("redis", settings))
    }

    /// Starts a server that listens for TLS, too; `clients` is whether it asks its clients for certificates:
    /// `no`, `optional` or `yes`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_tls(certificates: &Certificates, clients: &str) -> Self {
        let settings = certificates.redis_settings(clients);
        Self::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Its address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }

    /// Its address for TLS as a URL.
    ///
    /// # Panics
    /// If it does not listen for TLS.
    #[must_use]
    pub fn tls_url(&self) -> String {
        tls_url(self.folder())
    }
}

fn tls_url(folder: &Path) -> String {
    let port = fs::read_to_string(folder.join("tls-port")).expect("a port for TLS");
    format!("rediss://127.0.0.1:{}/", port.trim())
}

impl Deref for Redis {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

/// A Redis Cluster of three masters, without replicas; each master like [`Redis`]. Its address is all three,
/// separated by commas.
#[derive(Debug)]
pub struct RedisCluster(Service);

impl RedisCluster {
    /// Starts a cluster.
    ///
    /// # Panics
    /// If it can't be started; the message names what to install.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a cluster with further settings for all nodes.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        Self(Service::start("redis-cluster", settings))
    }

    /// Starts a cluster whose nodes use TLS with each other and listen for it, and ask nobody for
    /// certificates.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_tls(certificates: &Certificates) -> Self {
        let settings = certificates.redis_settings("no");
        Self::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Addresses of the nodes for TLS as URLs.
    ///
    /// # Panics
    /// If they do not listen for TLS.
    #[must_use]
    pub fn tls_urls(&self) -> Vec<String> {
        (0..3).map(|node| tls_url(&self.folder().join(Self::name(node)))).collect()
    }

    /// Addresses of the nodes as URLs.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.address().split(',').map(|address| format!("redis://{address}/")).collect()
    }

    /// Kills one node (0, 1 or 2) with SIGKILL; a restart brings it back.
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

    /// Name of a node in the script.
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
