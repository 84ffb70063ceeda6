//! Tests of the sources against a real Kafka and a real MariaDB or MySQL.
//!
//! They are one program: it is linked once, and while some tests wait, others run.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod kafka;
mod mysql_cdc;
