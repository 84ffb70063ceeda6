//! Logs that keys lie in several partitions. The keys themselves stay out of the log: they are of people.

use std::{cell::RefCell, collections::BTreeSet};

use operators::ops::evaluating::SplitKeys;

/// Logger of each `key_by` whose keys lie in several partitions, once each.
#[derive(Debug, Default)]
pub(super) struct SplitKeyLog {
    /// Each `key_by` logged so far.
    logged: RefCell<BTreeSet<String>>,
}

impl SplitKeyLog {
    /// Logs each `key_by` that is new: keys expected to stay in one partition as a warning, others for
    /// information.
    pub(super) fn log(&self, split: &[SplitKeys]) {
        for keys in split {
            if !self.logged.borrow_mut().insert(keys.key_by.clone()) {
                continue;
            }
            let SplitKeys { key_by, of_user, partitions: (first, second), .. } = keys;
            if *of_user {
                tracing::warn!(
                    key_by,
                    first = first.0,
                    second = second.0,
                    "events of one key lie in two partitions, so they have no exact order; produce events with the user as key"
                );
            } else {
                tracing::info!(
                    key_by,
                    first = first.0,
                    second = second.0,
                    "keys of this kind lie in several partitions, as expected, so their events have no exact order"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use operators::model::ids::PartitionId;

    use super::*;

    fn keys(key_by: &str, of_user: bool, key: &str) -> SplitKeys {
        SplitKeys {
            key_by: key_by.to_owned(),
            of_user,
            count: 1,
            key: key.to_owned(),
            partitions: (PartitionId(4), PartitionId(0)),
        }
    }

    #[test]
    fn each_kind_of_key_is_logged_once_and_a_users_as_a_warning() {
        let split = SplitKeyLog::default();
        let log = crate::logged::logged(|| {
            split.log(&[keys("guid", true, "1001")]);
            split.log(&[keys("guid", true, "1001"), keys("ip", false, "10.0.0.7")]);
        });
        let lines: Vec<&str> = log.lines().map(str::trim_start).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].starts_with("WARN") && lines[1].starts_with("INFO"), "{log}");
        assert!(!log.contains("1001") && !log.contains("10.0.0.7"), "{log}");
        for part in ["key_by=\"guid\"", "first=4", "second=0", "the user as key"] {
            assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
        }
        assert!(lines[1].contains("key_by=\"ip\"") && lines[1].contains("as expected"), "{log}");
    }
}
