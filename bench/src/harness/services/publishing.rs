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
        took.sort_unstable();
        let mut table = Table::new(&["UPDATE to in force", "edits", "p50 ms", "p99 ms", "max ms"]);
        let figures = [took.len() as u128, took[50], took[98], took[99]].map(|f| f.to_string());
        table.row([format!("{} processes", self.plan.processes)].into_iter().chain(figures));
        Ok(table)
    }

    fn put(&self, id: &str, document: &str) {
        let document = document.replace('\\', "\\\\").replace('\'', "''");
        self.mariadb.execute(&format!(
            "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('{id}', '{document}')
             ON DUPLICATE KEY UPDATE rule_json = VALUES(rule_json)"
        ));
    }
}
