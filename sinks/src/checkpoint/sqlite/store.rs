//! The store's calls as SQL.

use std::time::Duration;

use operators::model::ids::{CheckpointNumber, OwnerGeneration};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    HashRow, PORTION, Refusal, SqliteCheckpoints, apply, clock::SinceStart, edits, find_hash, own_hash,
};
use crate::checkpoint::{
    CheckpointError, CheckpointSpan, CheckpointStore, Committed, Edit, FieldChange, Ownership, check_blob,
    check_blob_name, check_edit, check_generation, check_number,
};

/// Latest generation given out, and its owner if it has one.
struct OwnerRow {
    generation: OwnerGeneration,
    owner: Option<String>,
    /// End of the owner's lease.
    until: SinceStart,
}

fn owner_row(connection: &Connection) -> rusqlite::Result<OwnerRow> {
    // Without a start it is a lease of a former schema.
    let sql = "SELECT generation, owner, coalesce(until, 0), coalesce(start, 'unknown') FROM committed";
    connection.query_row(sql, [], |row| {
        let until = SinceStart { ms: row.get(2)?, start: row.get(3)? };
        Ok(OwnerRow { generation: OwnerGeneration(row.get(0)?), owner: row.get(1)?, until })
    })
}

fn check_owner(connection: &Connection, generation: OwnerGeneration) -> Result<(), Refusal> {
    let found = owner_row(connection)?;
    if found.generation == generation && found.owner.is_some() {
        return Ok(());
    }
    Err(CheckpointError::Fenced { generation, by: found.generation }.into())
}

fn committed(connection: &Connection) -> rusqlite::Result<Option<Committed>> {
    let sql = "SELECT committed_by, n, manifest FROM committed WHERE n IS NOT NULL";
    connection
        .query_row(sql, [], |row| {
            Ok(Committed {
                generation: OwnerGeneration(row.get(0)?),
                number: CheckpointNumber(row.get(1)?),
                manifest: row.get(2)?,
            })
        })
        .optional()
}

fn names(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// The next portion of fields after `behind`.
fn portion(
    connection: &Connection,
    id: i64,
    behind: Option<&str>,
) -> rusqlite::Result<Vec<(String, String)>> {
    // The empty name sorts first, so `>=` finds all fields.
    let comparison = if behind.is_some() { ">" } else { ">=" };
    let sql = format!(
        "SELECT field, text FROM field WHERE hash = ?1 AND field {comparison} ?2 ORDER BY field LIMIT {PORTION}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows =
        statement.query_map(params![id, behind.unwrap_or_default()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

impl CheckpointStore for SqliteCheckpoints {
    fn is_one_log(&self) -> bool {
        true
    }

    fn take(&mut self, owner: &str, lease: Duration) -> Result<Ownership, CheckpointError> {
        let place = self.path.display().to_string();
        self.change(|transaction| {
            let (now, found) = (SinceStart::now(), owner_row(transaction)?);
            let for_ms = now.left_until(&found.until);
            if let Some(other) = found.owner
                && other != owner
                && for_ms > 0
            {
                return Err(CheckpointError::Owned { place, owner: other, for_ms }.into());
            }
            let (generation, until) = (found.generation.next(), now.after(lease));
            transaction.execute(
                "UPDATE committed SET owner = ?1, until = ?2, start = ?3, generation = ?4",
                params![owner, until.ms, until.start, generation.0],
            )?;
            Ok(Ownership { generation, committed: committed(transaction)? })
        })
    }

    fn renew(
        &mut self,
        generation: OwnerGeneration,
        lease: Duration,
    ) -> Result<Option<CheckpointNumber>, CheckpointError> {
        self.change(|transaction| {
            check_owner(transaction, generation)?;
            let until = SinceStart::now().after(lease);
            transaction
                .execute("UPDATE committed SET until = ?1, start = ?2", params![until.ms, until.start])?;
            Ok(committed(transaction)?.map(|committed| committed.number))
        })
    }

    fn release(&mut self, generation: OwnerGeneration) -> Result<(), CheckpointError> {
        check_generation(generation)?;
        self.change(|transaction| {
            let sql = "UPDATE committed SET owner = NULL, until = NULL, start = NULL WHERE generation = ?1";
            transaction.execute(sql, [generation.0])?;
            Ok(())
        })
    }

    fn commit(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
        manifest: &[u8],
    ) -> Result<CheckpointNumber, CheckpointError> {
        check_number(number)?;
        self.check_file()?;
        self.change(|transaction| {
            check_owner(transaction, generation)?;
            let commit = Committed { generation, number, manifest: manifest.to_vec() };
            match committed(transaction)? {
                Some(last) if last == commit => {}
                Some(last) if last.number >= number => {
                    return Err(CheckpointError::OutOfOrder { number, last: last.number }.into());
                }
                _ => {
                    let sql = "UPDATE committed SET committed_by = ?1, n = ?2, manifest = ?3";
                    transaction.execute(sql, params![generation.0, number.0, manifest])?;
                }
            }
            let sql = "SELECT folded FROM committed";
            Ok(transaction.query_row(sql, [], |row| row.get(0).map(CheckpointNumber))?)
        })
    }

    fn committed(&mut self) -> Result<Option<Committed>, CheckpointError> {
        self.read(committed)
    }

    fn put_blob(&mut self, name: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
        check_blob(name, bytes)?;
        self.change(|transaction| {
            let sql = "INSERT OR REPLACE INTO blob (name, bytes) VALUES (?1, ?2)";
            transaction.execute(sql, params![name, bytes])?;
            Ok(())
        })
    }

    fn blob(&mut self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        check_blob_name(name)?;
        self.read(|connection| {
            let sql = "SELECT bytes FROM blob WHERE name = ?1";
            connection.query_row(sql, [name], |row| row.get(0)).optional()
        })
    }

    fn blobs(&mut self) -> Result<Vec<String>, CheckpointError> {
        self.read(|connection| names(connection, "SELECT name FROM blob ORDER BY name"))
    }

    fn missing_blobs(&mut self, blobs: &[String]) -> Result<Vec<String>, CheckpointError> {
        blobs.iter().try_for_each(|name| check_blob_name(name))?;
        self.read(|connection| {
            let mut find = connection.prepare("SELECT 1 FROM blob WHERE name = ?1")?;
            let mut missing = Vec::new();
            for name in blobs {
                if !find.exists([name])? {
                    missing.push(name.clone());
                }
            }
            Ok(missing)
        })
    }

    fn remove_blobs(&mut self, blobs: &[String]) -> Result<(), CheckpointError> {
        blobs.iter().try_for_each(|name| check_blob_name(name))?;
        self.change_lazily(|transaction| {
            let mut delete = transaction.prepare("DELETE FROM blob WHERE name = ?1")?;
            for name in blobs {
                delete.execute([name])?;
            }
            Ok(())
        })
    }

    fn apply(
        &mut self,
        generation: OwnerGeneration,
        span: CheckpointSpan,
        hash: &str,
        changes: &[FieldChange<'_>],
    ) -> Result<(), CheckpointError> {
        self.apply_many(generation, span, &[(hash, changes)])
    }

    /// In one transaction.
    fn apply_many(
        &mut self,
        generation: OwnerGeneration,
        span: CheckpointSpan,
        folds: &[(&str, &[FieldChange<'_>])],
    ) -> Result<(), CheckpointError> {
        check_generation(generation)?;
        check_number(span.last)?;
        self.change_lazily(|transaction| {
            folds.iter().try_for_each(|(hash, changes)| apply(transaction, (generation, span), hash, changes))
        })
    }

    /// The file loses nothing while a process has it open, so the mark always advances.
    fn mark_compacted(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
    ) -> Result<CheckpointNumber, CheckpointError> {
        check_number(number)?;
        self.change_lazily(|transaction| {
            let by = owner_row(transaction)?.generation;
            if by != generation {
                return Err(CheckpointError::Fenced { generation, by }.into());
            }
            let sql = "UPDATE committed SET folded = max(folded, ?1) RETURNING folded";
            Ok(transaction.query_row(sql, [number.0], |row| row.get(0).map(CheckpointNumber))?)
        })
    }

    fn drop_hash(&mut self, generation: OwnerGeneration, hash: &str) -> Result<(), CheckpointError> {
        self.change_lazily(|transaction| {
            if let Some(HashRow { id, .. }) = own_hash(transaction, generation, hash)? {
                transaction.execute("DELETE FROM field WHERE hash = ?1", [id])?;
                transaction.execute("DELETE FROM hash WHERE id = ?1", [id])?;
            }
            Ok(())
        })
    }

    fn hashes(&mut self) -> Result<Vec<String>, CheckpointError> {
        self.read(|connection| names(connection, "SELECT name FROM hash ORDER BY name"))
    }

    fn scan(&mut self, hash: &str, each: &mut dyn FnMut(&str, &str)) -> Result<(), CheckpointError> {
        let Some(HashRow { id, .. }) = self.read(|connection| find_hash(connection, hash))? else {
            return Ok(());
        };
        let mut behind: Option<String> = None;
        loop {
            let fields = self.read(|connection| portion(connection, id, behind.as_deref()))?;
            fields.iter().for_each(|(field, text)| each(field, text));
            if fields.len() < PORTION {
                return Ok(());
            }
            behind = fields.into_iter().next_back().map(|(field, _)| field);
        }
    }

    fn fields(&mut self, hash: &str, fields: &[&str]) -> Result<Vec<Option<String>>, CheckpointError> {
        self.read(|connection| {
            let Some(HashRow { id, .. }) = find_hash(connection, hash)? else {
                return Ok(vec![None; fields.len()]);
            };
            let mut statement =
                connection.prepare_cached("SELECT text FROM field WHERE hash = ?1 AND field = ?2")?;
            fields.iter().map(|field| statement.query_row((id, field), |row| row.get(0)).optional()).collect()
        })
    }

    fn push_edit(&mut self, edit: &[(&str, &str)]) -> Result<String, CheckpointError> {
        check_edit(edit)?;
        self.change(|transaction| Ok(edits::push(transaction, edit)?))
    }

    fn edits(&mut self, after: Option<&str>, most: usize) -> Result<Vec<Edit>, CheckpointError> {
        let after = after.map_or(Ok(0), edits::position)?;
        self.read(|connection| edits::read(connection, after, most))
    }

    fn trim_edits(&mut self, through: &str) -> Result<(), CheckpointError> {
        let through = edits::position(through)?;
        self.change(|transaction| Ok(edits::trim(transaction, through)?))
    }
}
