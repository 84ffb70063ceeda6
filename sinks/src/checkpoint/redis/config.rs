//! Settings of a Redis store of checkpoints.

use std::{fmt, path::PathBuf, time::Duration};

use redis::{ConnectionInfo, IntoConnectionInfo};
use serde::{Deserialize, Serialize};

use super::{
    tls::{self, TlsFiles},
    url::{self, invalid, without_password},
};
use crate::checkpoint::CheckpointError;

/// Address and use of a Redis. `prefix` and `buckets` are part of the data: every reader must use the same.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// `redis://[USER:PASSWORD@]HOST:PORT/[DATABASE]`, or `rediss://..` for TLS. One URL for a server; for a
    /// Redis Cluster any of its nodes, preferably several.
    pub urls: Vec<String>,
    /// Whether the URLs are of a Redis Cluster.
    pub cluster: bool,
    /// Prefix of all keys; engines with different prefixes share a Redis without seeing each other.
    pub prefix: String,
    /// Number of keys that a hash is spread over: 1 for a single server; in a cluster a few per master, so
    /// that the state of one rule does not lie on one master. Must not be changed for a prefix that is in
    /// use.
    pub buckets: u16,
    /// Timeout of connecting and of an answer, ms.
    pub timeout_ms: u64,
    /// Number of replicas that must have a blob or a commit before it counts, as far as as many are
    /// connected; 0 waits for none.
    pub replicas: u8,
    /// File in PEM of the certificate authorities trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// File in PEM of the client's certificate, for servers that require one.
    pub cert_file: Option<PathBuf>,
    /// File in PEM of that certificate's key.
    pub key_file: Option<PathBuf>,
}

impl Default for RedisConfig {
    fn default() -> Self {
        RedisConfig {
            urls: vec!["redis://127.0.0.1:6379/".to_owned()],
            cluster: false,
            prefix: "strateye".to_owned(),
            buckets: 1,
            timeout_ms: 5000,
            replicas: 1,
            ca_file: None,
            cert_file: None,
            key_file: None,
        }
    }
}

impl fmt::Debug for RedisConfig {
    /// Without passwords: this is logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("urls", &self.urls.iter().map(|url| without_password(url)).collect::<Vec<_>>())
            .field("cluster", &self.cluster)
            .field("prefix", &self.prefix)
            .field("buckets", &self.buckets)
            .field("timeout_ms", &self.timeout_ms)
            .field("replicas", &self.replicas)
            .field("ca_file", &self.ca_file)
            .field("cert_file", &self.cert_file)
            .field("key_file", &self.key_file)
            .finish()
    }
}

/// Segments with which names of keys begin: a prefix that contains one could collide with another prefix's
/// keys.
const RESERVED: [&str; 6] = ["s", "seed", "ckpt", "crowd", "committed", "edits"];

impl RedisConfig {
    /// Checks everything that can be checked without a connection.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`], with what to write instead.
    pub fn validate(&self) -> Result<(), CheckpointError> {
        self.check().map(drop)
    }

    /// The same settings without users and passwords, fit to be shown.
    #[must_use]
    pub fn redacted(&self) -> Self {
        RedisConfig { urls: self.urls.iter().map(|url| without_password(url)).collect(), ..self.clone() }
    }

    /// Checks everything that can be checked without a connection, and returns the servers' addresses.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`], with what to write instead.
    pub(super) fn check(&self) -> Result<Vec<ConnectionInfo>, CheckpointError> {
        match self.urls.len() {
            0 => return Err(invalid("urls", "[]", "write at least one redis://HOST:PORT/")),
            1 => {}
            _ if self.cluster => {}
            _ => return Err(invalid("urls", &url::shown(&self.urls), "write one URL, or cluster = true")),
        }
        if self.prefix.is_empty() || self.prefix.contains(['{', '}']) {
            return Err(invalid("prefix", &self.prefix, "write a text without braces, such as strateye"));
        }
        if self.prefix.split(':').any(|segment| RESERVED.contains(&segment)) {
            let reason = format!("none of its segments may be {}", RESERVED.join(", "));
            return Err(invalid("prefix", &self.prefix, &reason));
        }
        if self.buckets == 0 {
            return Err(invalid("buckets", "0", "write 1 or more"));
        }
        if !(10..=600_000).contains(&self.timeout_ms) {
            return Err(invalid("timeout_ms", &self.timeout_ms.to_string(), "write 10 to 600000"));
        }
        let addresses = self.urls.iter().map(|url| address(url)).collect::<Result<_, _>>()?;
        let files = TlsFiles {
            authorities: self.ca_file.as_deref(),
            certificate: self.cert_file.as_deref(),
            key: self.key_file.as_deref(),
        };
        tls::secured(files, &self.urls, addresses)
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn address(url: &str) -> Result<ConnectionInfo, CheckpointError> {
    url.into_connection_info().map_err(|error| {
        let reason =
            format!("{error}; write redis://[USER:PASSWORD@]HOST:PORT/[DATABASE], or rediss://.. for TLS");
        invalid("urls", &without_password(url), &reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: impl FnOnce(&mut RedisConfig)) -> Result<Vec<ConnectionInfo>, CheckpointError> {
        let mut config = RedisConfig::default();
        change(&mut config);
        config.check()
    }

    #[test]
    fn invalid_settings_are_refused_by_name() {
        let named = |change: fn(&mut RedisConfig), name: &str| {
            let text = of(change).unwrap_err().to_string();
            assert!(text.starts_with(name), "{text}");
        };
        named(|c| c.urls.clear(), "urls");
        named(|c| c.urls = vec!["redis://a/".into(), "redis://b/".into()], "urls");
        named(|c| c.urls = vec!["http://a/".into()], "urls");
        named(|c| c.prefix = String::new(), "prefix");
        named(|c| c.prefix = "a{b}".into(), "prefix");
        named(|c| c.prefix = "shop:s".into(), "prefix");
        named(|c| c.buckets = 0, "buckets");
        named(|c| c.timeout_ms = 0, "timeout_ms");
    }

    #[test]
    fn several_nodes_of_a_cluster_and_segments_are_valid() {
        let nodes = of(|c| {
            c.urls = vec!["redis://a/".into(), "redis://b:7000/".into()];
            c.cluster = true;
            c.prefix = "shop:strateye".into();
        });
        assert_eq!(nodes.unwrap().len(), 2);
    }

    #[test]
    fn passwords_are_not_shown() {
        let config =
            RedisConfig { urls: vec!["redis://me:se@cret@host:1/".into()], ..RedisConfig::default() };
        let shown = format!("{config:?}");
        assert!(!shown.contains("cret@") && shown.contains("redis://..@host:1/"), "{shown}");
    }
}
