//! MariaDB or MySQL with a binlog fit for change data capture.

use std::env::{VarError, var};
use std::io::Write;
use std::ops::Deref;
use std::process::{Command, Stdio};

use super::Service;

/// A MariaDB, or a MySQL if the environment has `STRATEYE_TEST_MYSQL=mysql`, with the empty database
/// `strateye` and the user `root` without a password; row images and metadata are FULL.
#[derive(Debug)]
pub struct Mysql {
    service: Service,
    mariadb: bool,
}

impl Mysql {
    /// Starts a server.
    ///
    /// # Panics
    /// If it can't be started; the message names what to install.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further options, as in `&["--binlog-row-image=MINIMAL"]`. An option that only
    /// MySQL or only MariaDB has begins with `--loose-`, and the other ignores it.
    ///
    /// # Panics
    /// As [`start`](Self::start), and if `STRATEYE_TEST_MYSQL` is none of `mariadb` and `mysql`.
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        match var("STRATEYE_TEST_MYSQL").as_deref() {
            Err(VarError::NotPresent) | Ok("mariadb") => Self::mariadb(options),
            Ok("mysql") => Self { service: Service::start("mysql", options), mariadb: false },
            other => panic!("STRATEYE_TEST_MYSQL is {other:?}; write mariadb or mysql"),
        }
    }

    /// Starts a MariaDB, whatever the environment.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn mariadb(options: &[&str]) -> Self {
        Self { service: Service::start("mariadb", options), mariadb: true }
    }

    /// Whether it is a MariaDB.
    #[must_use]
    pub fn is_mariadb(&self) -> bool {
        self.mariadb
    }

    /// URL of its database `strateye`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.service.address()
    }

    /// Its host and port.
    ///
    /// # Panics
    /// Never: the URL has both.
    #[must_use]
    pub fn address(&self) -> &str {
        let (_, rest) = self.url().split_once('@').expect("root@");
        rest.split('/').next().expect("HOST:PORT")
    }

    /// Runs statements in `strateye` through the mariadb client; returns the rows, columns separated by tabs.
    ///
    /// # Panics
    /// If a statement fails; the message has the server's error.
    #[must_use]
    pub fn query(&self, sql: &str) -> Vec<String> {
        let (host, port) = self.address().split_once(':').expect("HOST:PORT");
        let mut client = Command::new("mariadb")
            .args(["--no-defaults", "--protocol=TCP", "--batch", "--skip-column-names", "--user=root"])
            .args(["--default-character-set=utf8mb4", "--database=strateye", "--host", host, "--port", port])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the mariadb client runs");
        // Through a pipe, as a statement with a crowd may be longer than an argument. A client that stops
        // reading has failed, and says why.
        let _ = client.stdin.take().expect("a pipe").write_all(sql.as_bytes());
        let output = client.wait_with_output().expect("the mariadb client ends");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").lines().map(ToOwned::to_owned).collect()
    }

    /// Runs statements and ignores their rows.
    ///
    /// # Panics
    /// As [`query`](Self::query).
    pub fn execute(&self, sql: &str) {
        let _ = self.query(sql);
    }
}

impl Deref for Mysql {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
