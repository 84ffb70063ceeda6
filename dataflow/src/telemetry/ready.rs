//! Readiness of a cluster: a pure decision.

use std::time::{Duration, Instant};

use operators::model::ids::BookGeneration;

use super::board::ClusterStatus;
use crate::protocol::numbers::Numbers;

/// Silence after which a process counts as not ready.
const SILENT: Duration = Duration::from_secs(5);

impl ClusterStatus {
    /// Reasons why the cluster is not ready now; empty if it is.
    pub(crate) fn faults(&self, now: Instant) -> Vec<String> {
        let mut faults = Vec::new();
        for process in self.expected.processes.clone() {
            let Some(latest) = self.processes.get(&process) else {
                faults.push(format!("process {process} has not joined the cluster yet"));
                continue;
            };
            let silent = now.saturating_duration_since(latest.at);
            if silent > SILENT {
                faults.push(format!("process {process} has reported nothing for {} s", silent.as_secs()));
            }
            let Numbers { restoring, generation, ref awaits, .. } = latest.numbers;
            faults.extend(awaits.iter().map(|awaited| format!("process {process} waits for {awaited}")));
            if generation == BookGeneration::default() {
                faults.push(format!("process {process} has no rules in force yet"));
            } else if restoring {
                faults.push(format!("process {process} is still restoring its state"));
            }
        }
        faults.extend(self.checkpoint_fault(now));
        faults
    }

    fn checkpoint_fault(&self, now: Instant) -> Option<String> {
        let within = self.expected.checkpoint_within?;
        let latest = self.processes.get(&0)?;
        let checkpoint = latest.numbers.checkpoint.filter(|c| c.made > 0);
        let Some(checkpoint) = checkpoint else { return Some("no checkpoint has been made yet".to_owned()) };
        let age = Duration::from_millis(checkpoint.age_ms) + now.saturating_duration_since(latest.at);
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
        cluster::{ClusterGeneration, Exit, ExitKind},
        protocol::figures::CheckpointFigures,
        telemetry::Expected,
    };

    fn status() -> ClusterStatus {
        ClusterStatus::new(Expected {
            processes: 0..2,
            checkpoint_within: Some(Duration::from_secs(10)),
            epoch: Duration::from_millis(50),
            supervised: true,
        })
    }

    fn numbers(worker: usize) -> Numbers {
        let checkpoint = (worker == 0).then(|| CheckpointFigures {
            made: 1,
            age_ms: 9_000,
            ..CheckpointFigures::default()
        });
        Numbers { worker, generation: BookGeneration(1), checkpoint, ..Numbers::default() }
    }

    fn has(faults: &[String], part: &str) -> bool {
        faults.iter().any(|fault| fault.contains(part))
    }

    #[test]
    fn every_process_must_have_joined_restored_and_taken_its_rules() {
        let (mut status, now) = (status(), Instant::now());
        assert!(has(&status.faults(now), "process 1 has not joined"));
        status.take(numbers(0), now);
        status.take(Numbers { generation: BookGeneration(0), restoring: true, ..numbers(1) }, now);
        assert_eq!(status.faults(now), ["process 1 has no rules in force yet"]);
        status.take(Numbers { restoring: true, ..numbers(1) }, now);
        assert_eq!(status.faults(now), ["process 1 is still restoring its state"]);
        status.take(numbers(1), now);
        assert_eq!(status.faults(now), [] as [&str; 0]);
        let later = now + Duration::from_secs(6);
        status.take(numbers(0), later);
        assert_eq!(status.faults(later), ["process 1 has reported nothing for 6 s"]);
    }

    #[test]
    fn checkpoints_must_go_on() {
        let (mut status, now) = (status(), Instant::now());
        status.take(Numbers { checkpoint: Some(CheckpointFigures::default()), ..numbers(0) }, now);
        status.take(numbers(1), now);
        assert_eq!(status.faults(now), ["no checkpoint has been made yet"]);
        status.take(numbers(0), now);
        assert_eq!(status.faults(now), [] as [&str; 0]);
        let later = now + Duration::from_secs(2);
        assert_eq!(status.faults(later), ["the last checkpoint is 11.0 s old, more than 10.0 s"]);
        status.expected.checkpoint_within = None;
        assert_eq!(status.faults(later), [] as [&str; 0]);
    }

    #[test]
    fn after_a_restart_everything_has_to_be_seen_anew() {
        let (mut status, now) = (status(), Instant::now());
        status.take(numbers(0), now);
        status.take(numbers(1), now);
        let kind = ExitKind::Failed;
        let cause = Exit {
            process: 1,
            generation: ClusterGeneration(1),
            code: Some(84),
            signal: None,
            kind,
            reason: "it failed".to_owned(),
        };
        status.restart(ClusterGeneration(2), cause);
        assert_eq!(status.faults(now).len(), 2);
        assert_eq!((status.generation.0, status.restarts), (2, 1));
    }
}
