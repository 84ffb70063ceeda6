//! Fuzzing of the binlog: a stream of any events ends with a failure, or gives changes of whole transactions.

#![allow(clippy::unwrap_used)]

use mysql_common::binlog::{
    EventStreamReader,
    consts::{BinlogVersion::Version4, EventType as T},
};
use strateye_tests::fuzz::fuzz;

use super::{
    TABLE,
    columns::Columns,
    connect::Failure,
    event::{self, Watched},
    position::Position,
    tail::{Harmless, Tail},
};
use crate::{contained::contain, rules::row::RowChange};

/// Bytes in front of what an event says.
const HEADER: usize = 19;
/// Number of the table in the stream.
const ID: u8 = 7;
/// Lengths of what is fixed in each type of event, as MySQL 8.0 has them.
const LENGTHS: [u8; 41] = [
    0, 13, 0, 8, 0, 0, 0, 0, 4, 0, 4, 0, 0, 0, 98, 0, 4, 26, 8, 0, 0, 0, 8, 8, 8, 2, 0, 0, 0, 10, 10, 10, 42,
    42, 0, 18, 52, 0, 10, 40, 0,
];

/// An event: its type, and what it says.
fn event(kind: u8, said: &[u8]) -> Vec<u8> {
    let size = (HEADER + said.len()) as u32;
    let mut bytes = [&[0; 4][..], &[kind], &1u32.to_le_bytes(), &size.to_le_bytes(), &[0; 6]].concat();
    bytes.extend(said);
    bytes
}

/// The format of the events that follow, without checksums.
fn format() -> Vec<u8> {
    let mut version = [0; 50];
    version[..6].copy_from_slice(b"8.0.36");
    let said =
        [&4u16.to_le_bytes()[..], &version, &[0; 4], &[HEADER as u8], &LENGTHS, &[0], &[0; 4]].concat();
    event(T::FORMAT_DESCRIPTION_EVENT as u8, &said)
}

/// A text behind its length.
fn named(name: &str) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), &[0]].concat()
}

/// The table of rules: four texts of at most 1,000 bytes and a number, in the order of [`Columns::SELECT`].
fn table() -> Vec<u8> {
    let types = [15, 8, 15, 15, 252];
    let metadata = [232, 3, 232, 3, 232, 3, 4];
    [&[ID, 0, 0, 0, 0, 0, 1, 0][..], &named("shop"), &named(TABLE), &[5], &types, &[7], &metadata, &[0]]
        .concat()
}

/// A row.
fn row(id: &str, version: u64, document: &str) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat();
    let document = [&(document.len() as u32).to_le_bytes()[..], document.as_bytes()].concat();
    [&[0][..], &text(id), &version.to_le_bytes(), &text("online"), &text("replay"), &document].concat()
}

/// Changed rows; `images` is how many there are of each.
fn rows(images: usize, rows: &[Vec<u8>]) -> Vec<u8> {
    [&[ID, 0, 0, 0, 0, 0, 1, 0, 2, 0, 5][..], &[31; 2][..images], &rows.concat()].concat()
}

fn query(text: &str) -> Vec<u8> {
    [&[0; 8][..], &[4, 0, 0, 0, 0], b"shop\0", text.as_bytes()].concat()
}

/// Events of each kind that matters, their type in front.
fn samples() -> Vec<Vec<u8>> {
    let row = row("coupon", 3, r#"{"rule_id": "coupon"}"#);
    let of = |kind: T, said: Vec<u8>| [vec![kind as u8], said].concat();
    vec![
        of(T::TABLE_MAP_EVENT, table()),
        of(T::WRITE_ROWS_EVENT, rows(1, &[row.clone(), row.clone()])),
        of(T::UPDATE_ROWS_EVENT, rows(2, &[row.clone(), row.clone()])),
        of(T::DELETE_ROWS_EVENT, rows(1, &[row])),
        of(T::XID_EVENT, vec![1; 8]),
        of(T::ROTATE_EVENT, [&4u64.to_le_bytes()[..], b"binlog.000002"].concat()),
        of(T::GTID_EVENT, [&[1; 25][..], &[2], &[1; 16]].concat()),
        of(T::ANONYMOUS_GTID_EVENT, [&[0; 25][..], &[2], &[0; 16]].concat()),
        of(T::QUERY_EVENT, query("BEGIN")),
        of(T::QUERY_EVENT, query("SAVEPOINT `a`")),
        of(T::QUERY_EVENT, query("ROLLBACK TO `a`")),
        of(T::QUERY_EVENT, query("XA COMMIT X'6162',X'',1")),
        of(T::QUERY_EVENT, query("/* x */ ALTER TABLE rule_engine_resource ADD x INT")),
        of(T::TRANSACTION_PAYLOAD_EVENT, vec![2, 1, 255, 1, 1, 9, 3, 1, 9, 0, 40, 181]),
        // The names of all earlier transactions, and so many of them that no memory has room.
        [&[35][..], &[255; 8]].concat(),
        [&[162][..], &[1; 13]].concat(),
        vec![38, 1],
    ]
}

/// Reads events to the end or the first failure; returns the changes of whole transactions.
fn follow(stream: &[Vec<u8>]) -> Result<Vec<RowChange>, Failure> {
    let columns = Columns::selected();
    let watched = Watched { database: "shop", columns: &columns, any_case: false };
    let mut reader = EventStreamReader::new(Version4);
    let mut tail = Tail::new(Position { file: "binlog.000001".to_owned(), offset: 4 }, Harmless::new());
    let mut changes = Vec::new();
    for bytes in stream {
        let Ok(Some(event)) = reader.read(&bytes[..]) else { break };
        let step = event::read(&event, |table| reader.get_tme(table), &watched)?;
        changes.extend(tail.step(step, event.header().log_pos())?.into_iter().flatten());
    }
    Ok(changes)
}

/// The stream of a transaction into which an event comes.
fn transaction(middle: Vec<u8>) -> Vec<Vec<u8>> {
    let sample = |at: usize| event(samples()[at][0], &samples()[at][1..]);
    vec![format(), sample(6), sample(8), sample(0), middle, sample(1), sample(4)]
}

#[test]
fn the_samples_are_events() {
    let changes = follow(&transaction(event(samples()[2][0], &samples()[2][1..]))).unwrap();
    assert_eq!(changes.len(), 3);
    assert_eq!(changes[0].before.as_deref(), Some("coupon"));
}

#[test]
fn binlogs_of_any_events() {
    fuzz("binlogs", 50_000, &samples(), |bytes| {
        let Some((kind, said)) = bytes.split_first() else { return };
        let stream = transaction(event(*kind, said));
        // The driver panics at some events that are cut off; the reader contains that.
        let Some(followed) = contain(|| follow(&stream)) else { return };
        if let Err(Failure::Away(reason) | Failure::Gap(reason)) = followed {
            assert!(!reason.is_empty());
        }
    });
}
