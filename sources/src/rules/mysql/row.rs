//! A row of the rule table, as the snapshot or an event has it.

use mysql_async::{Value, binlog::row::BinlogRow, binlog::value::BinlogValue};

use super::columns::Columns;
use crate::rules::{MAX_DOCUMENT, document};

/// One rule's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) rule_id: String,
    pub(super) version: Option<u64>,
    pub(super) status: String,
    pub(super) resume_gap: String,
    /// `rule_json`, or why it is of no use.
    pub(super) document: Result<String, String>,
    /// Tells one `rule_json` from another.
    pub(super) digest: u128,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowChange {
    /// The rule it was of.
    pub(super) before: Option<String>,
    /// What it says now.
    pub(super) after: Option<Row>,
}

impl Row {
    /// From the five columns of a `SELECT`, in the order of [`Columns::SELECT`].
    pub(super) fn selected(values: Vec<Value>) -> Option<Row> {
        let [rule_id, version, status, resume_gap, document] = <[Value; 5]>::try_from(values).ok()?;
        Some(Row::new(rule_id, version, status, resume_gap, document))
    }

    /// From a row event whose columns have been checked.
    pub(super) fn logged(mut row: BinlogRow, columns: &Columns) -> Option<Row> {
        let [rule_id, version, status, resume_gap, document] = columns.ordinals();
        let version = value(&mut row, version)?;
        let (rule_id, status) = (value(&mut row, rule_id)?, value(&mut row, status)?);
        let (resume_gap, document) = (value(&mut row, resume_gap)?, value(&mut row, document)?);
        Some(Row::new(rule_id, version, status, resume_gap, document))
    }

    /// The rule of a row event whose columns have been checked.
    pub(super) fn rule_of(mut row: BinlogRow, columns: &Columns) -> Option<String> {
        value(&mut row, columns.ordinals()[0]).map(text)
    }

    fn new(rule_id: Value, version: Value, status: Value, resume_gap: Value, document: Value) -> Row {
        let bytes = bytes(document);
        let digest = document::digest(&bytes);
        let document = if bytes.len() as u64 > MAX_DOCUMENT {
            Err(format!(
                "`rule_json` is longer than {MAX_DOCUMENT} bytes; give large crowds as a profile query"
            ))
        } else {
            String::from_utf8(bytes).map_err(|_| "`rule_json` is not UTF-8".to_owned())
        };
        Row {
            rule_id: text(rule_id),
            version: number(version),
            status: text(status),
            resume_gap: text(resume_gap),
            document,
            digest,
        }
    }
}

/// JSON columns come in forms of their own; none is among those that are read.
fn value(row: &mut BinlogRow, at: usize) -> Option<Value> {
    match row.take(at)? {
        BinlogValue::Value(value) => Some(value),
        BinlogValue::Jsonb(_) | BinlogValue::JsonDiff(_) => None,
    }
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes,
        Value::Int(number) => number.to_string().into_bytes(),
        Value::UInt(number) => number.to_string().into_bytes(),
        _ => Vec::new(),
    }
}

fn text(value: Value) -> String {
    let bytes = bytes(value);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Numbers are text in a snapshot; in events they may lack their sign's meaning, so a negative one is a large one.
fn number(value: Value) -> Option<u64> {
    let number = match value {
        Value::Bytes(bytes) => std::str::from_utf8(&bytes).ok()?.parse().ok(),
        Value::Int(number) => Some(number.cast_unsigned()),
        Value::UInt(number) => Some(number),
        _ => None,
    };
    number.filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_a_value_are_the_same_row() {
        let bytes = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        let make = |version| {
            Row::new(bytes("r"), version, bytes("online"), bytes("skip"), bytes("{\"规则\":\"é😀\"}"))
        };
        assert_eq!(make(bytes("7")), make(Value::Int(7)));
        assert_eq!(make(Value::UInt(7)), make(Value::Int(7)));
        assert_eq!(make(bytes("18446744073709551615")), make(Value::Int(-1)));
        assert_eq!((make(Value::NULL).version, make(Value::Int(0)).version), (None, None));
    }

    #[test]
    fn a_row_of_another_shape_is_none() {
        assert_eq!(Row::selected(vec![Value::NULL; 4]), None);
        let binary = Row::selected(vec![
            Value::Bytes(b"r".to_vec()),
            Value::NULL,
            Value::NULL,
            Value::NULL,
            Value::Bytes(vec![b'{', 0xff]),
        ]);
        assert_eq!(binary.unwrap().document, Err("`rule_json` is not UTF-8".to_owned()));
    }
}
