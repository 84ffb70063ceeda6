//! Where the binlog has been read up to.

use std::fmt;

/// An offset in a binlog file. File names count upwards, so positions of one server have an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) file: String,
    pub(super) offset: u64,
}

impl Position {
    /// Whether everything before `other` has been read.
    pub(super) fn reaches(&self, other: &Position) -> bool {
        (sequence(&self.file), self.offset) >= (sequence(&other.file), other.offset)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// The number a file's name ends in.
fn sequence(file: &str) -> u64 {
    file.rsplit('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// A file name out of an event, if it looks like one: at the start of a stream MariaDB appends a checksum to it.
pub(super) fn log_name(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let digits = name.rsplit_once('.')?.1;
    (digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| name.to_owned())
}

/// The beginning of a transaction: what tells one history of a server's binlog from another, where that has another
/// transaction in its place, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Opening {
    /// Where it is, in its file.
    pub(super) offset: u64,
    /// Tells it from others: all that the server wrote of it, its name and the time of its commit included.
    pub(super) digest: u128,
    /// A single statement follows, or a `BEGIN`; otherwise what follows is in it.
    pub(super) alone: bool,
}

/// A transaction that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) file: String,
    pub(super) opening: Opening,
}

impl Mark {
    /// Where it begins.
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
