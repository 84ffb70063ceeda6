//! Checkpoints in a Redis server or a Redis Cluster, for several machines and for people who look at state.
//!
//! Each atomic step is one Lua script on one key, so that the same steps work in a cluster. The keys are
//! listed in `keys.rs`; leases follow the server's clock.
//!
//! **Durability** is that of the server's `appendfsync`. If it has replicas, a blob, a commit, a mark and the
//! acquisition of the ownership wait until as many have it as configured. A Redis that lost writes
//! nevertheless (fail-over, `appendfsync everysec`) shows in the result of
//! [`renew`](super::CheckpointStore::renew).
//!
//! **Compacted up to**: a master's history of writes has an id (`master_replid`), which changes at every
//! start and every fail-over. If it is the same as at this handle's last mark, or when the handle was opened,
//! then the master has all changes made since. A server compares its id and sets the mark in one step, so the
//! mark follows those changes in the same log. In a cluster all masters are queried, and wait for their
//! replicas, before the mark is set.
//!
//! **If the connection breaks**, it is opened again once and the call repeated, except for `push_edit`, which
//! would add its edit twice. A server that does not answer in time is not called again. Either way the caller
//! gets `Unavailable`.
//!
//! **Limits**: Redis 6.2 or later (or a server that is compatible), `maxmemory-policy noeviction`. A change
//! of a hash is atomic per bucket and 1,000 fields; with several buckets each of them is fenced separately.
//! Dropping a hash is atomic per bucket.
//!
//! | file | content |
//! | --- | --- |
//! | `config`, `url`, `tls` | settings |
//! | `keys`, `slots` | names of keys; which node serves which |
//! | `call`, `link` | commands; connections over which they are sent |
//! | `server`, `history` | fitness, replication and history of the servers |
//! | `scripts` | the Lua scripts |
//! | `store`, `fold`, `scan` | the calls of the store |
//! | `failure` | errors |

mod call;
mod config;
mod failure;
mod fold;
mod history;
mod keys;
mod link;
mod scan;
mod scripts;
mod server;
mod slots;
mod store;
mod tls;
mod url;

use ::redis::{FromRedisValue, Value, cmd, from_redis_value};
use call::{Call, OnBreak, Target};
pub use config::RedisConfig;
use keys::Keys;
use link::Link;
use operators::model::ids::{CheckpointNumber, OwnerGeneration};
use server::Histories;

use super::CheckpointError;

/// Version of the stored format; another one is refused.
const FORMAT: &str = "1";
/// Most attempts of a write whose replicas could not be determined.
const CONFIRMATIONS: usize = 3;

/// Checkpoint store in Redis.
pub struct RedisCheckpoints {
    link: Link,
    keys: Keys,
    timeout_ms: u64,
    replicas: u8,
    /// Generation and owner's name that this handle has acquired: a Redis that lost writes may give a
    /// generation out again, the name distinguishes them.
    taken: Option<(OwnerGeneration, String)>,
    /// The last commit that this handle knows of; a Redis without it has lost writes.
    last: Option<CheckpointNumber>,
    /// Replication ids of the masters at the last mark.
    histories: Histories,
}

impl std::fmt::Debug for RedisCheckpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisCheckpoints").field("at", &self.link.place()).field("keys", &self.keys).finish()
    }
}

impl RedisCheckpoints {
    /// Connects, and checks that the server, or every master of the cluster, is fit to keep checkpoints.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`] for a setting, [`CheckpointError::Unavailable`] if there is no answer,
    /// [`CheckpointError::BadServer`] if the server may evict state, is too old or of the other kind, and
    /// [`CheckpointError::Format`] if the prefix is in use with another number of buckets or by another
    /// release.
    pub fn open(config: &RedisConfig) -> Result<Self, CheckpointError> {
        let mut link = Link::new(config.check()?, config.cluster, config.timeout());
        let histories = server::check(&mut link, config.cluster)?;
        let mut store = RedisCheckpoints {
            link,
            keys: Keys::new(&config.prefix, config.buckets),
            timeout_ms: config.timeout_ms,
            replicas: config.replicas,
            taken: None,
            last: None,
            histories,
        };
        store.check_form()?;
        Ok(store)
    }

    /// Refuses a prefix that is in use with another format or number of buckets.
    fn check_form(&mut self) -> Result<(), CheckpointError> {
        let key = self.keys.committed();
        let mut command = cmd("HMGET");
        command.arg(&key).arg("format").arg("buckets");
        let answer = self.link.one(Call::new(&key, command), OnBreak::Resend)?;
        let (format, buckets): (Option<String>, Option<String>) = self.read(&key, answer)?;
        if let Some(format) = format.filter(|format| format != FORMAT) {
            return Err(self.other_format(&format));
        }
        match buckets.filter(|buckets| *buckets != self.keys.buckets().to_string()) {
            Some(buckets) => Err(self.other_buckets(&buckets)),
            None => Ok(()),
        }
    }

    fn other_format(&self, found: &str) -> CheckpointError {
        let reason =
            format!("its format is {found}, this release knows {FORMAT}; use another release or prefix");
        CheckpointError::Format { place: self.keys.committed(), reason }
    }

    fn other_buckets(&self, found: &str) -> CheckpointError {
        let reason = format!(
            "its hashes are spread over {found} buckets, not {}; write buckets = {found}, or choose another prefix",
            self.keys.buckets()
        );
        CheckpointError::Format { place: self.keys.committed(), reason }
    }

    /// Owner's name under which this handle acquired a generation; empty if another handle did.
    fn owner_of(&self, generation: OwnerGeneration) -> String {
        match &self.taken {
            Some((taken, owner)) if *taken == generation => owner.clone(),
            _ => String::new(),
        }
    }

    /// Converts an answer, or reports where unexpected data was found.
    fn read<T: FromRedisValue>(&self, key: &str, answer: Value) -> Result<T, CheckpointError> {
        from_redis_value(answer)
            .map_err(|error| failure::misread(&format!("{} at {}", key, self.link.place()), &error))
    }

    /// Sends a write that counts once the replicas have it. The write may be executed more than once.
    fn confirmed(&mut self, key: &str, call: impl Fn() -> Call) -> Result<Value, CheckpointError> {
        let place = Target::key(key);
        for _ in 0..CONFIRMATIONS {
            let online =
                if self.replicas == 0 { 0 } else { server::replication(&mut self.link, &place)?.online };
            let wanted = online.min(self.replicas);
            if wanted == 0 {
                return self.link.one(call(), OnBreak::Resend);
            }
            // In one pipeline, because `WAIT` covers what the same connection wrote.
            let answers = self.link.run(&[call(), self.wait(&place, wanted)], OnBreak::Resend)?;
            let (true, [answer, confirmed]) = (answers.straight, &answers.values[..]) else { continue };
            self.check_confirmed(key, confirmed, wanted)?;
            return Ok(answer.clone());
        }
        Err(failure::unavailable(&self.link.place(), "the slot of a key keeps moving"))
    }

    /// Makes a node wait until `wanted` replicas have what this connection wrote.
    fn wait(&self, place: &Target, wanted: u8) -> Call {
        let mut wait = cmd("WAIT");
        wait.arg(wanted).arg(self.timeout_ms / 2);
        Call::at(place, wait)
    }

    fn check_confirmed(&self, what: &str, answer: &Value, wanted: u8) -> Result<(), CheckpointError> {
        let confirmed: u8 = self.read(what, answer.clone())?;
        if confirmed >= wanted {
            return Ok(());
        }
        let reason = format!("{confirmed} of {wanted} replicas have {what} after {} ms", self.timeout_ms / 2);
        Err(failure::unavailable(&self.link.place(), &reason))
    }

    /// Result of a script: its first element, and the rest.
    fn verdict(&self, key: &str, answer: Value) -> Result<(String, Vec<Value>), CheckpointError> {
        let mut values: Vec<Value> = self.read(key, answer)?;
        let rest = values.split_off(values.len().min(1));
        let word = self.read(key, values.pop().unwrap_or_default())?;
        Ok((word, rest))
    }

    fn value<T: FromRedisValue>(&self, key: &str, rest: &[Value], at: usize) -> Result<T, CheckpointError> {
        self.read(key, rest.get(at).cloned().unwrap_or_default())
    }

    /// Like [`verdict`](Self::verdict), with `fenced` as an error.
    fn accept(
        &self,
        key: &str,
        generation: OwnerGeneration,
        answer: Value,
    ) -> Result<(String, Vec<Value>), CheckpointError> {
        let (word, rest) = self.verdict(key, answer)?;
        if word == "fenced" {
            let by = OwnerGeneration(self.value(key, &rest, 0)?);
            // A store that gave this generation out would know of one.
            let emptied = by == OwnerGeneration::default() && !self.owner_of(generation).is_empty();
            let place = format!("{key} at {}", self.link.place());
            return Err(match emptied {
                true => CheckpointError::Emptied { place },
                false => CheckpointError::Fenced { generation, by },
            });
        }
        Ok((word, rest))
    }
}
