//! Where running state is kept: the few primitives that the checkpoint protocol is made of.
//!
//! | store | is | for |
//! | --- | --- | --- |
//! | [`SqliteCheckpoints`] | an SQLite file | the embedded default |
//! | [`RedisCheckpoints`] | a Redis server or Redis Cluster | several machines, state that people look at |
//! | [`MemoryCheckpoints`] | memory, shared by clones | tests |
//!
//! A store holds four things: **blobs** (what changed since the last checkpoint, written before it is committed), the
//! one **committed** record that says which blobs count, **hashes** (readable state, into which committed blobs are
//! folded later) with a **mark** of how far they are folded, and a stream of **edits** by people.
//!
//! **Invariants** that every store keeps:
//! - There is at most one owner at a time, and a generation is given out once. Whoever lost the ownership is told
//!   [`CheckpointError::Fenced`] by [`renew`](CheckpointStore::renew) and [`commit`](CheckpointStore::commit), and changes nothing.
//! - A commit is atomic and durable, and may be repeated for the same generation and number.
//! - A hash remembers the generation that changed it last; an earlier one is fenced off. What a hash remembers goes with it when it
//!   is dropped.
//! - A mark stands behind all folds that it speaks of: whoever finds it finds them, where one log has everything. A store that may have
//!   lost a fold since its handle's last mark takes no mark, and says how far it is.
//! - Every call may be repeated after [`CheckpointError::Unavailable`]: it has the effect of one call. The exceptions are harmless: a
//!   repeated [`take`](CheckpointStore::take) leaves a generation unused, a repeated [`push_edit`](CheckpointStore::push_edit) may add the
//!   edit twice.
//! - Names and texts are kept byte for byte. Nothing else under the prefix is touched.
//!
//! **Limits**: a blob has at most [`MAX_BLOB`] bytes, generations and checkpoint numbers at most [`MAX_NUMBER`].

mod error;
mod memory;
mod redis;
mod sqlite;

use std::time::Duration;

pub use error::CheckpointError;
pub use memory::{Fault, Folds, MemoryCheckpoints};
pub use redis::{RedisCheckpoints, RedisConfig};
pub use sqlite::SqliteCheckpoints;

/// Somewhere checkpoints are kept.
pub trait CheckpointStore: Send {
    /// Whether everything is written to one log: a store that lost something (a crash, a fail-over, a restored backup) has lost all that
    /// was written behind it too, so whoever finds a commit finds what was written before it.
    fn is_one_log(&self) -> bool;

    /// Becomes the owner for as long as `lease`, and gets a generation higher than any before. The same `owner` may take over from
    /// itself at once; another one only when the lease has run out. An owner's name is therefore that of one engine, not of a kind.
    ///
    /// # Errors
    /// [`CheckpointError::Owned`] if another owner's lease lives.
    fn take(&mut self, owner: &str, lease: Duration) -> Result<Taken, CheckpointError>;

    /// Prolongs the ownership, and gives the number of the last commit as the store has it.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if the generation is no longer the owner's.
    fn renew(&mut self, generation: u64, lease: Duration) -> Result<Option<u64>, CheckpointError>;

    /// Ends the ownership, so that another owner need not wait. Does nothing if it is lost already.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn release(&mut self, generation: u64) -> Result<(), CheckpointError>;

    /// Makes checkpoint `n` the one to restore. `manifest` says what it consists of; it is not looked at here. Gives the mark of folds
    /// that stands before it, 0 if there is none.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if the generation is no longer the owner's, [`CheckpointError::OutOfOrder`] if `n` is not above the
    /// last one committed (unless it is the very same commit), or if the store has gone back behind the last one that this handle
    /// knows: what the manifest lists may have gone with it.
    fn commit(&mut self, generation: u64, n: u64, manifest: &[u8]) -> Result<u64, CheckpointError>;

    /// The last commit, whoever made it.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn committed(&mut self) -> Result<Option<Committed>, CheckpointError>;

    /// Writes a blob durably, in place of an earlier one of that name. Names begin with `ckpt:` or `crowd:`.
    ///
    /// # Errors
    /// [`CheckpointError::TooLarge`] above [`MAX_BLOB`], [`CheckpointError::Invalid`] for another name, or if the store can't be reached.
    fn put_blob(&mut self, name: &str, bytes: &[u8]) -> Result<(), CheckpointError>;

    /// Reads a blob.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn blob(&mut self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError>;

    /// The names of all blobs, in order.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn blobs(&mut self) -> Result<Vec<String>, CheckpointError>;

    /// Those of some blobs that are not there.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`] for a name that is none, or if the store can't be reached.
    fn missing_blobs(&mut self, names: &[String]) -> Result<Vec<String>, CheckpointError>;

    /// Deletes blobs; those that are not there count as deleted.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn remove_blobs(&mut self, names: &[String]) -> Result<(), CheckpointError>;

    /// Sets fields of a hash (`Some`) or deletes them (`None`), in their order. A call with no changes does nothing; one without
    /// fields left keeps the hash, empty. A store may cut a large call into portions; each is atomic.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if a later generation has changed the hash.
    fn fold(
        &mut self,
        generation: u64,
        hash: &str,
        changes: &[FieldChange<'_>],
    ) -> Result<(), CheckpointError>;

    /// Changes many hashes, each as [`fold`](Self::fold) does; the changes of all are not one unit.
    ///
    /// # Errors
    /// As for one; changes before or behind the refused one may have been made.
    fn fold_many(
        &mut self,
        generation: u64,
        folds: &[(&str, &[FieldChange<'_>])],
    ) -> Result<(), CheckpointError> {
        folds.iter().try_for_each(|(hash, changes)| self.fold(generation, hash, changes))
    }

    /// Marks that all checkpoints up to `n` are folded, by this handle or before it was opened, and gives the mark. It is below `n`, and
    /// as it was, if the store may have lost a fold since this handle's last mark, or since it was opened: what is above has to be
    /// folded again before the next. Where folds lie in several logs, what is below may be lost, too, and it is 0.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if another generation was given out last.
    fn mark_folded(&mut self, generation: u64, n: u64) -> Result<u64, CheckpointError>;

    /// Deletes a hash, if it is there.
    ///
    /// # Errors
    /// [`CheckpointError::Fenced`] if a later generation has changed the hash.
    fn drop_hash(&mut self, generation: u64, hash: &str) -> Result<(), CheckpointError>;

    /// The names of all hashes, in order.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn hashes(&mut self) -> Result<Vec<String>, CheckpointError>;

    /// Reads all fields of a hash, in portions, so that no other client waits long. A field may be seen twice; one that
    /// changes meanwhile may be seen before or after its change.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn scan(&mut self, hash: &str, each: &mut dyn FnMut(&str, &str)) -> Result<(), CheckpointError>;

    /// Reads fields of a hash.
    ///
    /// # Errors
    /// If the store can't be reached.
    fn fields(&mut self, hash: &str, fields: &[&str]) -> Result<Vec<Option<String>>, CheckpointError>;

    /// Adds an edit, as pairs of names and texts, and gives its position.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`] for an edit without pairs, or if the store can't be reached.
    fn push_edit(&mut self, edit: &[(&str, &str)]) -> Result<String, CheckpointError>;

    /// Edits behind a position (`None`: all), oldest first, at most so many.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`] for what is no position of this store, or if it can't be reached.
    fn edits(&mut self, after: Option<&str>, most: usize) -> Result<Vec<Edit>, CheckpointError>;

    /// Deletes edits up to and including a position.
    ///
    /// # Errors
    /// [`CheckpointError::Invalid`] for what is no position of this store, or if it can't be reached.
    fn trim_edits(&mut self, through: &str) -> Result<(), CheckpointError>;
}

/// The most bytes of a blob.
pub const MAX_BLOB: usize = 8 << 20;

/// The highest generation or checkpoint number: Redis's Lua counts in doubles.
pub const MAX_NUMBER: u64 = 1 << 53;

/// A field's new text, or `None` to delete it.
pub type FieldChange<'c> = (&'c str, Option<&'c str>);

/// What an owner begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its generation.
    pub generation: u64,
    /// The checkpoint to restore, if there is one.
    pub committed: Option<Committed>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Who made it.
    pub generation: u64,
    /// Its number; they ascend over all generations.
    pub n: u64,
    /// What it consists of.
    pub manifest: Vec<u8>,
}

/// A correction by people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Its position in the stream.
    pub position: String,
    /// Names and texts.
    pub pairs: Vec<(String, String)>,
}

/// The families of blobs; nothing else is written, listed or deleted as one.
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

fn check_number(what: &str, number: u64) -> Result<(), CheckpointError> {
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
    let reason = "give a position as it came with an edit of this store".to_owned();
    CheckpointError::Invalid { name: "a position among the edits", value: position.to_owned(), reason }
}

/// A lease in whole milliseconds.
fn milliseconds(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(MAX_NUMBER).min(MAX_NUMBER >> 1)
}
