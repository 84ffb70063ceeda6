//! Real services for tests: a Redis, a Redis Cluster, a Kafka broker, a MariaDB or MySQL, each with its own
//! folder and ports.
//!
//! They are started by the scripts in `tests/services`, which people can call as well, and live as long as
//! the value that started them. A `static LazyLock<Kafka>` gives one broker to all tests of a binary.
//!
//! **Invariants**: a service never outlives the process that started it, however that ends. It keeps its
//! ports and its data over [`stop`](Service::stop), [`kill`](Service::kill) and
//! [`restart`](Service::restart). A service whose program is not installed fails the test; nothing is
//! skipped.
//!
//! - `service`: the common part
//! - `kafka`, `redis`, `mysql`: the specific services
//! - `certificates`: certificates for tests of TLS

mod certificates;
mod kafka;
mod mysql;
mod redis;
mod service;

pub use certificates::Certificates;
pub use kafka::Kafka;
pub use mysql::Mysql;
pub use redis::{Redis, RedisCluster};
pub use service::Service;
