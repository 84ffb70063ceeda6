//! Where the binlog has been read up to.

use std::{collections::BTreeMap, fmt};

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

/// The last transaction of each of MariaDB's replication domains: what tells one history of a server from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gtids(BTreeMap<u32, (u32, u64)>);

impl Gtids {
    /// Reads `DOMAIN-SERVER-SEQUENCE,..`.
    pub(super) fn parse(text: &str) -> Option<Gtids> {
        let one = |gtid: &str| {
            let mut parts = gtid.trim().split('-');
            let domain = parts.next()?.parse().ok()?;
            let server = parts.next()?.parse().ok()?;
            let number = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some((domain, (server, number)))
        };
        let listed = text.split(',').filter(|gtid| !gtid.trim().is_empty());
        listed.map(one).collect::<Option<_>>().map(Gtids)
    }

    pub(super) fn advance(&mut self, gtid: Gtid) {
        self.0.insert(gtid.domain, (gtid.server, gtid.sequence));
    }
}

impl fmt::Display for Gtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (domain, (server, number))) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{domain}-{server}-{number}")?;
        }
        Ok(())
    }
}

/// One transaction's name in MariaDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gtid {
    pub(super) domain: u32,
    pub(super) server: u32,
    pub(super) sequence: u64,
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

    #[test]
    fn gtids_are_read_and_written() {
        let mut gtids = Gtids::parse("1-2-3,0-1-77").unwrap();
        gtids.advance(Gtid { domain: 1, server: 9, sequence: 4 });
        assert_eq!(gtids.to_string(), "0-1-77,1-9-4");
        assert_eq!(Gtids::parse(""), Some(Gtids::default()));
        assert_eq!((Gtids::parse("0-1"), Gtids::parse("x"), Gtids::parse("0-1-2-3")), (None, None, None));
    }
}
