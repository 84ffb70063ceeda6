//! Tests of the sources against a real Kafka and a real MariaDB or MySQL.
//!
//! All are one program: it is linked once, and some tests run while others wait.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod kafka;
mod mysql_cdc;
