//! Rules followed by the binlog of a real MariaDB, or MySQL (`STRATEYE_TEST_MYSQL=mysql`): whatever happens to server, session and table, what has been passed on
//! becomes what the table holds, no change is repeated, and no transaction comes in halves.

mod events;
mod failures;
mod life;
mod random;
mod settings;
mod support;
mod traps;
