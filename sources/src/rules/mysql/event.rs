//! Translation of one binlog event into a step of [`Tail`](super::tail::Tail).

use mysql_async::{
    BinlogStream,
    binlog::{
        BinlogChecksumAlg,
        events::{Event, EventData, RowsEventData, TableMapEvent, TransactionPayloadEvent},
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

/// Event types of MariaDB that the driver does not support.
const MARIADB_GTID: u8 = 162;
const MARIADB_COMPRESSED: std::ops::RangeInclusive<u8> = 165..=171;
/// `XA PREPARE`: rows of a transaction that is committed or rolled back later.
const PREPARED: u8 = 38;
/// A transaction of MySQL in one compressed event; its content follows.
const PAYLOAD: u8 = 40;

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

/// Translates an event.
pub(super) fn read(event: &Event, stream: &BinlogStream, watched: &Watched<'_>) -> Result<Step, Failure> {
    let raw = event.header().event_type_raw();
    if MARIADB_COMPRESSED.contains(&raw) {
        return Err(Failure::Refused(must_be("log_bin_compress", "ON")));
    }
    match raw {
        MARIADB_GTID => return mariadb_opening(event),
        // The first byte is 1 if the transaction is committed in one phase.
        PREPARED => return Ok(if event.data().first() == Some(&1) { Step::Commit } else { Step::Prepared }),
        PAYLOAD => return payload(event),
        _ => {}
    }
    // Reading the event again would fail in the same way.
    let broken = |error: std::io::Error| Failure::Gap(format!("event {raw} can't be read: {error}"));
    match event.read_data().map_err(broken)? {
        Some(EventData::FormatDescriptionEvent(_)) => Ok(Step::Format),
        Some(EventData::RotateEvent(rotate)) => {
            Ok(Step::Rotate(log_name(rotate.name_raw()), rotate.position()))
        }
        Some(EventData::GtidEvent(_) | EventData::AnonymousGtidEvent(_)) => {
            Ok(Step::Opens(opening(event, true)))
        }
        Some(EventData::QueryEvent(query)) => {
            Ok(Step::Statement(classify(query.query_raw(), TABLE, watched.database)))
        }
        Some(EventData::XidEvent(_)) => Ok(Step::Commit),
        Some(EventData::RowsEvent(rows)) => match stream.get_tme(rows.table_id()) {
            None => Err(Failure::Gap("rows of a table that was not announced".to_owned())),
            Some(map) if watched.is(map) => {
                check_sum(event)?;
                watched.changes(&rows, map).map(Step::Rows)
            }
            Some(_) => Ok(Step::Pass),
        },
        Some(EventData::IncidentEvent(_)) => {
            Err(Failure::Gap("the server lost part of its binlog".to_owned()))
        }
        Some(
            EventData::ExecuteLoadQueryEvent(_)
            | EventData::PreGaWriteRowsEvent(_)
            | EventData::PreGaUpdateRowsEvent(_)
            | EventData::PreGaDeleteRowsEvent(_),
        ) => Ok(Step::Statement(Statement::Rows)),
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
