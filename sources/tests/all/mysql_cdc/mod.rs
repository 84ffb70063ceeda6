//! Tests of rules followed by the binlog of a real MariaDB, or MySQL (`STRATEYE_TEST_MYSQL=mysql`).
//!
//! Whatever happens to server, session and table, the rules passed on become the content of the table, no
//! change is repeated, and no transaction is passed on in parts.
//!
//! - `support`: a client for statements, and a follower that checks changes
//! - `events`, `traps`: forms of events, and binlog content besides rows
//! - `failures`, `settings`: failing connections and servers, and unfit settings
//! - `life`: the users' side and the engine's writes
//! - `random`: random changes with disturbances

mod events;
mod failures;
mod life;
mod random;
mod settings;
mod support;
mod traps;
