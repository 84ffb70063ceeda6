//! Everything strateye reads: events, rule changes, profiles.
//!
//! | module | reads | from |
//! | --- | --- | --- |
//! | [`events`] | raw records, in batches of one partition | a JSONL file, stdin, the generator, Kafka |
//! | [`rules`] | changes of the set of rules | a folder of documents, an `SQLite` store, tables of `MySQL` |
//! | [`calculators`] | scripts that rules name | a folder of `NAME.rhai` |
//! | [`profiles`] | the users whom a crowd query selects | a JSONL file |
//!
//! **Architecture invariant**: nothing here decodes an event or knows what a rule means. A record that cannot
//! be taken is data ([`operators::model::raw::Refused`], [`rules::Change::Unreadable`]); a system that cannot
//! be read is a [`SourceError`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod calculators;
pub mod contained;
pub mod error;
pub mod events;
pub mod profiles;
pub mod rules;

pub use error::SourceError;
