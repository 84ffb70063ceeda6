//! The real program as a cluster of processes, driven through its command line, its pipes and its rule stores.
//!
//! | file | what |
//! | --- | --- |
//! | `golden` | every golden case by `replay`, on one process and on three, with both codecs |
//! | `replay` | the summary, and the same triggers on any number of processes |
//! | `bad_events`, `bad_rules`, `bad_scripts`, `usage` | what is refused, in which words, and what goes on regardless |
//! | `edits`, `statuses`, `sqlite` | rules that change while a cluster runs |
//! | `supervision` | killed processes, signals, the end of input |
//! | `worker` | a cluster of `worker`s on TCP ports, and strangers |

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_events;
mod bad_rules;
mod bad_scripts;
mod edits;
mod golden;
mod live;
mod replay;
mod scene;
mod sqlite;
mod statuses;
mod supervision;
mod usage;
mod worker;
