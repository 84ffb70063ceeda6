//! Creation and migration of the tables.
//!
//! Migrations are numbered and applied in order under a lock, each once; `strateye_migration` records them.
//! An interrupted one is applied again: its statements allow that.

use mysql_async::{Conn, prelude::Queryable};
use tokio::runtime::Builder;
use xxhash_rust::xxh3::xxh3_64;

use super::connect::{Database, Failure, Fault};
use crate::SourceError;

/// All migrations, by number.
const MIGRATIONS: [(u64, &str); 3] = [
    (1, include_str!("migrations/0001_rules.sql")),
    (2, include_str!("migrations/0002_crowds.sql")),
    (3, include_str!("migrations/0003_models.sql")),
];

/// Longest wait for a concurrent migration, seconds.
const LOCK: u32 = 60;
/// Errors for a table, column or key that exists already, or is dropped already: the statement was executed
/// before.
const DONE: [u16; 4] = [1050, 1060, 1061, 1091];

/// Creates the tables in the database that `url` names, or migrates them; returns the numbers of the
/// migrations applied, none if all had been. Needs the privileges to create and alter tables. Blocks; must
/// not be called from async code.
///
/// # Errors
/// If the URL can't be used, the server can't be reached or refuses a statement, or the tables were made by a
/// later release.
pub fn migrate(url: &str) -> Result<Vec<u64>, SourceError> {
    let database = Database::parse(url)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
        SourceError::Thread { name: database.label.clone(), what: format!("could not be started ({error})") }
    })?;
    let migrated = runtime.block_on(async {
        let mut conn = database.connect().await?;
        let lock = format!("strateye-{:016x}", xxh3_64(database.name.as_bytes()));
        let locked: Option<Option<u8>> = conn.exec_first("SELECT GET_LOCK(?, ?)", (&lock, LOCK)).await?;
        if locked.flatten() != Some(1) {
            return Err(Failure::Refused(Fault::new(
                "another migration is running",
                "wait for it, then try again",
            )));
        }
        // The lock ends with the connection.
        let applied = apply(&mut conn).await?;
        conn.disconnect().await?;
        Ok(applied)
    });
    runtime.shutdown_background();
    migrated.map_err(|failure| failure.at(&database.label))
}

async fn apply(conn: &mut Conn) -> Result<Vec<u64>, Failure> {
    conn.query_drop(
        "CREATE TABLE IF NOT EXISTS strateye_migration (
            version BIGINT UNSIGNED NOT NULL PRIMARY KEY,
            at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
        ) ENGINE = InnoDB",
    )
    .await?;
    let before: Vec<u64> = conn.query("SELECT version FROM strateye_migration").await?;
    let newest = MIGRATIONS.len() as u64;
    if let Some(later) = before.iter().find(|version| **version > newest) {
        return Err(Failure::Refused(Fault::new(
            format!("its tables have migration {later}, this release knows up to {newest}"),
            "use the release that made them or a newer one",
        )));
    }
    let mut applied = Vec::new();
    for (version, text) in MIGRATIONS {
        if before.contains(&version) {
            continue;
        }
        for statement in statements(text) {
            run(conn, &statement).await?;
        }
        conn.exec_drop("INSERT INTO strateye_migration (version) VALUES (?)", (version,)).await?;
        applied.push(version);
    }
    Ok(applied)
}

async fn run(conn: &mut Conn, statement: &str) -> Result<(), Failure> {
    match conn.query_drop(statement).await {
        Err(mysql_async::Error::Server(error)) if DONE.contains(&error.code) => Ok(()),
        Err(mysql_async::Error::Server(error)) => {
            let first = statement.lines().next().unwrap_or_default();
            Err(Failure::Refused(Fault::new(
                format!("`{first}`: {} ({})", error.message, error.code),
                "give the user CREATE, ALTER and INDEX on the database, then migrate again",
            )))
        }
        other => Ok(other?),
    }
}

/// Statements of a migration file, without its comments.
fn statements(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let all = lines.join("\n");
    all.split(";\n").map(|s| s.trim().trim_end_matches(';').to_owned()).filter(|s| !s.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_and_can_be_repeated() {
        for (i, (version, text)) in MIGRATIONS.iter().enumerate() {
            assert_eq!(*version, i as u64 + 1);
            let statements = statements(text);
            assert!(!statements.is_empty());
            assert!(
                statements.iter().all(|s| s.starts_with("CREATE TABLE IF NOT EXISTS ") && !s.contains(';'))
            );
        }
    }
}
