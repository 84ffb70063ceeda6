//! Positions in the binlog.

use std::fmt;

/// An offset in a binlog file. File names count upwards, so positions of one server have an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) file: String,
    pub(super) offset: u64,
}

impl Position {
    /// Whether the position is at or after `other`.
    pub(super) fn reaches(&self, other: &Position) -> bool {
        (sequence(&self.file), self.offset) >= (sequence(&other.file), other.offset)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// The number at the end of a file's name; 0 if there is none.
fn sequence(file: &str) -> u64 {
    file.rsplit('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Parses a file name in an event; `None` if it is invalid: at the start of a stream MariaDB appends a
/// checksum to it.
pub(super) fn log_name(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let digits = name.rsplit_once('.')?.1;
    (digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| name.to_owned())
}

/// The beginning of a transaction. It identifies a history of the server's binlog: another history has
/// another transaction at this position, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Opening {
    /// Offset in its file, bytes.
    pub(super) offset: u64,
    /// Digest of all that the server wrote of it, its name and the time of its commit included.
    pub(super) digest: u128,
    /// Whether a single statement or a `BEGIN` follows; otherwise the following events are in the
    /// transaction.
    pub(super) alone: bool,
}

/// A transaction that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) file: String,
    pub(super) opening: Opening,
}

impl Mark {
    /// Position of its beginning.
    pub(super) fn position(&self) -> Position {
        Position { file: self.file.clone(), offset: self.opening.offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_have_the_order_of_their_files() {
        let at = |file: &str, offset| Position { file: file.to_owned(), offset };
        assert!(at("binlog.000010", 4).reaches(&at("binlog.000009", 900)));
        assert!(at("a.b.1000000", 4).reaches(&at("a.b.999999", 5)));
        assert!(at("binlog.000009", 900).reaches(&at("binlog.000009", 900)));
        assert!(!at("binlog.000009", 900).reaches(&at("binlog.000009", 901)));
        assert!(!at("binlog.000009", 900).reaches(&at("binlog.000010", 4)));
    }

    #[test]
    fn a_name_with_a_checksum_behind_it_is_none() {
        assert_eq!(log_name(b"binlog.000001"), Some("binlog.000001".to_owned()));
        for name in [&b"binlog.000001\x12\x07\xff\x41"[..], b"binlog.000001abcd", b"binlog", b"", b"binlog.1"]
        {
            assert_eq!(log_name(name), None);
        }
    }
}
