//! Time from a rule's UPDATE in the database until it is in force everywhere.

use std::time::Instant;

use serde_json::json;

use super::{Bench, Json, wrong};
use crate::{Error, harness::table::Table};

impl Bench<'_> {
    /// Measures from a rule's UPDATE to the message that it is in force on all workers.
    pub(super) fn publishing(&self) -> Result<Table, Error> {
        let name = "publishing";
        self.topics(name);
        sources::rules::migrate_mysql(self.mariadb.url()).map_err(wrong)?;
        for (id, document) in self.plan.workload.rule_documents() {
            self.put(&id, &document);
        }
        self.configure(name, self.mariadb.url(), Some(1_000))?;
        let mut running = self.start()?.ready()?;
        let (id, document) = self.plan.workload.rule_documents().next().ok_or_else(|| wrong("no rules"))?;
        let mut took = Vec::new();
        for edit in 0..100 {
            let mut document: Json = serde_json::from_str(&document).map_err(wrong)?;
            document["name"] = json!(format!("edit {edit}"));
            let begun = Instant::now();
            self.put(&id, &document.to_string());
            running.log_until("rule in force")?;
            took.push(begun.elapsed().as_millis());
        }
        running.stop()?;
        let mut table = Table::new(&["UPDATE to in force", "edits", "p50 ms", "p99 ms", "max ms"]);
        table.row(row(&format!("{} processes", self.plan.processes), took));
        Ok(table)
    }

    /// Puts a rule online, or edits it.
    pub(super) fn put(&self, id: &str, document: &str) {
        let document = document.replace('\\', "\\\\").replace('\'', "''");
        self.mariadb.execute(&format!(
            "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('{id}', '{document}')
             ON DUPLICATE KEY UPDATE rule_json = VALUES(rule_json)"
        ));
    }
}

/// Row of a table: the number of times, and percentiles and the maximum of what they took, ms.
pub(super) fn row(what: &str, mut took: Vec<u128>) -> impl Iterator<Item = String> {
    took.sort_unstable();
    let last = took.len().saturating_sub(1);
    let at = |place: usize| took.get(place).copied().unwrap_or(0);
    let figures = [
        took.len() as u128,
        at(took.len() / 2),
        at((took.len() * 99).div_ceil(100).saturating_sub(1)),
        at(last),
    ];
    [what.to_owned()].into_iter().chain(figures.map(|figure| figure.to_string()))
}
