//! Time until an edit and a pause are in force while the crowd of another rule changes.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Bench, Json, Running, publishing::row, wrong};
use crate::{Error, harness::table::Table};

/// Number of changes of the crowd beside which there is an edit, and beside which there is a pause.
const CHANGES: usize = 30;

/// A rule and the state that it is to have on all workers.
type Wanted<'w> = (&'w str, &'w str);

impl Bench<'_> {
    /// Measures from UPDATEs in the database to the messages that they are in force on all workers: of a
    /// rule whose crowd changes, and of another rule that is edited or paused right after it.
    pub(super) fn crowds(&self) -> Result<Table, Error> {
        let name = "crowds";
        self.topics(name);
        sources::rules::migrate_mysql(self.mariadb.url()).map_err(wrong)?;
        let mut documents = Vec::new();
        for (id, document) in self.plan.workload.rule_documents() {
            self.put(&id, &document);
            documents.push((id, serde_json::from_str::<Json>(&document).map_err(wrong)?));
        }
        let [(changing, first), (edited, second), ..] = &documents[..] else {
            return Err(wrong("crowds are measured with two rules or more; give --rules 50"));
        };
        let crowds: Vec<&Json> = documents.iter().map(|(_, document)| &document["crowd"]).collect();
        self.configure(name, self.mariadb.url(), Some(1_000))?;
        let mut running = self.start()?.ready()?;
        let (mut change, mut edit, mut pause) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=2 * CHANGES {
            let mut other = first.clone();
            other["crowd"] = crowds[number % crowds.len()].clone();
            let text = other.to_string();
            let begun = Instant::now();
            self.put(changing, &text);
            let (state, others) = if number % 2 == 1 {
                let mut document = second.clone();
                document["name"] = json!(format!("edit {number}"));
                self.put(edited, &document.to_string());
                ("live", &mut edit)
            } else {
                self.set_status(edited, "paused");
                ("paused", &mut pause)
            };
            let [of_crowd, of_other] =
                in_force(&mut running, begun, [(changing.as_str(), "live"), (edited.as_str(), state)])?;
            change.push(of_crowd.as_millis());
            others.push(of_other.as_millis());
            if state == "paused" {
                self.set_status(edited, "online");
                in_force(&mut running, Instant::now(), [(edited.as_str(), "live")])?;
            }
        }
        running.stop()?;
        let what =
            format!("UPDATE to in force, {} rules, {} processes", documents.len(), self.plan.processes);
        let mut table = Table::new(&[&what, "times", "p50 ms", "p99 ms", "max ms"]);
        table.row(row("another crowd", change));
        table.row(row("an edit meanwhile", edit));
        table.row(row("a pause meanwhile", pause));
        Ok(table)
    }

    fn set_status(&self, id: &str, status: &str) {
        self.mariadb
            .execute(&format!("UPDATE rule_engine_resource SET status = '{status}' WHERE rule_id = '{id}'"));
    }
}

/// Waits until these rules are in these states on all workers; returns the time since `begun` of each.
fn in_force<const N: usize>(
    running: &mut Running,
    begun: Instant,
    wanted: [Wanted<'_>; N],
) -> Result<[Duration; N], Error> {
    let mut at = [None; N];
    while at.iter().any(Option::is_none) {
        let line = running.log_until("rule in force")?;
        for ((id, state), at) in wanted.iter().zip(&mut at) {
            if line.contains(&format!(r#""rule_id":"{id}""#))
                && line.contains(&format!(r#""state":"{state}""#))
            {
                at.get_or_insert(begun.elapsed());
            }
        }
    }
    Ok(at.map(Option::unwrap_or_default))
}
