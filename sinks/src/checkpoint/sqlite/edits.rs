//! Edits as rows: pairs as JSON, an array of pairs or, as people write it, an object.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::checkpoint::{CheckpointError, Edit, not_a_position};

pub(super) fn position(text: &str) -> Result<i64, CheckpointError> {
    text.parse().ok().filter(|&at| at >= 0).ok_or_else(|| not_a_position(text))
}

pub(super) fn push(connection: &Connection, edit: &[(&str, &str)]) -> rusqlite::Result<String> {
    connection.execute("INSERT INTO edit (pairs) VALUES (?1)", [json!(edit).to_string()])?;
    Ok(connection.last_insert_rowid().to_string())
}

pub(super) fn read(connection: &Connection, after: i64, most: usize) -> rusqlite::Result<Vec<Edit>> {
    let sql = "SELECT position, CAST(pairs AS BLOB) FROM edit WHERE position > ?1 ORDER BY position LIMIT ?2";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection
        .prepare(sql)?
        .query_map(params![after, most], |row| {
            let (position, text): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
            // A row written by hand may not be text.
            Ok(Edit { position: position.to_string(), pairs: pairs(&String::from_utf8_lossy(&text)) })
        })?
        .collect()
}

pub(super) fn trim(connection: &Connection, through: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM edit WHERE position <= ?1", [through]).map(drop)
}

/// An edit that can't be parsed becomes one pair, to be refused by its reader: it must not block later edits.
fn pairs(text: &str) -> Vec<(String, String)> {
    let read = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => {
            object.into_iter().map(|(name, value)| Some((name, plain(value)))).collect()
        }
        Ok(Value::Array(array)) => array.into_iter().map(pair).collect(),
        _ => None,
    };
    read.unwrap_or_else(|| vec![("unreadable".to_owned(), text.to_owned())])
}

fn pair(value: Value) -> Option<(String, String)> {
    let Value::Array(two) = value else { return None };
    let [Value::String(name), text] = <[Value; 2]>::try_from(two).ok()? else { return None };
    Some((name, plain(text)))
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_pairs_are_read_and_the_rest_is_passed_on() {
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(pairs(r#"{"rule":"r","value":3}"#), [pair("rule", "r"), pair("value", "3")]);
        assert_eq!(pairs(r#"[["a","1"],["a","2"]]"#), [pair("a", "1"), pair("a", "2")]);
        for wrong in ["", "3", "rule=r", r#"[["a"]]"#, r#"[[1,"a"]]"#] {
            assert_eq!(pairs(wrong), [pair("unreadable", wrong)], "{wrong}");
        }
    }
}
