//! Stores of running state: the primitives that the checkpoint protocol is built from.
//!
//! | store | medium | use |
//! | --- | --- | --- |
//! | [`SqliteCheckpoints`] | an SQLite file | the embedded default |
//! | [`RedisCheckpoints`] | a Redis server or Redis Cluster | several machines, state that people look at |
//! | [`MemoryCheckpoints`] | memory, shared by clones | tests |
//!
//! A store holds four things: **blobs** (deltas since the last checkpoint, written before it is committed),
//! the one **committed** record, whose manifest lists the blobs that count, **hashes** (readable state, to
//! which committed blobs are applied by the compactor) with the number of the checkpoint they are **compacted
//! up to**, and a stream of **edits** by people.
//!
//! **Invariants** of every store:
//! - There is at most one owner at a time, and a generation is given out once. A former owner gets
//!   [`CheckpointError::Fenced`] from [`renew`](CheckpointStore::renew) and
//!   [`commit`](CheckpointStore::commit), which then change nothing.
//! - A commit is atomic and durable, and may be repeated for the same generation and number.
//! - A hash keeps the generation that changed it last, and the first checkpoint of those changes. It refuses an
//!   earlier generation, and takes nothing of earlier checkpoints from the same one. This is lost when the hash
//!   is dropped.
//! - "Compacted up to" is written after all changes it covers: in a store with one log, a reader of it also
//!   reads those. A store that may have lost a change since its handle last advanced it does not advance it,
//!   and returns how far it is.
//! - Every call may be repeated after [`CheckpointError::Unavailable`]: it has the effect of one call. The
//!   exceptions are harmless: a repeated [`take`](CheckpointStore::take) leaves a generation unused, a
//!   repeated [`push_edit`](CheckpointStore::push_edit) may add the edit twice.
//! - Names and texts are kept byte for byte. Nothing else under the prefix is touched.
//!
//! **Limits**: a blob has at most [`MAX_BLOB`] bytes, owner generations and checkpoint numbers are at most
//! [`MAX_NUMBER`]. All calls block.
//!
//! ```
//! use std::time::Duration;
//!
//! use operators::model::ids::CheckpointNumber;
//! use strateye_sinks::checkpoint::{CheckpointSpan, CheckpointStore, MemoryCheckpoints};
//!
//! let mut store = MemoryCheckpoints::new();
//! let owner = store.take("engine-1", Duration::from_secs(60))?;
//! let first = CheckpointNumber(1);
//! store.put_blob("ckpt:1", b"deltas")?;
//! store.commit(owner.generation, first, b"ckpt:1")?;
//! store.apply(owner.generation, CheckpointSpan::of(first), "RULE:CONDITION", &[("1001", Some("3"))])?;
//! assert_eq!(store.mark_compacted(owner.generation, first)?, first);
//! assert_eq!(store.fields("RULE:CONDITION", &["1001"])?, [Some("3".to_owned())]);
//! # Ok::<(), strateye_sinks::checkpoint::CheckpointError>(())
//! ```

mod error;
mod memory;
mod redis;
mod sqlite;

use std::time::Duration;

use operators::model::ids::{CheckpointNumber, OwnerGeneration};

pub use error::CheckpointError;
pub use memory::{CompactedState, Fault, MemoryCheckpoints};
pub use redis::{RedisCheckpoints, RedisConfig};
pub use sqlite::SqliteCheckpoints;

/// A store of checkpoints, accessed through one handle by one thread.
pub trait CheckpointStore: Send {
    /// Whether all writes go to one log. If so, a store that loses a write (crash, fail-over, restored
    /// backup) also loses all later ones, so a commit that is found implies everything written before it.
    fn is_one_log(&self) -> bool;

    /// Acquires the ownership for `lease`, with a generation higher than any before. The same `owner` may
    /// take over from itself at once, another one only after the lease has expired. So an owner's name must
    /// be unique to one engine.
    ///
    /// # Errors
    /// [`CheckpointError::Owned`] if another owner's lease is valid.
    fn take(&mut self, owner: &str, lease: Duration) -> Result<Ownership, CheckpointError>;

    /// Extends the lease, and returns the number of the last commit in the store.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if another generation owns the store.
    fn renew(
        &mut self,
        generation: OwnerGeneration,
        lease: Duration,
    ) -> Result<Option<CheckpointNumber>, CheckpointError>;

    /// Gives up the ownership, so that the next owner need not wait. Does nothing if it is lost already.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn release(&mut self, generation: OwnerGeneration) -> Result<(), CheckpointError>;

    /// Makes checkpoint `number` the one to restore. `manifest` lists its parts; the store does not read it.
    /// Returns the checkpoint that the hashes are compacted up to, 0 if none.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if another generation owns the store, [`CheckpointError::Emptied`] if it has
    /// lost everything since this handle took it. [`CheckpointError::OutOfOrder`] if
    /// `number` is not above the last number committed (unless it is the very same commit), or if the store
    /// has lost the last commit that this handle knows of: parts that the manifest lists may be lost too.
    fn commit(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
        manifest: &[u8],
    ) -> Result<CheckpointNumber, CheckpointError>;

    /// The last commit, by any owner.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn committed(&mut self) -> Result<Option<Committed>, CheckpointError>;

    /// Writes a blob durably, replacing one of the same name. Names begin with `ckpt:` or `crowd:`.
    ///
    /// # Errors
    /// [`CheckpointError::TooLarge`] above [`MAX_BLOB`], [`CheckpointError::Invalid`] for another name, or if
    /// the store can't be reached.
    fn put_blob(&mut self, name: &str, bytes: &[u8]) -> Result<(), CheckpointError>;

    /// Reads a blob; `None` if there is none of that name.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn blob(&mut self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError>;

    /// Names of all blobs, ascending.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn blobs(&mut self) -> Result<Vec<String>, CheckpointError>;

    /// Those of the given blobs that do not exist.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`] for an invalid name, or if the store can't be reached.
    fn missing_blobs(&mut self, names: &[String]) -> Result<Vec<String>, CheckpointError>;

    /// Deletes blobs; those that do not exist count as deleted.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn remove_blobs(&mut self, names: &[String]) -> Result<(), CheckpointError>;

    /// Sets fields of a hash (`Some`) or deletes them (`None`), in order. A call without changes does
    /// nothing; a hash whose last field is deleted remains, empty. A store may split a large call into
    /// portions, each of which is atomic.
    ///
    /// The changes are of the checkpoints in `span`; all earlier ones are applied. If the same generation has
    /// changed the hash for a span behind this one, it has these changes already, and is left as it is. Where a
    /// store keeps a hash in several parts, that holds for each.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if a later generation has changed the hash.
    fn apply(
        &mut self,
        generation: OwnerGeneration,
        span: CheckpointSpan,
        hash: &str,
        changes: &[FieldChange<'_>],
    ) -> Result<(), CheckpointError>;

    /// Changes many hashes, each as [`apply`](Self::apply) does; not atomic as a whole.
    ///
    /// # Errors
    /// As for one hash; changes before or after the refused one may have been made.
    fn apply_many(
        &mut self,
        generation: OwnerGeneration,
        span: CheckpointSpan,
        folds: &[(&str, &[FieldChange<'_>])],
    ) -> Result<(), CheckpointError> {
        folds.iter().try_for_each(|(hash, changes)| self.apply(generation, span, hash, changes))
    }

    /// Records that all checkpoints up to `number` are applied to the hashes, by this handle or before it was
    /// opened, and returns the checkpoint that they are compacted up to. That is below `number`, and
    /// unchanged, if the store may have lost a change since this handle's last call, or since it was opened:
    /// all later checkpoints must be applied again before the next call. In a store with several logs earlier
    /// changes may be lost too, and it is 0.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if another generation was given out last.
    fn mark_compacted(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
    ) -> Result<CheckpointNumber, CheckpointError>;

    /// Deletes a hash, if it exists.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if a later generation has changed the hash.
    fn drop_hash(&mut self, generation: OwnerGeneration, hash: &str) -> Result<(), CheckpointError>;

    /// Names of all hashes, ascending.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn hashes(&mut self) -> Result<Vec<String>, CheckpointError>;

    /// Passes all fields of a hash to `each`, read in portions, so that other clients do not wait long. A
    /// field may be passed twice; one that changes meanwhile may be passed before or after its change.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn scan(&mut self, hash: &str, each: &mut dyn FnMut(&str, &str)) -> Result<(), CheckpointError>;

    /// Reads fields of a hash; `None` for one that does not exist.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn fields(&mut self, hash: &str, fields: &[&str]) -> Result<Vec<Option<String>>, CheckpointError>;

    /// Appends an edit, given as pairs of name and text, and returns its position.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`] for an edit without pairs, or if the store can't be reached.
    fn push_edit(&mut self, edit: &[(&str, &str)]) -> Result<String, CheckpointError>;

    /// Edits after a position (`None`: all), oldest first, at most `most`.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`] for text that is no position of this store, or if it can't be reached.
    fn edits(&mut self, after: Option<&str>, most: usize) -> Result<Vec<Edit>, CheckpointError>;

    /// Deletes edits up to and including a position.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`] for text that is no position of this store, or if it can't be reached.
    fn trim_edits(&mut self, through: &str) -> Result<(), CheckpointError>;
}

/// Most bytes of a blob.
pub const MAX_BLOB: usize = 8 << 20;

/// Highest owner generation and checkpoint number: Redis's Lua counts in doubles.
pub const MAX_NUMBER: u64 = 1 << 53;

/// A field and its new text; `None` deletes it.
pub type FieldChange<'c> = (&'c str, Option<&'c str>);

/// Consecutive checkpoints whose changes are applied together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointSpan {
    /// The first of them.
    pub first: CheckpointNumber,
    /// The last of them.
    pub last: CheckpointNumber,
}

impl CheckpointSpan {
    /// One checkpoint.
    #[must_use]
    pub const fn of(number: CheckpointNumber) -> Self {
        CheckpointSpan { first: number, last: number }
    }
}

/// The ownership of a store, as acquired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Generation of the owner; its fencing token.
    pub generation: OwnerGeneration,
    /// The checkpoint to restore, if any.
    pub committed: Option<Committed>,
}

/// The record of a committed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Generation that committed it.
    pub generation: OwnerGeneration,
    /// Its number; numbers ascend over all generations.
    pub number: CheckpointNumber,
    /// List of its parts, written by the owner.
    pub manifest: Vec<u8>,
}

/// A correction of state by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Its position in the stream.
    pub position: String,
    /// Names and texts.
    pub pairs: Vec<(String, String)>,
}

/// Prefixes of blob names; nothing else is written, listed or deleted as a blob.
const BLOB_FAMILIES: [&str; 2] = ["ckpt:", "crowd:"];

fn check_blob_name(name: &str) -> Result<(), CheckpointError> {
    if BLOB_FAMILIES.iter().any(|family| name.starts_with(family)) {
        return Ok(());
    }
    let reason = "write ckpt:.. or crowd:..".to_owned();
    Err(CheckpointError::Invalid { name: "a blob's name", value: name.to_owned(), reason })
}

fn check_blob(name: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
    check_blob_name(name)?;
    if bytes.len() <= MAX_BLOB {
        return Ok(());
    }
    let (size, most) = (bytes.len() as u64, MAX_BLOB as u64);
    Err(CheckpointError::TooLarge { what: format!("blob {name}"), size, most })
}

fn check_generation(generation: OwnerGeneration) -> Result<(), CheckpointError> {
    check_limit("the generation", generation.0)
}

fn check_number(number: CheckpointNumber) -> Result<(), CheckpointError> {
    check_limit("the checkpoint's number", number.0)
}

fn check_limit(what: &str, number: u64) -> Result<(), CheckpointError> {
    if number <= MAX_NUMBER {
        return Ok(());
    }
    Err(CheckpointError::TooLarge { what: what.to_owned(), size: number, most: MAX_NUMBER })
}

fn check_edit(edit: &[(&str, &str)]) -> Result<(), CheckpointError> {
    if !edit.is_empty() {
        return Ok(());
    }
    let reason = "give at least one pair of name and text".to_owned();
    Err(CheckpointError::Invalid { name: "an edit", value: String::new(), reason })
}

fn not_a_position(position: &str) -> CheckpointError {
    let reason = "give a position that came with an edit of this store".to_owned();
    CheckpointError::Invalid { name: "a position among the edits", value: position.to_owned(), reason }
}

/// A lease in whole milliseconds.
fn milliseconds(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(MAX_NUMBER).min(MAX_NUMBER >> 1)
}
