//! Whether a cluster does its work: a pure decision.

use std::time::{Duration, Instant};

use operators::model::ids::BookGeneration;

use super::board::Standing;
use crate::protocol::numbers::Numbers;

/// A process that has told nothing for so long is not counted on.
const SILENT: Duration = Duration::from_secs(5);

impl Standing {
    /// Why the cluster can't be counted on now; empty if it can.
    pub(super) fn faults(&self, now: Instant) -> Vec<String> {
        let mut faults = Vec::new();
        for process in self.expected.processes.clone() {
            let Some(told) = self.processes.get(&process) else {
                faults.push(format!("process {process} has not joined the cluster yet"));
                continue;
            };
            let silent = now.saturating_duration_since(told.at);
            if silent > SILENT {
                faults.push(format!("process {process} has told nothing for {} s", silent.as_secs()));
            }
            let Numbers { restoring, generation, .. } = told.numbers;
            if generation == BookGeneration::default() {
                faults.push(format!("process {process} has no rules in force yet"));
            } else if restoring {
                faults.push(format!("process {process} is still taking in stored state"));
            }
        }
        faults.extend(self.checkpoint_fault(now));
        faults
    }

    fn checkpoint_fault(&self, now: Instant) -> Option<String> {
        let within = self.expected.checkpoint_within?;
        let told = self.processes.get(&0)?;
        let checkpoint = told.numbers.checkpoint.filter(|c| c.made > 0);
        let Some(checkpoint) = checkpoint else { return Some("no checkpoint is made yet".to_owned()) };
        let age = Duration::from_millis(checkpoint.age_ms) + now.saturating_duration_since(told.at);
        (age > within).then(|| {
            format!(
                "the last checkpoint is {:.1} s old, more than {:.1} s",
                age.as_secs_f64(),
                within.as_secs_f64()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::{Exit, ExitKind},
        protocol::figures::CheckpointNumbers,
        telemetry::Expected,
    };

    fn standing() -> Standing {
        Standing::new(Expected {
            processes: 0..2,
            checkpoint_within: Some(Duration::from_secs(10)),
            epoch: Duration::from_millis(50),
            supervised: true,
        })
    }

    fn numbers(worker: usize) -> Numbers {
        let checkpoint = (worker == 0).then(|| CheckpointNumbers {
            made: 1,
            age_ms: 9_000,
            ..CheckpointNumbers::default()
        });
        Numbers { worker, generation: BookGeneration(1), checkpoint, ..Numbers::default() }
    }

    fn has(faults: &[String], part: &str) -> bool {
        faults.iter().any(|fault| fault.contains(part))
    }

    #[test]
    fn every_process_must_have_joined_restored_and_taken_its_rules() {
        let (mut standing, now) = (standing(), Instant::now());
        assert!(has(&standing.faults(now), "process 1 has not joined"));
        standing.take(numbers(0), now);
        standing.take(Numbers { generation: BookGeneration(0), restoring: true, ..numbers(1) }, now);
        assert_eq!(standing.faults(now), ["process 1 has no rules in force yet"]);
        standing.take(Numbers { restoring: true, ..numbers(1) }, now);
        assert_eq!(standing.faults(now), ["process 1 is still taking in stored state"]);
        standing.take(numbers(1), now);
        assert_eq!(standing.faults(now), [] as [&str; 0]);
        let later = now + Duration::from_secs(6);
        standing.take(numbers(0), later);
        assert_eq!(standing.faults(later), ["process 1 has told nothing for 6 s"]);
    }

    #[test]
    fn checkpoints_must_go_on() {
        let (mut standing, now) = (standing(), Instant::now());
        standing.take(Numbers { checkpoint: Some(CheckpointNumbers::default()), ..numbers(0) }, now);
        standing.take(numbers(1), now);
        assert_eq!(standing.faults(now), ["no checkpoint is made yet"]);
        standing.take(numbers(0), now);
        assert_eq!(standing.faults(now), [] as [&str; 0]);
        let later = now + Duration::from_secs(2);
        assert_eq!(standing.faults(later), ["the last checkpoint is 11.0 s old, more than 10.0 s"]);
        standing.expected.checkpoint_within = None;
        assert_eq!(standing.faults(later), [] as [&str; 0]);
    }

    #[test]
    fn after_a_restart_everything_has_to_be_seen_anew() {
        let (mut standing, now) = (standing(), Instant::now());
        standing.take(numbers(0), now);
        standing.take(numbers(1), now);
        let kind = ExitKind::Failed;
        let cause = Exit {
            process: 1,
            generation: 1,
            code: Some(84),
            signal: None,
            kind,
            reason: "it failed".to_owned(),
        };
        standing.restart(2, cause);
        assert_eq!(standing.faults(now).len(), 2);
        assert_eq!((standing.generation, standing.restarts), (2, 1));
    }
}
