//! Says once of each `key_by` that a key of it lies in several partitions.

use std::{cell::RefCell, collections::BTreeSet};

use operators::ops::evaluating::SplitKeys;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct SplitNews {
    said: RefCell<BTreeSet<String>>,
}

impl SplitNews {
    /// Says what is new: a warning of keys that were expected to stay in one partition, a remark on others.
    pub(super) fn tell(&self, split: &[SplitKeys]) {
        for keys in split {
            if !self.said.borrow_mut().insert(keys.key_by.clone()) {
                continue;
            }
            let SplitKeys { key_by, of_user, key, partitions: (first, second), .. } = keys;
            if *of_user {
                tracing::warn!(
                    key_by,
                    key,
                    first,
                    second,
                    "events of one key lie in two partitions, so they have no exact order; produce events with the user as key"
                );
            } else {
                tracing::info!(
                    key_by,
                    key,
                    first,
                    second,
                    "keys of this kind lie in several partitions, as is to be expected, so their events have no exact order"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key_by: &str, of_user: bool, key: &str) -> SplitKeys {
        SplitKeys { key_by: key_by.to_owned(), of_user, count: 1, key: key.to_owned(), partitions: (4, 0) }
    }

    #[test]
    fn each_kind_of_key_is_told_of_once_and_a_users_as_a_warning() {
        let news = SplitNews::default();
        let log = crate::logged::logged(|| {
            news.tell(&[keys("guid", true, "1001")]);
            news.tell(&[keys("guid", true, "1001"), keys("ip", false, "10.0.0.7")]);
        });
        let lines: Vec<&str> = log.lines().map(str::trim_start).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].starts_with("WARN") && lines[1].starts_with("INFO"), "{log}");
        for part in ["key_by=\"guid\"", "key=\"1001\"", "first=4", "second=0", "the user as key"] {
            assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
        }
        assert!(lines[1].contains("key_by=\"ip\"") && lines[1].contains("to be expected"), "{log}");
    }
}
