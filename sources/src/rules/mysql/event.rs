//! Translation of one binlog event into a step of [`Tail`](super::tail::Tail).

use mysql_async::binlog::{
    BinlogChecksumAlg,
    events::{
        Event, EventData, QueryEvent, RotateEvent, RowsEventData, TableMapEvent, TransactionPayloadEvent,
    },
};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    TABLE,
    columns::Columns,
    connect::Failure,
    position::{Opening, log_name},
    server::must_be,
    statement::{Statement, classify},
};
use crate::rules::row::{Row, RowChange};

/// A statement.
const STATEMENT: u8 = 2;
/// The next events are in another file.
const ROTATED: u8 = 4;
/// Format of the events that follow.
const FORMAT: u8 = 15;
/// The commit of a transaction.
const COMMITTED: u8 = 16;
/// Rows that a file of the server brings.
const LOADED: u8 = 18;
/// Rows as releases before MySQL 5.1 wrote them, which are not read.
const EARLY_ROWS: std::ops::RangeInclusive<u8> = 20..=22;
/// Changed rows: as MariaDB writes them, and as MySQL does.
const OLD_ROWS: std::ops::RangeInclusive<u8> = 23..=25;
const ROWS: std::ops::RangeInclusive<u8> = 30..=32;
/// Changed rows of which parts are left out.
const PARTIAL_ROWS: u8 = 39;
/// The server lost events.
const LOST: u8 = 26;
/// The beginning of a transaction: with a name, without one, or with one that has a tag.
const OPENED: [u8; 3] = [33, 34, 42];
/// `XA PREPARE`: rows of a transaction that is committed or rolled back later.
const PREPARED: u8 = 38;
/// A transaction of MySQL in one compressed event; its content follows.
const PAYLOAD: u8 = 40;
/// Event types of MariaDB that the driver does not support.
const MARIADB_GTID: u8 = 162;
const MARIADB_COMPRESSED: std::ops::RangeInclusive<u8> = 165..=171;

/// Meaning of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// No effect; only the position moves.
    Pass,
    /// Format of the following events; file names can be trusted from here on.
    Format,
    /// The next events are in this file, from this offset.
    Rotate(Option<String>, u64),
    /// The next events have no positions; they end at the position of this one.
    Payload,
    /// A transaction begins, or a statement outside of one.
    Opens(Opening),
    /// Row changes of the rule table.
    Rows(Vec<RowChange>),
    /// A statement.
    Statement(Statement),
    /// The transaction is committed.
    Commit,
    /// The transaction is prepared.
    Prepared,
}

/// The table that is followed.
pub(super) struct Watched<'a> {
    pub(super) database: &'a str,
    pub(super) columns: &'a Columns,
    /// Whether names are compared case-insensitively.
    pub(super) any_case: bool,
}

/// Translates an event; `announced` looks up a table by its number in the stream.
///
/// Only what matters is decoded: the driver ends the process at some other events, if they are broken.
pub(super) fn read<'t>(
    event: &Event,
    announced: impl FnOnce(u64) -> Option<&'t TableMapEvent<'static>>,
    watched: &Watched<'_>,
) -> Result<Step, Failure> {
    let raw = event.header().event_type_raw();
    // Reading the event again would fail in the same way.
    let broken = |error: std::io::Error| Failure::Gap(format!("event {raw} can't be read: {error}"));
    match raw {
        STATEMENT => {
            let query = event.read_event::<QueryEvent<'_>>().map_err(broken)?;
            Ok(Step::Statement(classify(query.query_raw(), TABLE, watched.database)))
        }
        ROTATED => {
            let rotate = event.read_event::<RotateEvent<'_>>().map_err(broken)?;
            Ok(Step::Rotate(log_name(rotate.name_raw()), rotate.position()))
        }
        FORMAT => Ok(Step::Format),
        COMMITTED => Ok(Step::Commit),
        // The first byte is 1 if the transaction is committed in one phase.
        PREPARED => Ok(if event.data().first() == Some(&1) { Step::Commit } else { Step::Prepared }),
        PAYLOAD => payload(event),
        LOST => Err(Failure::Gap("the server lost part of its binlog".to_owned())),
        MARIADB_GTID => mariadb_opening(event),
        raw if OPENED.contains(&raw) => Ok(Step::Opens(opening(event, true))),
        raw if raw == LOADED || EARLY_ROWS.contains(&raw) => Ok(Step::Statement(Statement::Rows)),
        raw if MARIADB_COMPRESSED.contains(&raw) => Err(Failure::Refused(must_be("log_bin_compress", "ON"))),
        raw if raw == PARTIAL_ROWS || OLD_ROWS.contains(&raw) || ROWS.contains(&raw) => {
            let Some(EventData::RowsEvent(rows)) = event.read_data().map_err(broken)? else {
                return Ok(Step::Pass);
            };
            match announced(rows.table_id()) {
                None => Err(Failure::Gap("rows of a table that was not announced".to_owned())),
                Some(map) if watched.is(map) => {
                    check_sum(event)?;
                    watched.changes(&rows, map).map(Step::Rows)
                }
                Some(_) => Ok(Step::Pass),
            }
        }
        _ => Ok(Step::Pass),
    }
}

fn opening(event: &Event, alone: bool) -> Opening {
    let header = event.header();
    let written =
        [&header.timestamp().to_le_bytes(), &header.server_id().to_le_bytes(), event.data()].concat();
    let offset = u64::from(header.log_pos().saturating_sub(header.event_size()));
    Opening { offset, digest: xxh3_128(&written), alone }
}

/// Parses the start of a MariaDB transaction: sequence (8 bytes), domain (4), flags (1). The lowest flag is
/// set if a single statement follows, not a transaction: MariaDB writes no `BEGIN`.
fn mariadb_opening(event: &Event) -> Result<Step, Failure> {
    match event.data().get(12) {
        Some(flags) => Ok(Step::Opens(opening(event, flags & 1 == 1))),
        None => Err(Failure::Gap("a transaction's name is too short".to_owned())),
    }
}

/// Checks a payload: the driver skips one that it can't decode, and its content would be lost.
fn payload(event: &Event) -> Result<Step, Failure> {
    match event.read_event::<TransactionPayloadEvent<'_>>() {
        Ok(_) => Ok(Step::Payload),
        Err(error) => Err(Failure::Gap(format!("a compressed transaction can't be read: {error}"))),
    }
}

/// Verifies the checksum, which the driver does not.
fn check_sum(event: &Event) -> Result<(), Failure> {
    let footer = event.footer();
    let crc = matches!(footer.get_checksum_alg(), Ok(Some(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32)));
    let Some(sum) = event.checksum().filter(|_| crc && footer.get_checksum_enabled()) else { return Ok(()) };
    if u32::from_le_bytes(sum) == event.calc_checksum(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32) {
        Ok(())
    } else {
        Err(Failure::Away("an event's checksum is wrong".to_owned()))
    }
}

impl Watched<'_> {
    fn is(&self, map: &TableMapEvent<'_>) -> bool {
        let (database, table) = (map.database_name(), map.table_name());
        if self.any_case {
            database.eq_ignore_ascii_case(self.database) && table.eq_ignore_ascii_case(TABLE)
        } else {
            database == self.database && table == TABLE
        }
    }

    fn changes(&self, rows: &RowsEventData<'_>, map: &TableMapEvent<'_>) -> Result<Vec<RowChange>, Failure> {
        self.columns.check(map)?;
        let mut changes = Vec::new();
        for row in rows.rows(map) {
            let (before, after) =
                row.map_err(|error| Failure::Gap(format!("a row can't be read: {error}")))?;
            // A row that lacks columns is shorter, and its values have other ordinals.
            if [&before, &after].into_iter().flatten().any(|row| row.len() != self.columns.count()) {
                return Err(Failure::Gap(
                    "rows without all columns; a session has set `binlog_row_image` to other than FULL"
                        .to_owned(),
                ));
            }
            let odd = || Failure::Gap("rows whose values have other types than the table".to_owned());
            let before = before.map(|row| Row::rule_of(row, self.columns).ok_or_else(odd)).transpose()?;
            let after = after.map(|row| Row::logged(row, self.columns).ok_or_else(odd)).transpose()?;
            changes.push(RowChange { before, after });
        }
        Ok(changes)
    }
}
