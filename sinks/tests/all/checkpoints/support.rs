//! Stores for the tests, and waiting for conditions.

use std::{
    cell::RefCell,
    collections::HashMap,
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant},
};

use operators::model::ids::CheckpointNumber;
use strateye_sinks::checkpoint::{
    CheckpointSpan, CheckpointStore, MemoryCheckpoints, RedisCheckpoints, RedisConfig, SqliteCheckpoints,
};
use strateye_tests::services::{Certificates, Redis, RedisCluster};

/// Checkpoint of the changes of hashes, where it does not matter.
pub(crate) const FIRST: CheckpointSpan = CheckpointSpan::of(CheckpointNumber(1));
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Pause between two attempts, so that other threads get the processor meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

pub(crate) static REDIS: LazyLock<Redis> = LazyLock::new(Redis::start);
pub(crate) static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(RedisCluster::start);

pub(crate) static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(Certificates::make);
static TLS: LazyLock<Redis> = LazyLock::new(|| Redis::start_tls(&CERTIFICATES, "no"));
static TLS_CLUSTER: LazyLock<RedisCluster> = LazyLock::new(|| RedisCluster::start_tls(&CERTIFICATES));

pub(crate) type Store = Box<dyn CheckpointStore>;

/// Opens a store at a named place; equal names open the same place.
pub(crate) type Open<'o> = Box<dyn Fn(&str) -> Store + 'o>;

pub(crate) fn memory() -> Open<'static> {
    let places: RefCell<HashMap<String, MemoryCheckpoints>> = RefCell::default();
    Box::new(move |place| Box::new(places.borrow_mut().entry(place.to_owned()).or_default().clone()))
}

pub(crate) fn sqlite(folder: &Path) -> Open<'_> {
    Box::new(move |place| Box::new(SqliteCheckpoints::open(&folder.join(format!("{place}.db"))).unwrap()))
}

pub(crate) fn config(redis: &Redis) -> RedisConfig {
    RedisConfig { urls: vec![redis.url()], timeout_ms: 60_000, ..RedisConfig::default() }
}

pub(crate) fn cluster_config(cluster: &RedisCluster) -> RedisConfig {
    RedisConfig { urls: cluster.urls(), cluster: true, timeout_ms: 60_000, ..RedisConfig::default() }
}

/// Settings that trust the authority of the servers' certificates.
pub(crate) fn tls_config(urls: Vec<String>) -> RedisConfig {
    let ca_file = Some(CERTIFICATES.file("ca.pem"));
    RedisConfig { urls, ca_file, timeout_ms: 60_000, ..RedisConfig::default() }
}

fn opener(config: RedisConfig, prefix: &str, buckets: u16) -> Open<'_> {
    Box::new(move |place| {
        let prefix = format!("{prefix}:{place}");
        Box::new(RedisCheckpoints::open(&RedisConfig { prefix, buckets, ..config.clone() }).unwrap())
    })
}

pub(crate) fn on_redis(prefix: &str, buckets: u16) -> Open<'_> {
    opener(config(&REDIS), prefix, buckets)
}

pub(crate) fn on_cluster(prefix: &str, buckets: u16) -> Open<'_> {
    opener(cluster_config(&CLUSTER), prefix, buckets)
}

pub(crate) fn on_tls(prefix: &str, buckets: u16) -> Open<'_> {
    opener(tls_config(vec![TLS.tls_url()]), prefix, buckets)
}

pub(crate) fn on_tls_cluster(prefix: &str, buckets: u16) -> Open<'_> {
    opener(RedisConfig { cluster: true, ..tls_config(TLS_CLUSTER.tls_urls()) }, prefix, buckets)
}

/// A connection that bypasses the store.
pub(crate) fn plain(url: &str) -> redis::Connection {
    redis::Client::open(url).unwrap().get_connection_with_timeout(LONG).unwrap()
}

/// Repeats `attempt` until it returns something.
pub(crate) fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come within {LONG:?}");
        // Pause between two polls: a store gives no notice of what a test waits for.
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// All fields of a hash.
pub(crate) fn scanned(store: &mut dyn CheckpointStore, hash: &str) -> HashMap<String, String> {
    let mut fields = HashMap::new();
    store
        .scan(hash, &mut |field, text| {
            fields.insert(field.to_owned(), text.to_owned());
        })
        .unwrap();
    fields
}
