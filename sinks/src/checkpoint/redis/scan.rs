//! Reading everything in portions: the fields of a hash, the keys of the prefix.

use std::collections::BTreeSet;

use redis::{Value, cmd};

use super::{
    RedisCheckpoints,
    keys::restored,
    link::{Call, OnBreak, Place},
};
use crate::checkpoint::CheckpointError;

/// How many entries a server looks at in one piece.
const PORTION: usize = 1000;

impl RedisCheckpoints {
    /// The keys that begin with this after the prefix, on all masters.
    pub(super) fn keys_beginning(&mut self, begin: &str) -> Result<BTreeSet<String>, CheckpointError> {
        let pattern = self.keys.pattern(begin);
        let mut found = BTreeSet::new();
        for node in self.link.nodes()? {
            let place = Place::Node(node);
            let mut cursor = 0;
            loop {
                let mut command = cmd("SCAN");
                command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(PORTION);
                let answer = self.link.one(Call::at(&place, command), OnBreak::Resend)?;
                let (next, keys): (u64, Vec<Vec<u8>>) = self.read(&pattern, answer)?;
                // A key that is no text is not one of ours.
                found.extend(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()));
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(found)
    }

    pub(super) fn scan_hash(
        &mut self,
        hash: &str,
        each: &mut dyn FnMut(&str, &str),
    ) -> Result<(), CheckpointError> {
        for bucket in 0..self.keys.buckets() {
            let key = self.keys.hash(hash, bucket);
            let mut cursor = 0;
            loop {
                let mut command = cmd("HSCAN");
                command.arg(&key).arg(cursor).arg("COUNT").arg(PORTION);
                let answer = self.link.one(Call::new(&key, command), OnBreak::Resend)?;
                let (next, entries): (u64, Vec<Value>) = self.read(&key, answer)?;
                for entry in entries.chunks_exact(2) {
                    let (field, text) = (self.text(&key, &entry[0])?, self.text(&key, &entry[1])?);
                    if let Some(field) = restored(field) {
                        each(field, text);
                    }
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    fn text<'v>(&self, key: &str, value: &'v Value) -> Result<&'v str, CheckpointError> {
        let text = if let Value::BulkString(bytes) = value { std::str::from_utf8(bytes).ok() } else { None };
        text.ok_or_else(|| CheckpointError::Format {
            place: format!("{key} at {}", self.link.place()),
            reason: format!("{value:?} is not UTF-8; delete the field (HDEL), or the key and restart"),
        })
    }
}
