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

/// Documents that are read or made one at a time.
type Documents<'r> = Box<dyn Iterator<Item = Result<Json, Error>> + 'r>;

impl Kind {
    /// The documents of the variant, made from those of a workload.
    ///
    /// # Errors
    /// The first error among the rules that are read before the first document is made; later ones are items.
    pub fn documents<'r>(
        self,
        rules: impl Iterator<Item = Result<Json, Error>> + 'r,
    ) -> Result<Documents<'r>, Error> {
        let edit: fn(&mut Json) = match self {
            Kind::Idle => {
                let busy = rules.take(idle::BUSY).collect::<Result<_, _>>()?;
                return Ok(Box::new(idle::documents(busy, idle::IDLE).map(Ok)));
            }
            Kind::Demo => return Ok(Box::new(demo::documents(demo::COPIES, demo::USERS).map(Ok))),
            Kind::Scripts => scripts::edit,
            Kind::Guards => edits::guards,
            Kind::Sliding => edits::sliding,
            Kind::Users => edits::users,
            Kind::Devices => edits::devices,
            Kind::Resets => edits::resets,
            Kind::Satisfied => edits::satisfied,
            Kind::Each => edits::each,
        };
        Ok(Box::new(rules.map(move |rule| {
            let mut rule = rule?;
            edit(&mut rule);
            Ok(rule)
        })))
    }
}

/// Writes a variant of the workload `from` into the folder `out`.
///
/// # Errors
/// If the workload can't be read, or `out` is not empty or can't be written.
pub fn write(kind: Kind, from: &Folder, out: &Path) -> Result<(), Error> {
    // Before anything is written, so that a fault leaves no half of a variant.
    document::read_all(&from.rules)?.try_for_each(|rule| rule.map(drop))?;
    let to = Folder::of(out);
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Usage(format!("{} is not empty; name another folder", out.display())));
    }
    fs::create_dir_all(&to.rules).map_err(Error::file("make", &to.rules))?;
    for document in kind.documents(document::read_all(&from.rules)?)? {
        let document = document?;
        let path = to.rules.join(format!("{}.json", document::id(&document)));
        fs::write(&path, format!("{document}\n")).map_err(Error::file("write", &path))?;
    }
    match kind {
        Kind::Demo => demo::write_events(&from.events, &to.events),
        _ => fs::copy(&from.events, &to.events).map(drop).map_err(Error::file("copy", &from.events)),
    }
}
