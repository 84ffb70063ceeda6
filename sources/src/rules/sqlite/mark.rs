//! The mark of the state, in a row of `rule_status`.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::{failed, open};
use crate::{
    SourceError,
    rules::mark::{MarkPlace, STATE, row_of},
};

/// Place of the mark of a checkpoint store, in an SQLite rule store.
pub struct SqliteMark {
    path: PathBuf,
    connection: Connection,
    row: String,
}

impl SqliteMark {
    /// The place for the checkpoint store that is called `store`.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub fn open(path: &Path, store: &str) -> Result<Self, SourceError> {
        Ok(SqliteMark { path: path.to_owned(), connection: open(path)?, row: row_of(store) })
    }
}

impl MarkPlace for SqliteMark {
    fn name(&self) -> String {
        format!("rule_status of {}", self.path.display())
    }

    fn read(&mut self) -> Result<Option<String>, SourceError> {
        let select = "SELECT detail FROM rule_status WHERE rule_id = ?1 AND version = 0";
        let read = self.connection.query_row(select, [&self.row], |row| row.get(0)).optional();
        read.map_err(|source| failed(&self.path, source))
    }

    fn write(&mut self, text: &str) -> Result<(), SourceError> {
        let insert = "INSERT INTO rule_status (rule_id, version, state, detail, at)
            VALUES (?1, 0, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
            ON CONFLICT (rule_id, version) DO UPDATE SET detail = excluded.detail, at = excluded.at";
        let written = self.connection.execute(insert, params![self.row, STATE, text]);
        written.map(drop).map_err(|source| failed(&self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_store_has_a_mark_of_its_own_and_the_last_one_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.db");
        let [mut a, mut b] = ["a", "b"].map(|store| SqliteMark::open(&path, store).unwrap());
        assert_eq!(a.read().unwrap(), None);
        ["1", "2"].iter().for_each(|text| a.write(text).unwrap());
        let mut again = SqliteMark::open(&path, "a").unwrap();
        assert_eq!((again.read().unwrap(), b.read().unwrap()), (Some("2".to_owned()), None));
    }
}
