//! Checks of the server: its identity, whether its binlog can be followed, and where that ends.

use std::collections::HashMap;

use mysql_async::{Conn, Row, Value, prelude::Queryable};

use super::{
    connect::{Failure, Fault},
    position::Position,
};

/// A server whose settings allow its binlog to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) mariadb: bool,
    /// Identity of the server: positions of one server are invalid on another.
    pub(super) identity: String,
    pub(super) server_id: u32,
    /// Whether table names are compared case-insensitively.
    pub(super) any_case: bool,
}

impl Server {
    /// Queries the server, and returns an error for settings under which changes in `database` would be
    /// missed.
    pub(super) async fn check(conn: &mut Conn, database: &str) -> Result<Server, Failure> {
        let rows: Vec<(String, String)> = conn
            .query(
                "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_id', 'server_uuid', 'log_bin',
                 'binlog_format', 'binlog_row_image', 'log_bin_compress', 'lower_case_table_names', 'gtid_domain_id',
                 'log_slave_updates', 'log_replica_updates')",
            )
            .await?;
        let said: HashMap<String, String> =
            rows.into_iter().map(|(name, v)| (name.to_lowercase(), v)).collect();
        let server = Self::judge(&said).map_err(Failure::Refused)?;
        let (_, filter) = status(conn).await?;
        filter.judge(database, server.any_case).map_err(Failure::Refused)?;
        let updates =
            ["log_replica_updates", "log_slave_updates"].into_iter().find(|name| said.contains_key(*name));
        if let Some(name) = updates.filter(|name| matches!(said[*name].as_str(), "OFF" | "0"))
            && is_replica(conn, server.mariadb).await?
        {
            return Err(Failure::Refused(must_be(name, "OFF")));
        }
        Ok(server)
    }

    fn judge(said: &HashMap<String, String>) -> Result<Server, Fault> {
        let value = |name: &str| said.get(name).map(String::as_str);
        for (name, right) in [
            ("log_bin", "ON"),
            ("binlog_format", "ROW"),
            ("binlog_row_image", "FULL"),
            ("log_bin_compress", "OFF"),
        ] {
            let found = value(name).unwrap_or(right);
            let on = found == "1" && right == "ON" || found == "0" && right == "OFF";
            if !on && !found.eq_ignore_ascii_case(right) {
                return Err(must_be(name, found));
            }
        }
        let server_id: u32 = value("server_id").and_then(|id| id.parse().ok()).unwrap_or(0);
        if server_id == 0 {
            return Err(must_be("server_id", "0"));
        }
        let mariadb = value("version").is_some_and(|version| version.to_lowercase().contains("mariadb"));
        let identity = match value("server_uuid") {
            Some(uuid) if !mariadb => uuid.to_owned(),
            _ => format!("{server_id}/{}", value("gtid_domain_id").unwrap_or_default()),
        };
        let any_case = value("lower_case_table_names").is_some_and(|v| v != "0");
        Ok(Server { mariadb, identity, server_id, any_case })
    }
}

/// Fault for a setting of the wrong value, with the line to write.
pub(super) fn must_be(name: &str, found: &str) -> Fault {
    let (line, why) = match name {
        "log_bin" => ("log_bin = binlog", "without it changes of rules can't be followed"),
        "binlog_format" => ("binlog_format = ROW", "statements do not say what they changed"),
        "binlog_row_image" => ("binlog_row_image = FULL", "events would lack columns"),
        "log_bin_compress" => ("log_bin_compress = OFF", "compressed events can't be read"),
        "log_replica_updates" => ("log_replica_updates = ON", "what a replica applies is not in its binlog"),
        "log_slave_updates" => ("log_slave_updates = ON", "what a replica applies is not in its binlog"),
        _ => ("server_id = 1", "without one nobody may read the binlog"),
    };
    Fault::new(
        format!("`{name}` is {found}, and {why}"),
        format!("write `{line}` under [mysqld] in my.cnf and restart the server"),
    )
}

/// Databases whose changes are in the binlog.
#[derive(Debug, Default)]
struct Filter {
    /// `binlog_do_db`: only these, unless it is empty.
    only: Vec<String>,
    /// `binlog_ignore_db`: all but these; used only if the other list is empty.
    without: Vec<String>,
}

impl Filter {
    fn of(row: &Row) -> Filter {
        let names = |column: usize| {
            let text: Option<String> = row.get_opt(column).and_then(Result::ok);
            let names = text.unwrap_or_default();
            names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        Filter { only: names(2), without: names(3) }
    }

    /// Checks that the binlog contains the changes of the database.
    fn judge(&self, database: &str, any_case: bool) -> Result<(), Fault> {
        let same = |name: &String| name == database || any_case && name.eq_ignore_ascii_case(database);
        let (setting, change) = if self.only.is_empty() {
            ("binlog-ignore-db", "remove this database from `binlog-ignore-db`")
        } else {
            ("binlog-do-db", "add `binlog-do-db` for this database, or remove all of them,")
        };
        let missing =
            if self.only.is_empty() { self.without.iter().any(same) } else { !self.only.iter().any(same) };
        if !missing {
            return Ok(());
        }
        Err(Fault::new(
            format!("`{setting}` keeps the changes of database `{database}` out of the binlog"),
            format!("{change} under [mysqld] in my.cnf and restart the server"),
        ))
    }
}

/// Whether the server is set up as a replica; false if the user may not ask.
async fn is_replica(conn: &mut Conn, mariadb: bool) -> Result<bool, Failure> {
    let statement = if mariadb { "SHOW ALL SLAVES STATUS" } else { "SHOW REPLICA STATUS" };
    match conn.query_first::<Row, _>(statement).await {
        Err(mysql_async::Error::Server(error)) => {
            tracing::debug!(%error, "it is unknown whether the server is a replica");
            Ok(false)
        }
        other => Ok(other?.is_some()),
    }
}

/// End of the binlog.
pub(super) async fn position(conn: &mut Conn) -> Result<Position, Failure> {
    Ok(status(conn).await?.0)
}

/// End of the binlog, and its filter. The statement has two names, of which each server accepts at least one.
async fn status(conn: &mut Conn) -> Result<(Position, Filter), Failure> {
    let row = match conn.query_first::<Row, _>("SHOW MASTER STATUS").await {
        Err(mysql_async::Error::Server(error)) if error.code == 1064 => {
            conn.query_first::<Row, _>("SHOW BINARY LOG STATUS").await?
        }
        other => other?,
    };
    let status = row.and_then(|row| {
        let file: String = row.get_opt(0)?.ok()?;
        let offset: u64 = row.get_opt(1)?.ok()?;
        Some((Position { file, offset }, Filter::of(&row)))
    });
    status.ok_or_else(|| Failure::Refused(must_be("log_bin", "OFF")))
}

/// Position of the open snapshot, on servers that report it (MariaDB, Percona Server).
pub(super) async fn snapshot_position(conn: &mut Conn) -> Result<Option<Position>, Failure> {
    let rows: Vec<(String, Value)> = conn.query("SHOW STATUS LIKE 'binlog\\_snapshot\\_%'").await?;
    let said = |name: &str| {
        let found = rows.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        mysql_async::from_value_opt::<String>(found.1.clone()).ok()
    };
    let file = said("binlog_snapshot_file").filter(|file| !file.is_empty());
    let offset = said("binlog_snapshot_position").and_then(|offset| offset.parse().ok());
    Ok(file.zip(offset).map(|(file, offset)| Position { file, offset }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(settings: &[(&str, &str)]) -> Result<Server, Fault> {
        let mut said: HashMap<String, String> = [("log_bin", "ON"), ("server_id", "7"), ("version", "8.4.1")]
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        said.extend(settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        Server::judge(&said)
    }

    #[test]
    fn servers_are_told_apart() {
        let mysql = judge(&[("server_uuid", "1-2"), ("lower_case_table_names", "1")]).unwrap();
        assert_eq!((mysql.identity.as_str(), mysql.mariadb, mysql.any_case), ("1-2", false, true));
        let mariadb = judge(&[("version", "10.11.1-MariaDB-log"), ("gtid_domain_id", "3")]).unwrap();
        assert_eq!((mariadb.identity.as_str(), mariadb.mariadb, mariadb.any_case), ("7/3", true, false));
    }

    #[test]
    fn every_wrong_setting_says_what_to_write() {
        for (name, value, line) in [
            ("log_bin", "OFF", "log_bin = binlog"),
            ("binlog_format", "MIXED", "binlog_format = ROW"),
            ("binlog_row_image", "MINIMAL", "binlog_row_image = FULL"),
            ("log_bin_compress", "ON", "log_bin_compress = OFF"),
            ("server_id", "0", "server_id = 1"),
        ] {
            let fault = judge(&[(name, value)]).unwrap_err();
            assert!(fault.remedy.contains(line) && fault.reason.contains(value), "{fault:?}");
        }
    }

    #[test]
    fn a_database_is_in_the_binlog_or_what_keeps_it_out_is_named() {
        let judge = |only: &str, without: &str, any_case| {
            let names = |names: &str| names.split_terminator(',').map(str::to_owned).collect::<Vec<String>>();
            let judged = Filter { only: names(only), without: names(without) }.judge("rules", any_case);
            judged.err().map(|fault| fault.reason)
        };
        for (only, without) in [("", ""), ("rules", ""), ("other,rules", "rules"), ("", "other")] {
            assert_eq!(judge(only, without, false), None, "{only:?} {without:?}");
        }
        for (only, without, setting) in
            [("other", "", "do-db"), ("Rules", "", "do-db"), ("", "other,rules", "ignore-db")]
        {
            assert!(judge(only, without, false).unwrap().contains(setting), "{only:?} {without:?}");
        }
        assert_eq!(judge("Rules", "", true), None);
        assert!(judge("", "Rules", true).is_some());
    }
}
