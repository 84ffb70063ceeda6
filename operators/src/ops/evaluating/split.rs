//! Split keys: keys with records of more than one partition.
//!
//! Events are in order only within a partition. So for such a key, outcomes that depend on the order of
//! events may differ after a recovery. Keys of a user or a device are expected to stay in one partition;
//! others, like an `ip`, are known not to.
//!
//! **Limits**: checkpoints do not contain the split keys, so after a restart of the cluster keys are counted
//! anew. A key is forgotten when it has no state any more, and may then be counted again, or its move be
//! missed.

use std::collections::BTreeMap;

use super::Evaluator;
use crate::{
    model::{ids::PartitionId, routed::RoutedRecord},
    rule::book::RuleBook,
};

/// Keys of one `key_by` that had records of more than one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitKeys {
    /// Names of the key's fields, separated by commas.
    pub key_by: String,
    /// Whether such keys are expected to stay in one partition.
    pub of_user: bool,
    /// Number of keys.
    pub count: u64,
    /// Text of the first one found.
    pub key: String,
    /// First and second partition of that key.
    pub partitions: (PartitionId, PartitionId),
}

/// Keys found in several partitions, by group.
#[derive(Debug, Default)]
pub(super) struct Split {
    of_group: BTreeMap<u32, SplitKeys>,
    /// Whether there are more than at the last report.
    more: bool,
}

impl Split {
    /// Counts a key found in a second partition, that of `record`; `first` is the one before.
    pub(super) fn note(&mut self, book: &RuleBook, record: &RoutedRecord<'_>, first: PartitionId) {
        let Some(fields) = book.keys.get(record.key_group as usize) else { return };
        let keys = self.of_group.entry(record.key_group).or_insert_with(|| SplitKeys {
            key_by: fields.names(&book.fields),
            of_user: fields.of_user(),
            count: 0,
            key: record.key.to_owned(),
            partitions: (first, record.partition),
        });
        keys.count += 1;
        self.more = true;
    }
}

impl Evaluator {
    /// Keys found in more than one partition so far, by `key_by`; `None` if their number has not grown since
    /// the last call.
    pub fn take_split(&mut self) -> Option<Vec<SplitKeys>> {
        std::mem::take(&mut self.split.more).then(|| self.split.of_group.values().cloned().collect())
    }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
