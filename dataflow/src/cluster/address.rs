//! Addresses of the processes of a cluster.
//!
//! A hosts file names one process per line, in the order of the process numbers:
//!
//! ```text
//! # process 0
//! 10.0.0.1:2101
//! 10.0.0.2:2101      # process 1
//! [fd00::3]:2101
//! ```
//!
//! A process binds its own line and dials those of lower number, so each machine's copy may write its own
//! line as `0.0.0.0:2101`. On one machine the processes meet at Unix sockets in a directory that only their
//! owner can enter.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::generation::ClusterGeneration;

/// Longest path of a Unix socket, bytes: 107 on Linux, 103 elsewhere.
const MAX_SOCKET_PATH: usize = 103;

/// The `host:port` of every process, by process number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Reads and parses a hosts file.
    pub fn read_file(path: &Path) -> Result<Self, AddressError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| AddressError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Parses the text of a hosts file.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let mut hosts: Vec<String> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            let line = index + 1;
            if !is_host_and_port(entry) {
                return Err(AddressError::Malformed { line, entry: entry.to_owned() });
            }
            if hosts.iter().any(|host| host == entry) {
                return Err(AddressError::Twice { line, entry: entry.to_owned() });
            }
            hosts.push(entry.to_owned());
        }
        if hosts.is_empty() { Err(AddressError::Empty) } else { Ok(Self(hosts)) }
    }

    /// Number of processes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Address of a process, `host:port`.
    #[must_use]
    pub fn get(&self, process: usize) -> Option<&str> {
        self.0.get(process).map(String::as_str)
    }
}

fn is_host_and_port(entry: &str) -> bool {
    let Some((host, port)) = entry.rsplit_once(':') else { return false };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let host_is_plausible = !host.is_empty() && (bracketed || !host.contains(':'));
    host_is_plausible
        && !entry.contains(char::is_whitespace)
        && port.parse::<u16>().is_ok_and(|number| number != 0)
}

/// Path of the socket of `process` in `directory`. It contains the generation, so a leftover of an earlier
/// generation can neither be dialled nor be in the way.
pub(super) fn socket_path(
    directory: &Path,
    process: usize,
    generation: ClusterGeneration,
) -> Result<PathBuf, AddressError> {
    checked_socket_path(directory.join(format!("g{generation}-p{process}.sock")))
}

/// Path of the supervisor's control socket in `directory`.
pub(super) fn control_path(directory: &Path) -> Result<PathBuf, AddressError> {
    checked_socket_path(directory.join("control.sock"))
}

fn checked_socket_path(path: PathBuf) -> Result<PathBuf, AddressError> {
    let bytes = path.as_os_str().len();
    if bytes > MAX_SOCKET_PATH { Err(AddressError::PathTooLong { path, bytes }) } else { Ok(path) }
}

/// Refuses a directory that users other than its owner, this user, can enter.
pub(super) fn check_private(directory: &Path) -> Result<(), AddressError> {
    let metadata = std::fs::metadata(directory)
        .map_err(|source| AddressError::Unreadable { path: directory.to_owned(), source })?;
    let mode = metadata.mode() & 0o777;
    let mine = metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.is_dir() || !mine || mode & 0o077 != 0 {
        return Err(AddressError::NotPrivate { path: directory.to_owned(), mode });
    }
    Ok(())
}

/// Why the addresses of a cluster can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A line is not `host:port`.
    #[error(
        "hosts file, line {line}: `{entry}` is not host:port; write e.g. 10.0.0.1:2101 or [fd00::1]:2101"
    )]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The entry.
        entry: String,
    },
    /// Two processes have the same address.
    #[error("hosts file, line {line}: `{entry}` appears twice; each process needs its own host:port")]
    Twice {
        /// The second line, from 1.
        line: usize,
        /// The entry.
        entry: String,
    },
    /// The file names no process.
    #[error(
        "the hosts file names no process; write one host:port per line, in the order of the process numbers"
    )]
    Empty,
    /// The path is too long for a socket address.
    #[error("the socket path {} has {bytes} bytes, more than {MAX_SOCKET_PATH}; use a run folder with a shorter path", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length, bytes.
        bytes: usize,
    },
    /// Other users may enter the directory.
    #[error("the run folder {} (mode {mode:o}) must be a folder of this user that nobody else can enter; run `chmod 700` on it or choose another", path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_hosts_file_has_comments_and_blank_lines() {
        let hosts = Hosts::parse("# ours\n\n10.0.0.1:2101 # zero\n[fd00::3]:2101\nnode-2.local:9\n").unwrap();
        assert_eq!(hosts.count(), 3);
        assert_eq!(hosts.get(1), Some("[fd00::3]:2101"));
        assert_eq!(hosts.get(3), None);
    }

    #[test]
    fn errors_name_the_line() {
        for entry in ["10.0.0.1", "a:b", ":2101", "host:0", "host:65536", "fd00::3:2101", "a b:1"] {
            let error = Hosts::parse(&format!("ok:1\n{entry}\n")).unwrap_err();
            assert!(matches!(error, AddressError::Malformed { line: 2, .. }), "{entry}: {error}");
        }
        assert!(matches!(Hosts::parse("a:1\n\na:1"), Err(AddressError::Twice { line: 3, .. })));
        assert!(matches!(Hosts::parse("# none\n"), Err(AddressError::Empty)));
    }

    #[test]
    fn only_a_private_directory_and_a_short_path_will_do() {
        let directory = tempfile::tempdir().unwrap();
        let mode =
            |bits| std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(bits)).unwrap();
        mode(0o700);
        check_private(directory.path()).unwrap();
        mode(0o750);
        assert!(matches!(check_private(directory.path()), Err(AddressError::NotPrivate { mode: 0o750, .. })));
        let long = directory.path().join("x".repeat(100));
        assert!(matches!(control_path(&long), Err(AddressError::PathTooLong { .. })));
    }
}
