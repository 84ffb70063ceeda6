//! Number of condition states that a workload leaves behind, counted without the engine's own state.
//!
//! A state is a pair of a key and a condition to which at least one event was routed. The number belongs to
//! the workload, so memory per state can be compared between engines that keep states in different ways, and
//! with those that keep more of them.

use std::{path::Path, time::Duration};

use hashbrown::HashSet;
use operators::{model::routed::Routed, rule::book::Target};
use sources::{
    SourceError,
    events::{EventSource as _, FileSource, LineConfig, Next},
};

use crate::{Error, prepared::Prepared, workload::draw::scatter};

/// Matches all events of a file and counts the states; takes about 16 bytes for each, and as long as a
/// replay spends on matching.
///
/// # Errors
/// If the file can't be read.
pub fn count(rules: &Prepared, events: &Path) -> Result<u64, Error> {
    let unreadable = |error: SourceError| Error::Usage(format!("{}: {error}", events.display()));
    let mut source = FileSource::open(events, LineConfig::default()).map_err(unreadable)?;
    let mut matcher = rules.matcher();
    let (mut routed, mut refused, mut states) = (Routed::default(), Vec::new(), HashSet::<u64>::new());
    loop {
        match source.next(Duration::MAX).map_err(unreadable)? {
            Next::Batch(batch) => {
                routed.clear();
                refused.clear();
                matcher.batch(&batch, &mut routed, &mut refused);
                add(rules, &routed, &mut states);
            }
            Next::End => return Ok(states.len() as u64),
            Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
        }
    }
}

/// Adds the states of routed records, each as a hash of key, rule and condition.
fn add(rules: &Prepared, routed: &Routed, states: &mut HashSet<u64>) {
    for record in (0..routed.len()).filter_map(|i| routed.get(i)) {
        for filter in record.targets {
            if let Some(Target::Condition { rule, condition, .. }) = rules.book.targets.get(*filter as usize)
            {
                let place = u64::from(*rule) << 16 | u64::from(*condition);
                states.insert(scatter(record.hash ^ scatter(place)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_state_is_counted_once_per_key_and_condition() {
        let rule = r#"{
            "rule_id": "r",
            "crowd": {"guids": [1, 2]},
            "conditions": [
                {"id": "a", "calculator": "count", "event": {"id": "A"}},
                {"id": "ab", "calculator": "sequence", "steps": [{"id": "A"}, {"id": "B"}]},
                {"id": "none", "calculator": "count", "event": {"id": "C"}}
            ],
            "trigger": {"event": {"id": "D"}}
        }"#;
        let rules = Prepared::compile([("r".to_owned(), rule.to_owned())], 0).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let event = |guid: u64, id: &str| {
            format!("{{\"guid\":{guid},\"event_id\":\"{id}\",\"event_time\":1793491200000}}\n")
        };
        // Both conditions of 1, the sequence of 2; 3 is not in the crowd, and D only triggers.
        let events = [(1, "A"), (1, "A"), (1, "B"), (2, "B"), (2, "D"), (3, "A")];
        fs::write(&path, events.map(|(guid, id)| event(guid, id)).concat()).unwrap();
        assert_eq!(count(&rules, &path).unwrap(), 3);
        assert!(count(&rules, &folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
