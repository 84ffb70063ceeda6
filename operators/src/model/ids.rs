//! Numbers that identify something, each a type of its own, so that none is taken for another.
//!
//! **Invariant**: each serializes as its bare number, also as a key of a map; [`ByPartition`] as an array of
//! pairs, ascending by partition. Manifests, tables and metrics are written by that.

use std::{
    collections::{BTreeMap, btree_map},
    fmt,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Defines newtypes of an integer.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($raw:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $raw);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A partition of the events, as Kafka numbers it; a file or stream is partition 0.
    PartitionId(u32);
    /// The position of a record in its partition: Kafka's offset, or the line number from 0.
    Offset(u64);
    /// A moment on the ingest clock, unix ms.
    IngestTime(i64);
    /// Number of a checkpoint; ascends over all runs. 0 is before the first.
    CheckpointNumber(u64);
    /// Fencing token: number of the engine that owns the state, above those of all earlier owners; 0 where no
    /// state is kept.
    OwnerGeneration(u64);
    /// Number of a rule book: of the change set that made it. 0 is the empty book.
    BookGeneration(u64);
}

impl PartitionId {
    /// The worker that reads the partition, of `workers`.
    pub fn worker(self, workers: u32) -> u32 {
        self.0 % workers
    }
}

impl Offset {
    /// The offset behind this one.
    pub fn next(self) -> Self {
        Offset(self.0 + 1)
    }

    /// Number of offsets from `earlier` to before this one; 0 if that lies behind it.
    pub fn records_from(self, earlier: Offset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl CheckpointNumber {
    /// Above every checkpoint.
    pub const MAX: CheckpointNumber = CheckpointNumber(u64::MAX);

    /// The number of the next checkpoint.
    pub fn next(self) -> Self {
        CheckpointNumber(self.0 + 1)
    }
}

impl OwnerGeneration {
    /// The generation of the next owner.
    pub fn next(self) -> Self {
        OwnerGeneration(self.0 + 1)
    }
}

impl BookGeneration {
    /// The generation of the next book.
    pub fn next(self) -> Self {
        BookGeneration(self.0 + 1)
    }
}

impl IngestTime {
    /// Before every event: a clock that stands here holds back all timers.
    pub const MIN: IngestTime = IngestTime(i64::MIN);
    /// After every event: a clock that stands here holds back nothing.
    pub const MAX: IngestTime = IngestTime(i64::MAX);

    /// The moment behind this one; [`MAX`](Self::MAX) stays.
    pub fn next(self) -> Self {
        IngestTime(self.0.saturating_add(1))
    }
}

/// First offset not read, by partition.
///
/// ```
/// use strateye_operators::model::ids::{Offset, PartitionId, Positions};
///
/// let mut positions = Positions::from([(PartitionId(1), Offset(7))]);
/// positions.advance(PartitionId(0), Offset(3));
/// positions.advance(PartitionId(1), Offset(5));
/// assert_eq!(positions.get(PartitionId(1)), Some(Offset(7)));
/// assert_eq!(serde_json::to_string(&positions).unwrap(), "[[0,3],[1,7]]");
/// ```
pub type Positions = ByPartition<Offset>;

/// The ingest clocks: the highest ingest time read, by partition. The [least](ByPartition::least) is that of
/// the timers.
pub type Clocks = ByPartition<IngestTime>;

/// A value for each of some partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByPartition<T>(BTreeMap<PartitionId, T>);

impl<T: Copy + Ord> ByPartition<T> {
    /// The value of a partition.
    pub fn get(&self, partition: PartitionId) -> Option<T> {
        self.0.get(&partition).copied()
    }

    /// Sets the value of a partition, even back.
    pub fn insert(&mut self, partition: PartitionId, value: T) {
        self.0.insert(partition, value);
    }

    /// Moves the value of a partition on to `value`, never back, and returns what it is then.
    pub fn advance(&mut self, partition: PartitionId, value: T) -> T {
        let current = self.0.entry(partition).or_insert(value);
        *current = value.max(*current);
        *current
    }

    /// The least value, with its partition: of several the first. `None` without partitions.
    pub fn least(&self) -> Option<(PartitionId, T)> {
        self.iter().min_by_key(|(_, value)| *value)
    }

    /// All values, ascending by partition.
    pub fn iter(&self) -> impl Iterator<Item = (PartitionId, T)> + '_ {
        self.0.iter().map(|(partition, value)| (*partition, *value))
    }

    /// All partitions, ascending.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> + '_ {
        self.0.keys().copied()
    }

    /// Whether the partition has a value.
    pub fn contains(&self, partition: PartitionId) -> bool {
        self.0.contains_key(&partition)
    }
}

impl<T> ByPartition<T> {
    /// How many partitions have a value.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no partition has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values as a map, which serializes as one.
    pub fn as_map(&self) -> &BTreeMap<PartitionId, T> {
        &self.0
    }
}

/// As it was written before partitions and values had types: `[(0, 3), (1, 7)]`.
impl<T: fmt::Display> fmt::Display for ByPartition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |(partition, value): (&PartitionId, &T)| format!("({partition}, {value})");
        write!(f, "[{}]", self.0.iter().map(pair).collect::<Vec<_>>().join(", "))
    }
}

impl<T, const N: usize> From<[(PartitionId, T); N]> for ByPartition<T> {
    fn from(pairs: [(PartitionId, T); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<T> FromIterator<(PartitionId, T)> for ByPartition<T> {
    fn from_iter<I: IntoIterator<Item = (PartitionId, T)>>(pairs: I) -> Self {
        ByPartition(pairs.into_iter().collect())
    }
}

impl<T> Extend<(PartitionId, T)> for ByPartition<T> {
    fn extend<I: IntoIterator<Item = (PartitionId, T)>>(&mut self, pairs: I) {
        self.0.extend(pairs);
    }
}

impl<T> IntoIterator for ByPartition<T> {
    type Item = (PartitionId, T);
    type IntoIter = btree_map::IntoIter<PartitionId, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Serialize> Serialize for ByPartition<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByPartition<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const P: [PartitionId; 3] = [PartitionId(0), PartitionId(1), PartitionId(2)];

    #[test]
    fn positions_advance_and_are_set_back_only_by_hand() {
        let mut positions = Positions::default();
        assert_eq!(positions.advance(P[1], Offset(7)), Offset(7));
        assert_eq!(positions.advance(P[1], Offset(5)), Offset(7));
        positions.insert(P[1], Offset(5));
        positions.extend([(P[0], Offset(9)), (P[1], Offset(4))]);
        assert_eq!(positions, Positions::from([(P[0], Offset(9)), (P[1], Offset(4))]));
    }

    #[test]
    fn the_least_clock_is_the_first_of_several() {
        assert_eq!(Clocks::default().least(), None);
        let at = |ms: [i64; 3]| P.into_iter().zip(ms.map(IngestTime)).collect::<Clocks>();
        assert_eq!(at([5, 3, 3]).least(), Some((P[1], IngestTime(3))));
        assert_eq!(at([5, 3, i64::MIN]).least(), Some((P[2], IngestTime::MIN)));
    }

    #[test]
    fn by_partition_is_an_array_of_pairs_and_ids_are_numbers() {
        let clocks = Clocks::from([(P[2], IngestTime(-1)), (P[0], IngestTime::MIN)]);
        let text = "[[0,-9223372036854775808],[2,-1]]";
        assert_eq!(serde_json::to_string(&clocks).unwrap(), text);
        assert_eq!(serde_json::from_str::<Clocks>(text).unwrap(), clocks);
        assert_eq!(serde_json::from_value::<Clocks>(json!([[2, -1], [0, i64::MIN]])).unwrap(), clocks);
        let map = Positions::from([(P[1], Offset(7))]);
        assert_eq!(json!(map.as_map()), json!({"1": 7}));
        assert_eq!(
            serde_json::from_str::<BTreeMap<PartitionId, Offset>>("{\"1\":7}").unwrap(),
            *map.as_map()
        );
        assert_eq!((map.to_string(), clocks.len()), ("[(1, 7)]".to_owned(), 2));
    }

    #[test]
    fn workers_share_out_the_partitions() {
        assert_eq!([0, 4, 7].map(|p| PartitionId(p).worker(4)), [0, 0, 3]);
    }
}
