//! The columns of the rule table that are read, and their positions in its row events.
//!
//! Events carry only ordinals and types, and names if `binlog_row_metadata=FULL`. So the ordinals come from
//! the schema at the snapshot, and every event is checked against them by count, by type, and by name where
//! it has names. These checks detect a table that was altered meanwhile even if the statement that altered it
//! was not seen.

use mysql_async::{
    Conn,
    binlog::events::{OptionalMetaExtractor, TableMapEvent},
    consts::ColumnType,
    prelude::Queryable,
};

use super::{
    TABLE,
    connect::{Database, Failure, Fault},
};

/// The columns of the rule table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    names: Vec<String>,
    ordinals: [usize; 5],
}

/// A column in the schema: name, data type, full column type, character set, key.
type Described = (String, String, String, Option<String>, String);

const TEXTS: [&str; 10] = [
    "char",
    "varchar",
    "tinytext",
    "text",
    "mediumtext",
    "longtext",
    "tinyblob",
    "blob",
    "mediumblob",
    "longblob",
];
const INTEGERS: [&str; 5] = ["tinyint", "smallint", "mediumint", "int", "bigint"];
const CHARACTER_SETS: [&str; 4] = ["utf8mb4", "utf8mb3", "utf8", "ascii"];

impl Columns {
    /// The columns that are read, in this order.
    pub(super) const SELECT: [&str; 5] = ["rule_id", "version", "status", "resume_gap", "rule_json"];

    /// The columns of a table that has these only, for tests.
    #[cfg(test)]
    pub(super) fn selected() -> Columns {
        Columns { names: Self::SELECT.map(str::to_owned).into(), ordinals: [0, 1, 2, 3, 4] }
    }

    /// Ordinals of these columns in the table, from 0.
    pub(super) fn ordinals(&self) -> [usize; 5] {
        self.ordinals
    }

    /// Number of columns of the table.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// Reads the schema; returns an error for a table that can't be followed.
    pub(super) async fn read(conn: &mut Conn, database: &Database) -> Result<Columns, Failure> {
        check_table(conn, database).await?;
        let described: Vec<Described> = conn
            .exec(
                "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLUMN_KEY
                 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION",
                (&database.name, TABLE),
            )
            .await?;
        Self::choose(&described).map_err(Failure::Refused)
    }

    fn choose(described: &[Described]) -> Result<Columns, Fault> {
        described.iter().try_for_each(check_readable)?;
        let mut ordinals = [0; 5];
        for (ordinal, wanted) in ordinals.iter_mut().zip(Self::SELECT) {
            let found = described.iter().position(|column| column.0.eq_ignore_ascii_case(wanted));
            *ordinal = found.ok_or_else(|| {
                Fault::new(
                    format!("`{TABLE}` has no column `{wanted}`"),
                    "apply the migrations, or add the column",
                )
            })?;
            check_column(&described[*ordinal], wanted == "version")?;
        }
        let keys: Vec<&str> = described.iter().filter(|c| c.4 == "PRI").map(|c| c.0.as_str()).collect();
        if keys.len() != 1 || !keys[0].eq_ignore_ascii_case("rule_id") {
            return Err(Fault::new(
                format!("the primary key of `{TABLE}` is ({})", keys.join(", ")),
                "make it (rule_id)",
            ));
        }
        let names = described.iter().map(|column| column.0.clone()).collect();
        Ok(Columns { names, ordinals })
    }

    /// Checks that events under this table map have these columns; otherwise a new snapshot is needed.
    pub(super) fn check(&self, map: &TableMapEvent<'_>) -> Result<(), Failure> {
        if map.columns_count() != self.names.len() as u64 {
            return Err(Failure::Gap(format!(
                "events have {} columns, the table {}",
                map.columns_count(),
                self.names.len()
            )));
        }
        for (ordinal, name) in self.ordinals.iter().zip(Self::SELECT) {
            let fits =
                matches!(map.get_column_type(*ordinal), Ok(Some(kind)) if fits(kind, name == "version"));
            if !fits {
                return Err(Failure::Gap(format!("`{name}` has another type in events than in the table")));
            }
        }
        let metadata = OptionalMetaExtractor::new(map.iter_optional_meta())
            .map_err(|error| Failure::Gap(error.to_string()))?;
        for (column, name) in metadata.iter_column_name().zip(&self.names) {
            let column = column.map_err(|error| Failure::Gap(error.to_string()))?;
            if column.name() != name.as_str() {
                let found = column.name();
                return Err(Failure::Gap(format!("events have `{found}` where the table has `{name}`")));
            }
        }
        Ok(())
    }
}

/// Checks that a column is not compressed (MariaDB): it can't be read in events, nor can the columns beside
/// it.
fn check_readable((name, _, whole, ..): &Described) -> Result<(), Fault> {
    match whole.split_once("/*M!") {
        Some((plain, how)) if how.contains("COMPRESSED") => Err(Fault::new(
            format!(
                "`{name}` of `{TABLE}` is compressed, and the binlog has it in a form that can't be read"
            ),
            format!("ALTER TABLE {TABLE} MODIFY {name} {}", plain.trim_end()),
        )),
        _ => Ok(()),
    }
}

fn check_column((name, kind, whole, characters, _): &Described, integer: bool) -> Result<(), Fault> {
    let alter = |to: &str| format!("ALTER TABLE {TABLE} MODIFY {name} {to}");
    if integer && !INTEGERS.contains(&kind.as_str()) {
        return Err(Fault::new(format!("`{name}` of `{TABLE}` is {whole}"), alter("BIGINT UNSIGNED NULL")));
    }
    let text = if name.eq_ignore_ascii_case("rule_json") {
        "LONGTEXT CHARACTER SET utf8mb4 NOT NULL"
    } else {
        "VARCHAR(64) CHARACTER SET utf8mb4 NOT NULL"
    };
    if !integer && !TEXTS.contains(&kind.as_str()) {
        return Err(Fault::new(format!("`{name}` of `{TABLE}` is {whole}"), alter(text)));
    }
    match characters {
        Some(set) if !CHARACTER_SETS.contains(&set.as_str()) => {
            Err(Fault::new(format!("`{name}` of `{TABLE}` is in character set {set}"), alter(text)))
        }
        _ => Ok(()),
    }
}

fn fits(kind: ColumnType, integer: bool) -> bool {
    use ColumnType as T;
    if integer {
        matches!(
            kind,
            T::MYSQL_TYPE_TINY
                | T::MYSQL_TYPE_SHORT
                | T::MYSQL_TYPE_INT24
                | T::MYSQL_TYPE_LONG
                | T::MYSQL_TYPE_LONGLONG
        )
    } else {
        matches!(
            kind,
            T::MYSQL_TYPE_VARCHAR
                | T::MYSQL_TYPE_VAR_STRING
                | T::MYSQL_TYPE_STRING
                | T::MYSQL_TYPE_TINY_BLOB
                | T::MYSQL_TYPE_BLOB
                | T::MYSQL_TYPE_MEDIUM_BLOB
                | T::MYSQL_TYPE_LONG_BLOB
        )
    }
}

/// Checks that the table exists, is transactional, and is changed by nothing that the binlog omits.
async fn check_table(conn: &mut Conn, database: &Database) -> Result<(), Failure> {
    let table: Option<(String, Option<String>)> = conn
        .exec_first(
            "SELECT TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
            (&database.name, TABLE),
        )
        .await?;
    let (reason, remedy) = match table {
        None => (format!("there is no table `{TABLE}`"), "apply the migrations".to_owned()),
        Some((kind, _)) if kind != "BASE TABLE" => (
            format!("`{TABLE}` is a {}", kind.to_lowercase()),
            "make it a table: apply the migrations".to_owned(),
        ),
        Some((_, engine)) if engine.as_deref() != Some("InnoDB") => (
            format!("`{TABLE}` has the engine {}", engine.unwrap_or_default()),
            format!("ALTER TABLE {TABLE} ENGINE = InnoDB"),
        ),
        Some(_) => {
            let cascade: Option<String> = conn
                .exec_first(
                    "SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
                     WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ? AND (DELETE_RULE IN ('CASCADE', 'SET NULL',
                     'SET DEFAULT') OR UPDATE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))",
                    (&database.name, TABLE),
                )
                .await?;
            let Some(cascade) = cascade else { return Ok(()) };
            (
                format!(
                    "the foreign key `{cascade}` changes `{TABLE}` by cascade, which the binlog does not contain"
                ),
                "make it ON DELETE RESTRICT ON UPDATE RESTRICT".to_owned(),
            )
        }
    };
    Err(Failure::Refused(Fault::new(reason, remedy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Short<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);

    fn described(columns: &[Short<'_>]) -> Vec<Described> {
        let owned = |text: &str| text.to_owned();
        let one = |&(name, kind, set, key): &Short<'_>| {
            (owned(name), owned(kind), owned(kind), set.map(owned), owned(key))
        };
        columns.iter().map(one).collect()
    }

    fn usual() -> Vec<Described> {
        let set = Some("utf8mb4");
        described(&[
            ("extra", "json", None, ""),
            ("rule_json", "longtext", set, ""),
            ("RULE_ID", "varchar", set, "PRI"),
            ("status", "varchar", set, ""),
            ("resume_gap", "char", set, ""),
            ("version", "bigint", None, ""),
        ])
    }

    #[test]
    fn columns_are_found_by_name_wherever_they_stand() {
        assert_eq!(Columns::choose(&usual()).unwrap().ordinals(), [2, 5, 3, 4, 1]);
    }

    #[test]
    fn what_could_not_be_followed_is_refused_with_what_to_write() {
        type Case<'a> = (usize, &'a dyn Fn(&mut Described), &'a str);
        let cases: [Case<'_>; 5] = [
            (1, &|c| c.1 = "json".to_owned(), "MODIFY rule_json LONGTEXT"),
            (3, &|c| c.1 = "enum".to_owned(), "MODIFY status VARCHAR(64)"),
            (1, &|c| c.3 = Some("gbk".to_owned()), "character set gbk"),
            (5, &|c| c.1 = "double".to_owned(), "MODIFY version BIGINT"),
            (2, &|c| c.4 = String::new(), "make it (rule_id)"),
        ];
        for (at, change, said) in cases {
            let mut columns = usual();
            change(&mut columns[at]);
            let fault = Columns::choose(&columns).unwrap_err();
            assert!(format!("{} {}", fault.reason, fault.remedy).contains(said), "{fault:?}");
        }
        let mut columns = usual();
        columns[0].2 = "varchar(9) /*M!100301 COMPRESSED*/".to_owned();
        let fault = Columns::choose(&columns).unwrap_err();
        assert!(fault.reason.contains("compressed") && fault.remedy.ends_with("MODIFY extra varchar(9)"));
        columns[0].2 = "enum('COMPRESSED')".to_owned();
        assert!(Columns::choose(&columns).is_ok());
        let mut columns = usual();
        columns.remove(4);
        assert!(Columns::choose(&columns).unwrap_err().reason.contains("no column `resume_gap`"));
    }
}
