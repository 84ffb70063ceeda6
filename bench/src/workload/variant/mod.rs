//! Variants of a workload: other rules over events, made from a workload by fixed edits.
//!
//! The same workload gives the same bytes on every machine. A variant's rules take the place of the
//! workload's; its events are the same, except those of [`Kind::Demo`].
//!
//! - `document`: parts of rule documents
//! - `edits`: variants that edit each rule by itself
//! - `idle`: rules that never match
//! - `scripts`: users' scripts in place of built-in calculators
//! - `demo`: the demo's rules and events

mod demo;
mod document;
mod edits;
mod idle;
mod scripts;

#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use clap::ValueEnum;
use serde_json::Value as Json;

use super::Folder;
use crate::Error;

/// A variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The first 50 rules, and 4,950 that never match: copies that demand a value that no event has.
    Idle,
    /// A user's script in place of each built-in calculator: other field names and functions, the same result.
    Scripts,
    /// A limit, a ttl, a period of validity and a bound of lateness for each rule that has none.
    Guards,
    /// A sliding window of 1 h for every condition.
    Sliding,
    /// No crowds: every rule is for all users.
    Users,
    /// Every rule is keyed by `device_id`: keys are texts instead of numbers.
    Devices,
    /// All conditions start anew for a key once its rule has fired, and a tenth of the keys is held out.
    Resets,
    /// Every rule fires when `when` turns true, instead of on an event.
    Satisfied,
    /// Every rule fires when its first counting condition completes once more.
    Each,
    /// The demo's 50 rules, 100 times with other thresholds and crowds, over as many of the demo's events.
    Demo,
}

impl Kind {
    /// The documents of the variant, made from those of a workload.
    pub fn documents(self, rules: &[Json]) -> Box<dyn Iterator<Item = Json> + '_> {
        let each = |edit: fn(&mut Json)| -> Box<dyn Iterator<Item = Json> + '_> {
            Box::new(rules.iter().map(move |rule| {
                let mut rule = rule.clone();
                edit(&mut rule);
                rule
            }))
        };
        match self {
            Kind::Idle => Box::new(idle::documents(rules, idle::BUSY, idle::IDLE)),
            Kind::Scripts => each(scripts::edit),
            Kind::Guards => each(edits::guards),
            Kind::Sliding => each(edits::sliding),
            Kind::Users => each(edits::users),
            Kind::Devices => each(edits::devices),
            Kind::Resets => each(edits::resets),
            Kind::Satisfied => each(edits::satisfied),
            Kind::Each => each(edits::each),
            Kind::Demo => Box::new(demo::documents(demo::COPIES, demo::USERS)),
        }
    }
}

/// Writes a variant of the workload `from` into the folder `out`.
///
/// # Errors
/// If the workload can't be read, or `out` is not empty or can't be written.
pub fn write(kind: Kind, from: &Folder, out: &Path) -> Result<(), Error> {
    let rules = document::read_all(&from.rules)?;
    let to = Folder::of(out);
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Usage(format!("{} is not empty; name another folder", out.display())));
    }
    fs::create_dir_all(&to.rules).map_err(Error::file("make", &to.rules))?;
    for document in kind.documents(&rules) {
        let path = to.rules.join(format!("{}.json", document::id(&document)));
        fs::write(&path, format!("{document}\n")).map_err(Error::file("write", &path))?;
    }
    match kind {
        Kind::Demo => demo::write_events(&from.events, &to.events),
        _ => fs::copy(&from.events, &to.events).map(drop).map_err(Error::file("copy", &from.events)),
    }
}
