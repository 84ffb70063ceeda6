//! The mark: what is known of the state outside its checkpoint store.
//!
//! A store that has lost everything looks like one that was never used. An engine that begins there with no
//! state counts every limit anew, and fires again what may be fired once in a life. So the lineage of the
//! state, an id given when it begins, and the number of its last commit are kept elsewhere too: in a file of
//! the run directory, or where `state_mark` says, and in `rule_status` where rules are rows.
//!
//! ```text
//!  keeper ── commit n with the lineage ──► store
//!     └───── then the mark (lineage, n) ──► file, rule_status
//!
//!  at a start:  store, marks ──► `admit`: resume, begin, or refuse
//! ```
//!
//! **Invariants**
//! - A mark follows its commit: whoever has a mark of number n knows that commit n of its lineage was made. A
//!   store that has lost nothing is never behind its mark.
//! - State begins from nothing only if there is no mark, or if the command was given `--fresh-state`. That
//!   counts once: the first mark after it has the command's token, so a store that is emptied again under the
//!   same command is refused.
//! - State that begins from nothing has no hashes: what an emptied store was given afterwards is dropped.
//! - A store that is behind its mark, as after the restore of a backup, or has another lineage, is resumed and
//!   that is told: its positions are as old, so the events since are read again, and their triggers have the
//!   same ids. Later checkpoints are numbered above the mark.
//! - A mark that can't be written ends nothing.
//!
//! **Limits**: marks are written every [`EVERY`], so commits lost after the last one are not noticed. A mark
//! belongs to the address and prefix, or to the file, of its store.

mod admit;
mod file;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use operators::model::ids::CheckpointNumber;
use serde::{Deserialize, Serialize};
use sources::{
    SourceError,
    rules::{MarkPlace, MysqlConfig, MysqlMark, SqliteMark},
};
use xxhash_rust::xxh3::xxh3_64;

pub(super) use self::admit::{Admitted, Lineage, Stored, admit};
use self::file::FileMark;
use super::State;
use crate::run::{awaiting::Awaiting, job::Rules};

/// Interval at which marks are written.
const EVERY: Duration = Duration::from_secs(10);

/// Where marks are kept, and whether state may begin from nothing although there is one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MarkConfig {
    /// A file.
    pub file: Option<PathBuf>,
    /// Whether they are also kept beside the rules, if those are rows.
    pub with_rules: bool,
    /// Token of a command that was given `--fresh-state`.
    pub fresh: Option<String>,
}

/// What is known of the state of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Lineage of the state.
    pub(super) lineage: Lineage,
    /// A checkpoint that was committed.
    #[serde(rename = "n")]
    pub(super) number: CheckpointNumber,
    /// Time of its commit, unix ms.
    pub(super) at: i64,
    /// Token of the command by which the lineage began although there was a mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fresh: Option<String>,
}

/// A mark, and the place where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundMark {
    pub(super) mark: Mark,
    pub(super) place: String,
}

/// The marks of a store, in all their places.
pub(super) struct Marks {
    file: Option<FileMark>,
    with_rules: Option<Box<dyn MarkPlace>>,
    /// Whether a mark could not be written, which is logged once.
    failed: bool,
}

impl Marks {
    /// The places for the marks of `state`.
    ///
    /// # Errors
    /// If a place can't be opened.
    pub(super) fn open(config: &MarkConfig, state: &State, rules: &Rules) -> Result<Self, SourceError> {
        let store = format!("{:016x}", xxh3_64(state.to_string().as_bytes()));
        let with_rules: Option<Box<dyn MarkPlace>> = match rules {
            Rules::Mysql(url) if config.with_rules => {
                Some(Box::new(MysqlMark::new(&MysqlConfig::new(url.as_str()), &store)?))
            }
            Rules::Sqlite(path) if config.with_rules => Some(Box::new(SqliteMark::open(path, &store)?)),
            Rules::Mysql(_) | Rules::Sqlite(_) | Rules::Folder(_) => None,
        };
        let file = config.file.clone().map(|path| FileMark::new(path, store));
        Ok(Marks { file, with_rules, failed: false })
    }

    /// No place for a mark.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Marks { file: None, with_rules: None, failed: false }
    }

    /// Reads the marks; of the places that may be away, only if there is no state in the store. Blocks the
    /// worker's thread while they are.
    ///
    /// # Errors
    /// If a mark can't be read.
    pub(super) fn read(&mut self, stored: bool, awaiting: &Awaiting) -> Result<Vec<FoundMark>, SourceError> {
        let file = self.file.iter_mut().map(|file| file as &mut dyn MarkPlace);
        let others = self.with_rules.iter_mut().filter(|_| !stored).map(|place| &mut **place);
        let mut found = Vec::new();
        for place in file.chain(others) {
            let name = place.name();
            let text = awaiting.wait(&name, SourceError::is_away, || place.read())?;
            match text.map(|text| serde_json::from_str(&text)) {
                Some(Ok(mark)) => found.push(FoundMark { mark, place: name }),
                Some(Err(error)) => tracing::warn!(%error, "the mark of the state in {name} can't be read"),
                None => {}
            }
        }
        Ok(found)
    }

    /// Writes a mark to all places. What fails is logged once.
    fn write(&mut self, mark: &Mark) {
        // Plain data always serializes.
        let text = serde_json::to_string(mark).unwrap_or_default();
        let file = self.file.iter_mut().map(|file| file as &mut dyn MarkPlace);
        for place in file.chain(self.with_rules.iter_mut().map(|place| &mut **place)) {
            if let Err(error) = place.write(&text)
                && !std::mem::replace(&mut self.failed, true)
            {
                tracing::warn!(%error, "the mark of the state can't be written in {}", place.name());
            }
        }
    }
}

/// Writes the marks of a state, behind its commits.
pub(super) struct Marker {
    marks: Marks,
    admitted: Admitted,
    /// The last commit, while its mark is not written.
    unwritten: Option<Mark>,
    written: Option<Instant>,
}

impl Marker {
    pub(super) fn new(marks: Marks, admitted: Admitted) -> Self {
        Marker { marks, admitted, unwritten: None, written: None }
    }

    /// Lineage of the state.
    pub(super) fn lineage(&self) -> Lineage {
        self.admitted.lineage.clone()
    }

    /// Checkpoints are to be numbered above this one.
    pub(super) fn above(&self) -> CheckpointNumber {
        self.admitted.above
    }

    /// Records that checkpoint `number` was committed `at` that time, unix ms; writes the mark if one is due.
    pub(super) fn committed(&mut self, number: CheckpointNumber, at: i64) {
        let fresh = self.admitted.fresh.clone();
        self.unwritten = Some(Mark { lineage: self.lineage(), number, at, fresh });
        if self.written.is_none_or(|at| at.elapsed() >= EVERY) {
            self.close();
        }
    }

    /// Writes the mark of the last commit.
    pub(super) fn close(&mut self) {
        if let Some(mark) = self.unwritten.take() {
            self.written = Some(Instant::now());
            self.marks.write(&mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_a_file_and_beside_the_rules_are_read_back_and_others_are_not_asked_without_need() {
        let folder = tempfile::tempdir().unwrap();
        let (rules, file) = (folder.path().join("rules.db"), folder.path().join("mark.json"));
        let state = State::Sqlite(folder.path().join("state.db"));
        let config = MarkConfig { file: Some(file), with_rules: true, fresh: None };
        let open = |state: &State| Marks::open(&config, state, &Rules::Sqlite(rules.clone())).unwrap();
        let mut marks = open(&state);
        let awaiting = Awaiting::for_test();
        assert_eq!(marks.read(false, &awaiting).unwrap(), []);
        let mut marker = Marker::new(marks, admit(None, &[], None).unwrap());
        [7, 8, 9].iter().for_each(|number| marker.committed(CheckpointNumber(*number), 5));
        let read = |state: &State, stored| open(state).read(stored, &awaiting).unwrap();
        let numbers = |found: Vec<FoundMark>| found.iter().map(|f| f.mark.number.0).collect::<Vec<_>>();
        assert_eq!(numbers(read(&state, false)), [7, 7]);
        assert_eq!(numbers(read(&state, true)), [7]);
        marker.close();
        assert_eq!(numbers(read(&state, false)), [9, 9]);
        assert_eq!(read(&State::Sqlite("other.db".into()), false), []);
    }
}
