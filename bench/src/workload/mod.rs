//! The workload: events and rules as a function of four numbers.
//!
//! The same [`Settings`] give the same bytes on every machine: events of a shop ([`events`]) by users of very
//! different activity ([`users`]), and rules over them ([`rules`]) whose thresholds follow the size of the
//! workload, so that they fire at a sensible rate. The crate's `README.md` lists the fields.

pub mod draw;
pub mod events;
pub mod filter;
pub mod rules;
pub mod users;
pub mod variant;
pub mod vocabulary;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use self::{draw::Draw, events::Events, rules::Rules, users::Users};
use crate::Error;

/// Most users; there are no more addresses without changing the shape of the workload.
const MAX_USERS: u64 = 10_000_000;
/// Most rules; their ids have five digits.
const MAX_RULES: u64 = 100_000;

/// Parameters of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Number of events.
    pub events: u64,
    /// Number of users.
    pub users: u64,
    /// Number of rules.
    pub rules: u64,
    /// Seed of all draws.
    pub seed: u64,
}

/// Streams of draws; each is independent, so that a change of one shifts no other.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Users,
    Events,
    Rule(u64),
}

impl Settings {
    /// Checks that such a workload is possible.
    ///
    /// # Errors
    /// If a number is zero or too large.
    pub fn check(&self) -> Result<(), Error> {
        let fits = |name: &str, number: u64, most: u64| match number {
            0 => Err(Error::Usage(format!("--{name} is 0; write 1 to {most}"))),
            n if n > most => Err(Error::Usage(format!("--{name} is {n}; write 1 to {most}"))),
            _ => Ok(()),
        };
        fits("events", self.events, u64::from(u32::MAX))?;
        fits("users", self.users, MAX_USERS)?;
        fits("rules", self.rules, MAX_RULES)
    }

    /// The events, one JSON object each.
    pub fn event_lines(&self) -> impl Iterator<Item = Vec<u8>> + use<> {
        let mut events = Events::new(self);
        let count = self.events;
        (0..count).map(move |_| {
            let mut line = Vec::with_capacity(256);
            events.write_next(&mut line);
            line.pop();
            line
        })
    }

    /// The rules: id and document.
    pub fn rule_documents(&self) -> impl Iterator<Item = (String, String)> {
        let rules = Rules::new(self);
        (0..self.rules).map(move |number| (Rules::id(number), rules.document(number).to_string()))
    }

    fn draw(&self, stream: Stream) -> Draw {
        let number = match stream {
            Stream::Users => 0,
            Stream::Events => 1,
            Stream::Rule(number) => 2 + number,
        };
        Draw::new(self.seed, number)
    }

    fn population(&self) -> Users {
        Users::new(self.users, &mut self.draw(Stream::Users))
    }
}

/// Paths of a workload's parts in its folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// File of events, one JSON object per line.
    pub events: PathBuf,
    /// Folder of rule documents.
    pub rules: PathBuf,
}

impl Folder {
    /// Paths of the workload in `folder`.
    pub fn of(folder: &Path) -> Folder {
        Folder { events: folder.join("events.jsonl"), rules: folder.join("rules") }
    }

    /// Writes a workload.
    ///
    /// # Errors
    /// If the settings are invalid, files can't be written, or rules of another workload lie there.
    pub fn write(&self, settings: &Settings) -> Result<(), Error> {
        settings.check()?;
        fs::create_dir_all(&self.rules).map_err(Error::file("make", &self.rules))?;
        self.refuse_other_rules(settings)?;
        for (id, document) in settings.rule_documents() {
            let path = self.rules.join(format!("{id}.json"));
            fs::write(&path, document + "\n").map_err(Error::file("write", &path))?;
        }
        let failed = |source| Error::file("write", &self.events)(source);
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&self.events).map_err(failed)?);
        let mut events = Events::new(settings);
        let mut line = Vec::with_capacity(256);
        for _ in 0..settings.events {
            line.clear();
            events.write_next(&mut line);
            file.write_all(&line).map_err(failed)?;
        }
        file.flush().map_err(failed)
    }

    /// Refuses a folder with other rules, which would be run together with this workload's.
    fn refuse_other_rules(&self, settings: &Settings) -> Result<(), Error> {
        let ours: BTreeSet<String> = (0..settings.rules).map(|n| format!("{}.json", Rules::id(n))).collect();
        for entry in fs::read_dir(&self.rules).map_err(Error::file("read", &self.rules))? {
            let name = entry.map_err(Error::file("read", &self.rules))?.file_name();
            if !name.to_str().is_some_and(|name| ours.contains(name)) {
                return Err(Error::Usage(format!(
                    "{} holds {}, which is not of this workload; name another folder, or empty this one",
                    self.rules.display(),
                    name.display(),
                )));
            }
        }
        Ok(())
    }
}
