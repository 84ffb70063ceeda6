//! All rows of the rule table, their documents in one piece of memory.

use std::collections::BTreeMap;

use operators::document::text::{DocumentText, Texts};

use super::row::Row;

/// Rows of the table that are read one after the other.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The rows; instead of each readable document there is an empty one.
    rows: Vec<Row>,
    /// The documents, in the order of their rows.
    texts: Texts,
}

impl Table {
    /// Adds a row.
    pub(super) fn push(&mut self, mut row: Row) {
        if let Ok(document) = &mut row.document {
            self.texts.push(document);
            *document = DocumentText::from("");
        }
        self.rows.push(row);
    }
}

impl From<Table> for BTreeMap<String, Row> {
    /// The rows, by rule id.
    fn from(Table { mut rows, texts }: Table) -> Self {
        let documents = rows.iter_mut().filter_map(|row| row.document.as_mut().ok());
        documents.zip(Vec::from(texts)).for_each(|(document, text)| *document = text);
        rows.into_iter().map(|row| (row.rule_id.clone(), row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_keeps_its_document() {
        let row = |rule_id: &str, json: &[u8]| {
            Row::new(rule_id.to_owned(), Some(1), "online".to_owned(), "replay".to_owned(), json.to_vec())
        };
        let rows = [row("b", b"{\"n\":1}"), row("a", b"{\xff"), row("d", b""), row("c", b"{\"n\":2}")];
        let mut table = Table::default();
        rows.iter().for_each(|row| table.push(row.clone()));
        let by_id = BTreeMap::from(table);
        assert_eq!(by_id, rows.map(|row| (row.rule_id.clone(), row)).into());
        let text = |rule_id: &str| by_id[rule_id].document.as_deref().map_err(ToString::to_string);
        assert_eq!(text("b"), Ok("{\"n\":1}"));
        assert_eq!((text("d"), text("c")), (Ok(""), Ok("{\"n\":2}")));
        assert!(text("a").is_err());
    }
}
