//! Decoding of rows of the rule table, from the snapshot and from binlog events.

use mysql_async::{Value, binlog::row::BinlogRow, binlog::value::BinlogValue};

use super::columns::Columns;
use crate::rules::row::Row;

impl Row {
    /// Builds a row from the five columns of a `SELECT`, in the order of [`Columns::SELECT`].
    pub(super) fn selected(values: Vec<Value>) -> Option<Row> {
        let [rule_id, version, status, resume_gap, document] = <[Value; 5]>::try_from(values).ok()?;
        Some(Row::decode(rule_id, version, status, resume_gap, document))
    }

    /// Builds a row from a row event whose columns have been checked.
    pub(super) fn logged(mut row: BinlogRow, columns: &Columns) -> Option<Row> {
        let [rule_id, version, status, resume_gap, document] = columns.ordinals();
        let version = value(&mut row, version)?;
        let (rule_id, status) = (value(&mut row, rule_id)?, value(&mut row, status)?);
        let (resume_gap, document) = (value(&mut row, resume_gap)?, value(&mut row, document)?);
        Some(Row::decode(rule_id, version, status, resume_gap, document))
    }

    /// Reads the rule id of a row event whose columns have been checked.
    pub(super) fn rule_of(mut row: BinlogRow, columns: &Columns) -> Option<String> {
        value(&mut row, columns.ordinals()[0]).map(text)
    }

    fn decode(rule_id: Value, version: Value, status: Value, resume_gap: Value, document: Value) -> Row {
        Row::new(text(rule_id), number(version), text(status), text(resume_gap), bytes(document))
    }
}

/// Takes a value from a row event; `None` for JSON columns, which have formats of their own and are never
/// read.
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

/// Reads a non-negative number. It is text in a snapshot. Events do not carry its sign, so a negative number
/// becomes a large unsigned one.
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
        let decoded = |version| {
            Row::decode(bytes("r"), version, bytes("online"), bytes("skip"), bytes("{\"规则\":\"é😀\"}"))
        };
        assert_eq!(decoded(bytes("7")), decoded(Value::Int(7)));
        assert_eq!(decoded(Value::UInt(7)), decoded(Value::Int(7)));
        assert_eq!(decoded(bytes("18446744073709551615")), decoded(Value::Int(-1)));
        assert_eq!((decoded(Value::NULL).version, decoded(Value::Int(0)).version), (None, None));
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
        assert_eq!(binary.unwrap().document.unwrap_err().to_string(), "`rule_json` is not UTF-8");
    }
}
