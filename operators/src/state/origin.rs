//! Origin: the partition of a key's records.

use crate::model::ids::PartitionId;

/// Partition of a key's records: none yet, one, or several. As small as a partition's number, since every key
/// has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(PartitionId);

impl Origin {
    /// No record yet. Partition numbers are far below this value and the next.
    pub const UNKNOWN: Origin = Origin(PartitionId(u32::MAX));
    /// Records of several partitions.
    pub const SEVERAL: Origin = Origin(PartitionId(u32::MAX - 1));

    /// Records a partition. If it is the second one, returns the first: at most once.
    pub fn see(&mut self, partition: PartitionId) -> Option<PartitionId> {
        match *self {
            Origin::SEVERAL => None,
            Origin::UNKNOWN => {
                *self = Origin(partition);
                None
            }
            Origin(first) if first == partition => None,
            Origin(first) => {
                *self = Origin::SEVERAL;
                Some(first)
            }
        }
    }
}

impl Default for Origin {
    fn default() -> Self {
        Origin::UNKNOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_partition_is_told_of_once() {
        let mut origin = Origin::default();
        assert_eq!(
            [4, 4, 0, 4, 7, 0].map(|partition| origin.see(PartitionId(partition)).map(|first| first.0)),
            [None, None, Some(4), None, None, None]
        );
        assert_eq!(origin, Origin::SEVERAL);
    }
}
