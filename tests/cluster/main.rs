//! The real program as a cluster of processes, driven through its command line, its pipes and its rule
//! stores.
//!
//! | file | content |
//! | --- | --- |
//! | `golden` | every golden case by `replay`, with one and with three processes, with both codecs |
//! | `bounded` | the same triggers and states with a fifth of the memory; `kept_job` runs its cluster |
//! | `batches` | the same triggers with batches and epochs of any size |
//! | `replay` | the summary, and the same triggers with any number of processes |
//! | `bad_events`, `bad_rules`, `bad_scripts`, `usage` | refused inputs, messages; the rest continues |
//! | `shop_log` | half a year of a shop's log, as it is, against a plain recount |
//! | `edits`, `statuses`, `sqlite` | rules that change while a cluster runs |
//! | `pauses`, `crowds_live` | pauses that are skipped or replayed, rollbacks, members who leave a crowd |
//! | `kept` | state, rules and positions over crashes, restarts, and other numbers of processes |
//! | `state_fixture` | state that an earlier commit wrote |
//! | `dead_receiver` | a webhook that is away while everything else goes on |
//! | `secrets` | passwords from elsewhere, and files that others may not read |
//! | `commands_*` | commands around an engine: settings, state, dead letters, events into Kafka, migrations |
//! | `supervision` | killed processes, signals, the end of input |
//! | `telemetry` | metrics, health, readiness, the log in JSON |
//! | `worker` | a cluster of `worker`s on TCP ports, and strangers |

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_events;
mod bad_rules;
mod bad_scripts;
mod batches;
mod bounded;
mod commands_config;
mod commands_dead_letters;
mod commands_migrate;
mod commands_produce;
mod commands_state;
mod crowds_live;
mod dead_receiver;
mod edits;
mod golden;
mod kept;
mod kept_job;
mod live;
mod pauses;
mod replay;
mod scene;
mod secrets;
mod shop_log;
mod sqlite;
mod state_fixture;
mod statuses;
mod supervision;
mod telemetry;
mod usage;
mod worker;
mod workload;
