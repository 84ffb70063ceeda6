//! Connections, and classification of their failures.

use std::time::Duration;

use mysql_async::{Conn, Opts, OptsBuilder, ServerError};

use crate::SourceError;

/// Longest time that a server may take to accept a connection or to answer a short query.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// A database of a server, with the options to connect to it.
#[derive(Clone)]
pub(super) struct Database {
    opts: Opts,
    /// Address for messages, without user and password.
    pub(super) label: String,
    /// Name of the database.
    pub(super) name: String,
}

/// Failure of reading, classified by the action that it requires.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server can't be reached or closed the connection: connect again.
    Away(String),
    /// Reading can't continue from its position: take a new snapshot.
    Gap(String),
    /// Intervention is needed; reading continues afterwards.
    Refused(Fault),
    /// Reading must end.
    Fatal(Fault),
}

/// A fault and its remedy.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) reason: String,
    pub(super) remedy: String,
}

impl Fault {
    pub(super) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Fault { reason: reason.into(), remedy: remedy.into() }
    }

    pub(super) fn at(self, store: &str) -> SourceError {
        SourceError::Mysql { store: store.to_owned(), reason: self.reason, remedy: self.remedy }
    }
}

impl Failure {
    /// Converts the failure to the error of an action that is not retried.
    pub(super) fn at(self, store: &str) -> SourceError {
        match self {
            Failure::Away(reason) | Failure::Gap(reason) => Fault::new(
                reason,
                "check that the server runs and that host, port, user and password are right",
            )
            .at(store),
            Failure::Refused(fault) | Failure::Fatal(fault) => fault.at(store),
        }
    }
}

impl From<mysql_async::Error> for Failure {
    fn from(error: mysql_async::Error) -> Self {
        match &error {
            mysql_async::Error::Server(server) => of_server(server),
            _ => Failure::Away(error.to_string()),
        }
    }
}

fn of_server(error: &ServerError) -> Failure {
    let message = format!("{} ({})", error.message, error.code);
    let same_id = error.code == 4052
        || (error.code == 1236
            && (message.contains("same server_uuid") || message.contains("same server_id")));
    if same_id {
        return Failure::Fatal(Fault::new(
            format!("another reader of the binlog has taken our server id: {message}"),
            "give each engine its own `server_id`, or leave it out for a random one, and start again",
        ));
    }
    match error.code {
        // Purged files and invalid positions; for other causes of 1236 a new snapshot does no harm.
        1236 | 1412 => Failure::Gap(message),
        1044 | 1045 | 1049 | 1130 | 1142 | 1143 | 1227 | 1698 | 3118 | 4151 => Failure::Refused(Fault::new(
            message,
            "check user, password and database; the engine's user needs SELECT on the database, INSERT and UPDATE on \
             rule_status, UPDATE (live_cut, update_time) on rule_engine_resource, REPLICATION SLAVE and REPLICATION CLIENT",
        )),
        _ => Failure::Away(message),
    }
}

impl Database {
    /// Parses `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub(super) fn parse(url: &str) -> Result<Database, SourceError> {
        let setting = |reason: String| SourceError::Setting { setting: "url", reason };
        let form = "write mysql://USER:PASSWORD@HOST:PORT/DATABASE";
        let opts = Opts::from_url(url).map_err(|error| setting(format!("can't be used: {error}; {form}")))?;
        let name = opts.db_name().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(setting(format!("names no database; {form}")));
        }
        let label = format!("mysql://{}:{}/{name}", opts.ip_or_hostname(), opts.tcp_port());
        let opts = OptsBuilder::from_opts(opts)
            // The URL's host, not a socket of this machine.
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(10)))
            .init(vec![
                "SET NAMES utf8mb4",
                "SET SESSION time_zone = '+00:00'",
                // A value that does not fit is an error and never truncated.
                "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_TRANS_TABLES')",
            ]);
        Ok(Database { opts: opts.into(), label, name })
    }

    pub(super) async fn connect(&self) -> Result<Conn, Failure> {
        within(ANSWER, Conn::new(self.opts.clone())).await
    }
}

/// Result of `work`; an error if it takes longer than `limit`.
pub(super) async fn within<T, E: Into<Failure>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Failure::Away(format!("no answer within {} s", limit.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_has_the_password() {
        for url in [
            "mysql://zhang:s3cret@[::1/x",
            "mysql://zhang:s3cret@db",
            "postgres://zhang:s3cret@db/x",
            "mysql://zhang:s3cret@db/x?no_such=1",
            "mysql://zhang:s3cret@db:99999/x",
            "mysql://zhang:s3cret@db/x?require_ssl=perhaps",
        ] {
            let message = Database::parse(url).err().unwrap().to_string();
            assert!(message.contains("write mysql://") && !message.contains("s3cret"), "{message}");
        }
        let database =
            Database::parse("mysql://zhang:s3cret@db:3307/x?require_ssl=true&verify_ca=false").unwrap();
        assert_eq!(database.label, "mysql://db:3307/x");
        assert!(database.opts.ssl_opts().is_some());
    }

    #[test]
    fn one_code_of_the_server_has_three_meanings() {
        let failure = |code, message: &str| {
            of_server(&ServerError { code, message: message.to_owned(), state: "HY000".to_owned() })
        };
        let clash = "A slave with the same server_uuid/server_id as this slave has connected to the master";
        assert!(matches!(failure(1236, clash), Failure::Fatal(_)));
        assert!(matches!(failure(4052, clash), Failure::Fatal(_)));
        let purged = "Could not find first log file name in binary log index file";
        assert!(matches!(failure(1236, purged), Failure::Gap(_)));
        let beyond = "Client requested master to start replication from impossible position";
        assert!(matches!(failure(1236, beyond), Failure::Gap(_)));
        assert!(matches!(failure(1045, "Access denied"), Failure::Refused(_)));
        assert!(matches!(failure(1053, "Server shutdown in progress"), Failure::Away(_)));
    }
}
