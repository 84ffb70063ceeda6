//! The checkpoint that the hashes are compacted up to, and whether the masters still have all changes.

use operators::model::ids::{CheckpointNumber, OwnerGeneration};

use super::{
    RedisCheckpoints,
    call::{Call, OnBreak, Target},
    scripts::MARK,
    server::{self, Histories},
};
use crate::checkpoint::CheckpointError;

impl RedisCheckpoints {
    /// Advances the mark, unless a master's replication id has changed since the last time.
    pub(super) fn mark(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
    ) -> Result<CheckpointNumber, CheckpointError> {
        if self.link.is_cluster() {
            self.mark_cluster(generation, number)
        } else {
            self.mark_server(generation, number)
        }
    }

    fn mark_server(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
    ) -> Result<CheckpointNumber, CheckpointError> {
        let node = self.link.nodes()?.into_iter().next().unwrap_or_default();
        let known = self.histories.get(&node).cloned().unwrap_or_default();
        let (compacted, history) = self.set_mark(generation, number, Some(&known))?;
        self.histories.insert(node, history);
        Ok(compacted)
    }

    /// The mark lies on one of the masters and implies nothing about writes on others; it is for people.
    fn mark_cluster(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
    ) -> Result<CheckpointNumber, CheckpointError> {
        let mut histories = Histories::new();
        for node in self.link.nodes()? {
            let place = Target::Node(node.clone());
            let replication = server::replication(&mut self.link, &place)?;
            let wanted = replication.online.min(self.replicas);
            if wanted > 0 {
                let confirmed = self.link.one(self.wait(&place, wanted), OnBreak::Resend)?;
                self.check_confirmed("the compacted changes", &confirmed, wanted)?;
            }
            histories.insert(node, replication.history);
        }
        let before = std::mem::replace(&mut self.histories, histories);
        if before != self.histories {
            return Ok(CheckpointNumber::default());
        }
        self.set_mark(generation, number, None).map(|(compacted, _)| compacted)
    }

    /// Returns the mark, and the replication id of the server that has it.
    fn set_mark(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
        history: Option<&str>,
    ) -> Result<(CheckpointNumber, String), CheckpointError> {
        let key = self.keys.committed();
        let answer =
            self.confirmed(&key, || Call::script(&MARK, &key).arg(generation.0).arg(number.0).arg(history))?;
        let (_, rest) = self.accept(&key, generation, answer)?;
        Ok((CheckpointNumber(self.value(&key, &rest, 0)?), self.value(&key, &rest, 1)?))
    }
}
