//! State that commit 7e320d7 wrote to an SQLite file is shown, restored and continued as by that commit.

use std::fs;

use rusqlite::{Connection, Row};
use strateye_tests::{
    command::WITHIN,
    state_fixture::{self, CheckpointProgress, FixtureStore, Line},
};
use tempfile::TempDir;

/// A copy of the file.
struct File(TempDir);

impl File {
    fn open(&self) -> Connection {
        let connection = Connection::open(self.0.path().join("state.db")).unwrap();
        connection.busy_timeout(WITHIN).unwrap();
        connection
    }
}

impl FixtureStore for File {
    fn address(&self) -> String {
        self.0.path().join("state.db").display().to_string()
    }

    fn progress(&self) -> CheckpointProgress {
        let sql = "SELECT n, folded FROM committed";
        let progress =
            |row: &Row<'_>| Ok(CheckpointProgress { committed: row.get(0)?, compacted: row.get(1)? });
        self.open().query_row(sql, [], progress).unwrap()
    }

    fn rows(&self) -> Vec<Line> {
        let connection = self.open();
        let sql = "SELECT name, field, text FROM field JOIN hash ON field.hash = hash.id";
        let mut rows = connection.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| Ok((vec![row.get(0)?, row.get(1)?], row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

#[test]
fn state_of_an_earlier_commit_goes_on_in_an_sqlite_file() {
    let folder = TempDir::new().unwrap();
    fs::copy(state_fixture::path("state.db"), folder.path().join("state.db")).unwrap();
    state_fixture::check(env!("CARGO_BIN_EXE_strateye"), &File(folder));
}
