//! Checkpoints in memory: the model for the other stores, and a store that fails on demand.
//!
//! Clones share the state and the clock of leases, which follows real time and can be advanced; failures and
//! the observer of calls belong to one handle. The state is lost with the last clone.

mod kept;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use operators::model::ids::{CheckpointNumber, OwnerGeneration};

use kept::{Hash, MemoryState};

use super::{
    CheckpointError, CheckpointSpan, CheckpointStore, Committed, Edit, FieldChange, Ownership, check_blob,
    check_blob_name, check_edit, check_number, not_a_position,
};

/// Checkpoint store in memory.
#[derive(Clone, Debug)]
pub struct MemoryCheckpoints {
    kept: Arc<Mutex<MemoryState>>,
    fault: Option<(u64, Fault)>,
    watched: Option<mpsc::Sender<&'static str>>,
    /// The store's history as this handle last read it.
    history: u64,
}

/// The hashes at some time, and the checkpoint they were compacted up to.
#[derive(Clone, Debug)]
pub struct CompactedState {
    hashes: BTreeMap<String, Hash>,
    compacted: CheckpointNumber,
}

/// How a call fails on demand; the caller gets [`CheckpointError::Unavailable`] either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Before its change is made.
    Before,
    /// After its change was made; only the answer is lost.
    After,
}

impl Default for MemoryCheckpoints {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCheckpoints {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        MemoryCheckpoints {
            kept: Arc::new(Mutex::new(MemoryState::new())),
            fault: None,
            watched: None,
            history: 0,
        }
    }

    /// Makes the `nth` following call of this handle that changes something fail, 1 being the next; 0
    /// cancels. Each hash of an [`apply_many`](CheckpointStore::apply_many) counts as a call.
    pub fn fail(&mut self, nth: u64, fault: Fault) {
        self.fault = (nth > 0).then_some((nth, fault));
    }

    /// Whether a failure is still to come.
    #[must_use]
    pub fn will_fail(&self) -> bool {
        self.fault.is_some()
    }

    /// Returns a channel on which this handle, and clones made of it, send the name of each call that is
    /// about to change something.
    pub fn watch(&mut self) -> mpsc::Receiver<&'static str> {
        let (calls, watched) = mpsc::channel();
        self.watched = Some(calls);
        watched
    }

    /// Copies the hashes, to be restored by [`lose_compacted_since`](Self::lose_compacted_since).
    #[must_use]
    pub fn compacted_state(&self) -> CompactedState {
        let kept = self.kept();
        CompactedState { hashes: kept.hashes.clone(), compacted: kept.compacted }
    }

    /// The checkpoint that the hashes are compacted up to.
    #[must_use]
    pub fn compacted_up_to(&self) -> CheckpointNumber {
        self.kept().compacted
    }

    /// Restores the hashes for all clones but keeps the commits: like a server that comes back without its
    /// last writes.
    pub fn lose_compacted_since(&self, state: &CompactedState) {
        let mut kept = self.kept();
        let CompactedState { hashes, compacted } = state.clone();
        (kept.hashes, kept.compacted) = (hashes, compacted);
        kept.history += 1;
    }

    /// Advances the clock of leases, for all clones.
    pub fn put_clock_forward(&self, by: Duration) {
        self.kept().ahead += by;
    }

    fn kept(&self) -> MutexGuard<'_, MemoryState> {
        // Every change is made whole, so the state is consistent after a test panicked.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, unless this call is the one to fail.
    fn change<T>(
        &mut self,
        name: &'static str,
        change: impl FnOnce(&mut MemoryState) -> Result<T, CheckpointError>,
    ) -> Result<T, CheckpointError> {
        // The receiver may have been dropped.
        let _ = self.watched.as_ref().map(|calls| calls.send(name));
        let due = match &mut self.fault {
            Some((1, fault)) => Some(*fault),
            Some((nth, _)) => {
                *nth -= 1;
                None
            }
            None => None,
        };
        if due.is_some() {
            self.fault = None;
        }
        let injected = || CheckpointError::Unavailable("a failure was armed".to_owned());
        match due {
            Some(Fault::Before) => Err(injected()),
            Some(Fault::After) => {
                let _lost = change(&mut self.kept());
                Err(injected())
            }
            None => change(&mut self.kept()),
        }
    }
}

impl CheckpointStore for MemoryCheckpoints {
    fn is_one_log(&self) -> bool {
        true
    }

    fn take(&mut self, owner: &str, lease: Duration) -> Result<Ownership, CheckpointError> {
        self.change("take", |kept| kept.take(owner, lease))
    }

    fn renew(
        &mut self,
        generation: OwnerGeneration,
        lease: Duration,
    ) -> Result<Option<CheckpointNumber>, CheckpointError> {
        self.change("renew", |kept| kept.renew(generation, lease))
    }

    fn release(&mut self, generation: OwnerGeneration) -> Result<(), CheckpointError> {
        self.change("release", |kept| {
            if generation == kept.generation {
                kept.owner = None;
            }
            Ok(())
        })
    }

    fn commit(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
        manifest: &[u8],
    ) -> Result<CheckpointNumber, CheckpointError> {
        check_number(number)?;
        self.change("commit", |kept| kept.commit(generation, number, manifest))
    }

    fn committed(&mut self) -> Result<Option<Committed>, CheckpointError> {
        Ok(self.kept().committed.clone())
    }

    fn put_blob(&mut self, name: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
        check_blob(name, bytes)?;
        self.change("put_blob", |kept| {
            kept.blobs.insert(name.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    fn blob(&mut self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        check_blob_name(name)?;
        Ok(self.kept().blobs.get(name).cloned())
    }

    fn blobs(&mut self) -> Result<Vec<String>, CheckpointError> {
        Ok(self.kept().blobs.keys().cloned().collect())
    }

    fn missing_blobs(&mut self, names: &[String]) -> Result<Vec<String>, CheckpointError> {
        names.iter().try_for_each(|name| check_blob_name(name))?;
        let kept = self.kept();
        Ok(names.iter().filter(|name| !kept.blobs.contains_key(*name)).cloned().collect())
    }

    fn remove_blobs(&mut self, names: &[String]) -> Result<(), CheckpointError> {
        names.iter().try_for_each(|name| check_blob_name(name))?;
        self.change("remove_blobs", |kept| {
            kept.blobs.retain(|name, _| !names.contains(name));
            Ok(())
        })
    }

    fn apply(
        &mut self,
        generation: OwnerGeneration,
        span: CheckpointSpan,
        hash: &str,
        changes: &[FieldChange<'_>],
    ) -> Result<(), CheckpointError> {
        check_number(span.last)?;
        self.change("apply", |kept| kept.apply(generation, span, hash, changes))
    }

    fn mark_compacted(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
    ) -> Result<CheckpointNumber, CheckpointError> {
        check_number(number)?;
        let known = self.history;
        let (compacted, history) =
            self.change("mark_compacted", |kept| kept.mark_compacted(generation, number, known))?;
        self.history = history;
        Ok(compacted)
    }

    fn drop_hash(&mut self, generation: OwnerGeneration, hash: &str) -> Result<(), CheckpointError> {
        self.change("drop_hash", |kept| {
            kept.check_hash(generation, hash)?;
            kept.hashes.remove(hash);
            Ok(())
        })
    }

    fn hashes(&mut self) -> Result<Vec<String>, CheckpointError> {
        Ok(self.kept().hashes.keys().cloned().collect())
    }

    fn scan(&mut self, hash: &str, each: &mut dyn FnMut(&str, &str)) -> Result<(), CheckpointError> {
        // A copy, so that `each` may call the store.
        let fields = self.kept().hashes.get(hash).map(|hash| hash.fields.clone()).unwrap_or_default();
        fields.iter().for_each(|(field, text)| each(field, text));
        Ok(())
    }

    fn fields(&mut self, hash: &str, fields: &[&str]) -> Result<Vec<Option<String>>, CheckpointError> {
        let kept = self.kept();
        let hash = kept.hashes.get(hash);
        Ok(fields.iter().map(|&field| hash.and_then(|hash| hash.fields.get(field).cloned())).collect())
    }

    fn push_edit(&mut self, edit: &[(&str, &str)]) -> Result<String, CheckpointError> {
        check_edit(edit)?;
        let pairs = edit.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        self.change("push_edit", |kept| {
            kept.last_edit += 1;
            kept.edits.insert(kept.last_edit, pairs);
            Ok(kept.last_edit.to_string())
        })
    }

    fn edits(&mut self, after: Option<&str>, most: usize) -> Result<Vec<Edit>, CheckpointError> {
        let after = after.map_or(Ok(0), position)?;
        let kept = self.kept();
        let behind = kept.edits.range(after.saturating_add(1)..).take(most);
        Ok(behind.map(|(at, pairs)| Edit { position: at.to_string(), pairs: pairs.clone() }).collect())
    }

    fn trim_edits(&mut self, through: &str) -> Result<(), CheckpointError> {
        let through = position(through)?;
        self.change("trim_edits", |kept| {
            kept.edits.retain(|&at, _| at > through);
            Ok(())
        })
    }
}

fn position(text: &str) -> Result<u64, CheckpointError> {
    text.parse().map_err(|_| not_a_position(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    #[test]
    fn an_armed_call_fails_before_or_after_its_effect() {
        let mut store = MemoryCheckpoints::new();
        store.fail(2, Fault::Before);
        store.put_blob("ckpt:1", b"a").unwrap();
        assert!(store.put_blob("ckpt:2", b"b").unwrap_err().is_transient());
        assert_eq!(store.blobs().unwrap(), ["ckpt:1"]);
        assert!(!store.will_fail());
        store.fail(1, Fault::After);
        assert!(store.put_blob("ckpt:2", b"b").unwrap_err().is_transient());
        assert_eq!(store.blobs().unwrap(), ["ckpt:1", "ckpt:2"]);
        store.put_blob("ckpt:3", b"c").unwrap();
    }

    #[test]
    fn lost_changes_lower_the_mark_and_each_handle_notices() {
        let mut store = MemoryCheckpoints::new();
        let generation = store.take("a", LEASE).unwrap().generation;
        let mut other = store.clone();
        assert_eq!(store.commit(generation, CheckpointNumber(1), b"").unwrap(), CheckpointNumber(0));
        store.apply(generation, CheckpointSpan::of(CheckpointNumber(1)), "h", &[("a", Some("1"))]).unwrap();
        assert_eq!(store.mark_compacted(generation, CheckpointNumber(1)).unwrap(), CheckpointNumber(1));
        let folds = store.compacted_state();
        store.apply(generation, CheckpointSpan::of(CheckpointNumber(1)), "h", &[("a", Some("2"))]).unwrap();
        assert_eq!(store.mark_compacted(generation, CheckpointNumber(2)).unwrap(), CheckpointNumber(2));
        store.lose_compacted_since(&folds);
        assert_eq!(store.fields("h", &["a"]).unwrap(), [Some("1".to_owned())]);
        assert_eq!(store.commit(generation, CheckpointNumber(2), b"").unwrap(), CheckpointNumber(1));
        assert_eq!(store.mark_compacted(generation, CheckpointNumber(3)).unwrap(), CheckpointNumber(1));
        assert_eq!(store.mark_compacted(generation, CheckpointNumber(3)).unwrap(), CheckpointNumber(3));
        assert_eq!(other.mark_compacted(generation, CheckpointNumber(3)).unwrap(), CheckpointNumber(3));
    }

    #[test]
    fn failures_belong_to_one_handle_and_the_clock_to_all() {
        let mut first = MemoryCheckpoints::new();
        let mut second = first.clone();
        first.fail(1, Fault::Before);
        let taken = second.take("b", LEASE).unwrap();
        assert!(first.take("a", LEASE).unwrap_err().is_transient());
        assert!(matches!(first.take("a", LEASE), Err(CheckpointError::Owned { owner, .. }) if owner == "b"));
        second.put_clock_forward(LEASE);
        assert_eq!(first.take("a", LEASE).unwrap().generation, taken.generation.next());
    }
}
