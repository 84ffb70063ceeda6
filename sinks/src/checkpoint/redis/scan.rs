//! Reading in portions: the fields of a hash, the keys of the prefix.

use std::{
    collections::BTreeSet,
    panic::resume_unwind,
    sync::mpsc::{self, SyncSender},
    thread,
};

use redis::{Value, cmd};

use super::{
    RedisCheckpoints,
    call::{Call, OnBreak, Target},
    keys::unescape,
};
use crate::checkpoint::CheckpointError;

/// Entries that a server visits per call.
const PORTION: usize = 1000;
/// Portions read ahead.
const AHEAD: usize = 4;

impl RedisCheckpoints {
    /// Keys on all masters that begin with the prefix and `begin`.
    pub(super) fn keys_beginning(&mut self, begin: &str) -> Result<BTreeSet<String>, CheckpointError> {
        let pattern = self.keys.pattern(begin);
        let mut found = BTreeSet::new();
        for node in self.link.nodes()? {
            let place = Target::Node(node);
            let mut cursor = 0;
            loop {
                let mut command = cmd("SCAN");
                command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(PORTION);
                let answer = self.link.one(Call::at(&place, command), OnBreak::Resend)?;
                let (next, keys): (u64, Vec<Vec<u8>>) = self.read(&pattern, answer)?;
                // A key that is not UTF-8 is not one of ours.
                found.extend(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()));
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Passes all fields of a hash to `each`. A thread requests portions ahead, so that the server and this
    /// side work at the same time.
    pub(super) fn scan_hash(
        &mut self,
        hash: &str,
        each: &mut dyn FnMut(&str, &str),
    ) -> Result<(), CheckpointError> {
        let place = self.link.place();
        thread::scope(|scope| {
            let (to, portions) = mpsc::sync_channel(AHEAD);
            let requests = scope.spawn(move || self.request_entries(hash, &to));
            for (key, entries) in portions {
                hand_on(&entries, &format!("{key} at {place}"), each)?;
            }
            requests.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Requests the entries of all buckets; ends early if the receiver is gone.
    fn request_entries(&mut self, hash: &str, to: &SyncSender<Entries>) -> Result<(), CheckpointError> {
        for bucket in 0..self.keys.buckets() {
            let key = self.keys.hash(hash, bucket);
            let mut cursor = 0;
            loop {
                let mut command = cmd("HSCAN");
                command.arg(&key).arg(cursor).arg("COUNT").arg(PORTION);
                let answer = self.link.one(Call::new(&key, command), OnBreak::Resend)?;
                let (next, entries): (u64, Vec<Value>) = self.read(&key, answer)?;
                if to.send((key.clone(), entries)).is_err() {
                    return Ok(());
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// A key, and its fields and texts in turn.
type Entries = (String, Vec<Value>);

fn hand_on(entries: &[Value], place: &str, each: &mut dyn FnMut(&str, &str)) -> Result<(), CheckpointError> {
    for entry in entries.chunks_exact(2) {
        let (field, text) = (text(place, &entry[0])?, text(place, &entry[1])?);
        if let Some(field) = unescape(field) {
            each(field, text);
        }
    }
    Ok(())
}

fn text<'v>(place: &str, value: &'v Value) -> Result<&'v str, CheckpointError> {
    let text = if let Value::BulkString(bytes) = value { std::str::from_utf8(bytes).ok() } else { None };
    text.ok_or_else(|| CheckpointError::Format {
        place: place.to_owned(),
        reason: format!("{value:?} is not UTF-8; delete the field (HDEL), or the key and restart"),
    })
}
