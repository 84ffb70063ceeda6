//! The keeper: a thread of process 0 that owns the checkpoints of the cluster.
//!
//! It takes the ownership before the dataflow is built, commits what worker 0 hands it, keeps the lease, has blobs folded and removed,
//! has triggers published that wait for their commit, and reads corrections by people.
//!
//! **Invariants**
//! - Numbers of checkpoints ascend, also above what a store that has gone back had published already; see [`publish`](super::publish).
//! - What of the list is folded for good is what the store says, not what the folder once did: see the [checkpoints](super). What the
//!   folder finds lost is handed to it again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use operators::rule::remembered::Remembered;
use operators::{
    model::ids::{Clocks, Positions},
    ops::{Correction, Start},
    rule::crowd::Crowd,
};
use sinks::checkpoint::{CheckpointError, CheckpointStore, Edit};

use super::{
    LEASE, PATIENCE, RETRY, State, fail,
    fail_point::reach,
    fold::{Folder, Told, Work},
    insist,
    manifest::{Dropped, Listed, Manifest},
    persist, pieces,
    publish::{Batch, Publisher},
    rules,
    takeover::{Connect, Crowds, Owned, Resumed, crowd_name},
};
use crate::{protocol::report::BlobRef, threads};

/// The lease is prolonged this often.
const RENEW: Duration = Duration::from_secs(2);
/// Corrections are looked for this often.
const LOOK: Duration = Duration::from_millis(200);
/// Corrections taken at once.
const CORRECTIONS: usize = 1_000;
/// A blob stays listed so long after it was folded, if the store may lose a fold and keep a later commit; not by the clock, but by
/// what the store was found to have at that time.
const LISTED_AFTER: Duration = Duration::from_secs(60);
/// With more checkpoints than this that are not folded, or not published, the next commit waits.
const BEHIND: usize = 60;

/// What a checkpoint consists of, for the keeper to commit.
#[derive(Debug)]
pub struct Snapshot {
    /// Its number.
    pub n: u64,
    /// First offset that is not in it, by partition.
    pub positions: Positions,
    /// The ingest clocks, by partition.
    pub clocks: Clocks,
    /// The rules in force.
    pub rules: Arc<Vec<Remembered>>,
    /// Names of state that no rule has any more.
    pub dropped: Vec<String>,
    /// The last correction that is in it.
    pub corrections: Option<String>,
    /// What the workers wrote.
    pub blobs: Vec<BlobRef>,
    /// When its barrier was announced.
    pub asked: Instant,
}

/// A commit that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its number.
    pub n: u64,
}

/// Figures for people.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeeperGauge {
    /// The last commit's number; that of the checkpoint which was resumed, until another is made.
    pub committed: u64,
    /// Commits made since the start.
    pub made: u64,
    /// When the start was.
    pub opened: Option<Instant>,
    /// When the last one was made.
    pub at: Option<Instant>,
    /// How long it took, from its barrier to its commit.
    pub took: Duration,
    /// Bytes of its blobs.
    pub bytes: u64,
    /// Checkpoints that are not folded yet.
    pub unfolded: usize,
    /// All checkpoints up to this one are folded, and no store that keeps to one log can lose that unnoticed.
    pub folded: u64,
    /// The last checkpoint whose triggers have left, if triggers wait for checkpoints.
    pub published: Option<u64>,
}

/// Worker 0's end.
pub struct Keeper {
    snapshots: mpsc::SyncSender<Snapshot>,
    done: mpsc::Receiver<Done>,
    corrections: mpsc::Receiver<(String, Vec<Correction>)>,
    corrected: Option<String>,
    first: u64,
    gauge: Arc<Mutex<KeeperGauge>>,
}

impl From<KeeperGauge> for crate::protocol::figures::CheckpointNumbers {
    fn from(gauge: KeeperGauge) -> Self {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            number: gauge.committed,
            made: gauge.made,
            age_ms: gauge.at.or(gauge.opened).map_or(0, |at| ms(at.elapsed())),
            took_ms: ms(gauge.took),
            bytes: gauge.bytes,
            unfolded: gauge.unfolded as u64,
            published: gauge.published,
        }
    }
}

impl Keeper {
    /// The number of the first checkpoint to commit.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Has a checkpoint committed. At most one may be on its way.
    pub fn commit(&self, snapshot: Snapshot) {
        // The thread lives as long as the process.
        let _ = self.snapshots.send(snapshot);
    }

    /// A commit that was made since the last call.
    pub fn done(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }

    /// Corrections that have come since the last call.
    pub fn corrections(&mut self) -> Vec<Correction> {
        let mut all = Vec::new();
        while let Ok((position, corrections)) = self.corrections.try_recv() {
            self.corrected = Some(position);
            all.extend(corrections);
        }
        all
    }

    /// All checkpoints up to this one are part of the readable state.
    pub fn folded(&self) -> u64 {
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner).folded
    }

    /// Whether all triggers that wait for checkpoints up to this one have left.
    pub fn has_published(&self, n: u64) -> bool {
        let gauge = self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        gauge.published.is_none_or(|published| published >= n)
    }

    /// The position of the last correction given out.
    pub fn corrected(&self) -> Option<String> {
        self.corrected.clone()
    }

    /// Figures that others may read.
    pub fn gauge(&self) -> Arc<Mutex<KeeperGauge>> {
        Arc::clone(&self.gauge)
    }
}

/// What a cluster begins with.
pub struct Opened {
    /// Commits.
    pub keeper: Keeper,
    /// From where to go on.
    pub start: Start,
    /// The rules then in force, and those remembered.
    pub remembered: Vec<Remembered>,
}

/// Becomes the owner of the checkpoints and reads from where to go on. If another engine's lease lives, waits for it to end once; waits
/// a while for a store that is away. Only an owner opens its `publisher`: that locks out whoever published before.
///
/// # Errors
/// If the store can't be used, another engine goes on owning it, or what it holds can't be understood.
pub fn open(
    state: &State,
    owner: &str,
    publisher: impl FnOnce() -> Option<Publisher>,
) -> Result<Option<Opened>, CheckpointError> {
    open_on(&|| state.open_now(), owner, publisher)
}

fn open_on(
    connect: &Connect<'_>,
    owner: &str,
    publisher: impl FnOnce() -> Option<Publisher>,
) -> Result<Option<Opened>, CheckpointError> {
    let Some(owned) = insist("taking up the checkpoints", PATIENCE, || Owned::take(connect, owner))? else {
        return Ok(None);
    };
    let publisher = publisher();
    let Owned { store, to_fold, generation, resumed, garbage } = owned;
    let (folding, folder) = Folder::start(to_fold, generation);
    let Resumed { start, remembered, manifest, crowds } = resumed;
    let gauge = Arc::new(Mutex::new(KeeperGauge {
        committed: start.checkpoint.unwrap_or_default().0,
        opened: Some(Instant::now()),
        published: publisher.as_ref().map(Publisher::published),
        ..KeeperGauge::default()
    }));
    let (snapshots, snapshots_from) = mpsc::sync_channel(1);
    let (done_to, done) = mpsc::channel();
    let (corrections_to, corrections) = mpsc::sync_channel(4);
    let corrected = manifest.as_ref().and_then(|m| m.corrections.clone());
    let last = start.checkpoint.map(|n| n.0);
    let first = last.max(publisher.as_ref().map(Publisher::highest)).unwrap_or(0) + 1;
    let mut keeping = Keeping {
        store,
        generation,
        last,
        unlisted: garbage,
        listed: VecDeque::new(),
        handed: 0,
        folds: VecDeque::new(),
        vouched: 0,
        dropped: VecDeque::new(),
        rules: None,
        crowds,
        folding,
        folder,
        publisher,
        edits: corrected.clone(),
        edits_done: corrected.clone(),
        gauge: Arc::clone(&gauge),
    };
    if let Some(manifest) = manifest {
        keeping.resume(manifest);
    }
    threads::spawn("state:keep", move || keeping.run(&snapshots_from, &done_to, &corrections_to));
    Ok(Some(Opened {
        keeper: Keeper { snapshots, done, corrections, corrected, first, gauge },
        start,
        remembered,
    }))
}

struct Keeping {
    store: Box<dyn CheckpointStore>,
    generation: u64,
    last: Option<u64>,
    /// Blobs to be removed once the next commit no longer lists them.
    unlisted: Vec<String>,
    listed: VecDeque<Listed>,
    /// The last checkpoint that was handed to the folder.
    handed: u64,
    /// How far the folder was and when: at every mark of the last minute, and at the one before.
    folds: VecDeque<(u64, Instant)>,
    /// The store's mark of folds before the last commit.
    vouched: u64,
    dropped: VecDeque<Dropped>,
    /// The rules last written, and their blob.
    rules: Option<(Arc<Vec<Remembered>>, BlobRef)>,
    crowds: Crowds,
    folding: mpsc::Sender<Work>,
    folder: mpsc::Receiver<Told>,
    publisher: Option<Publisher>,
    /// The last correction read, and the last one committed.
    edits: Option<String>,
    edits_done: Option<String>,
    gauge: Arc<Mutex<KeeperGauge>>,
}

impl Keeping {
    fn run(
        &mut self,
        snapshots: &mpsc::Receiver<Snapshot>,
        done: &mpsc::Sender<Done>,
        corrections: &mpsc::SyncSender<(String, Vec<Correction>)>,
    ) {
        let mut renewed = Instant::now();
        let unlisted = std::mem::take(&mut self.unlisted);
        self.remove(&unlisted);
        loop {
            match snapshots.recv_timeout(LOOK) {
                Ok(snapshot) => {
                    let n = snapshot.n;
                    self.commit(snapshot);
                    if done.send(Done { n }).is_err() {
                        return;
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    // The end of the work: another engine need not wait.
                    let _ = self.store.release(self.generation);
                    return;
                }
            }
            self.folded();
            if renewed.elapsed() >= RENEW {
                renewed = Instant::now();
                self.renew();
            }
            self.read_corrections(corrections);
        }
    }

    /// Takes up what the last run left to be folded and published.
    fn resume(&mut self, manifest: Manifest) {
        self.dropped = manifest.dropped.into();
        self.listed = manifest.blobs.into();
        for n in self.numbers() {
            self.have_published(n);
            self.have_folded(n);
        }
    }

    /// Checkpoints that have something to be folded, published or dropped, and the last one, whose mark says that all is.
    fn numbers(&self) -> BTreeSet<u64> {
        let listed = self.listed.iter().map(|l| l.n);
        listed.chain(self.dropped.iter().map(|d| d.n)).chain(self.last).collect()
    }

    fn blobs_of(&self, n: u64, triggers: bool) -> Vec<BlobRef> {
        let of_n = self.listed.iter().filter(|l| l.n == n && l.blob.triggers == triggers);
        of_n.map(|l| l.blob.clone()).collect()
    }

    fn have_published(&self, n: u64) {
        if let Some(publisher) = &self.publisher {
            publisher.publish(Batch { n, blobs: self.blobs_of(n, true) });
        }
    }

    fn have_folded(&mut self, n: u64) {
        let dropped = self.dropped.iter().filter(|d| d.n == n).flat_map(|d| d.names.clone()).collect();
        let after = std::mem::replace(&mut self.handed, n);
        // The thread lives as long as the process.
        let _ = self.folding.send(Work { after, n, blobs: self.blobs_of(n, false), dropped });
    }

    fn commit(&mut self, snapshot: Snapshot) {
        self.folded();
        while self.behind() > BEHIND {
            // The folder's word ends the wait; the publisher's shows at the next look.
            if let Ok(told) = self.folder.recv_timeout(RETRY) {
                self.hear(&told);
            }
            self.folded();
            self.renew();
        }
        let Snapshot { n, positions, clocks, rules, dropped, corrections, blobs, asked } = snapshot;
        let (rules, unused) = self.write_rules(rules, n);
        let bytes = blobs.iter().map(|b| b.bytes).sum();
        self.check_written(n, blobs.iter().chain([&rules]));
        let gone = self.unlist();
        self.listed.extend(blobs.into_iter().map(|blob| Listed { n, blob }));
        if !dropped.is_empty() {
            self.dropped.push_back(Dropped { n, names: dropped });
        }
        let manifest = Manifest {
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64),
            positions,
            clocks,
            corrections: corrections.clone(),
            rules,
            blobs: self.listed.iter().cloned().collect(),
            dropped: self.dropped.iter().cloned().collect(),
        };
        let manifest = manifest.to_json();
        let (generation, store) = (self.generation, &mut self.store);
        reach("commit:before");
        self.vouched = persist("a commit", || store.commit(generation, n, &manifest));
        let took = asked.elapsed();
        reach("commit:after");
        self.last = Some(n);
        self.have_published(n);
        reach("hand-on:between");
        self.have_folded(n);
        reach("hand-on:after");
        self.remove(&[gone, unused].concat());
        if let Some(position) = corrections.filter(|c| Some(c) != self.edits_done.as_ref()) {
            reach("trim:before");
            // Those that stay because the store is away now go with the next.
            if self.store.trim_edits(&position).is_ok() {
                self.edits_done = Some(position);
            }
            reach("trim:after");
        }
        let mut gauge = self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        let (made, at) = (gauge.made + 1, Some(Instant::now()));
        *gauge = KeeperGauge { committed: n, made, at, took, bytes, ..*gauge };
    }

    /// A server that crashed meanwhile may have lost what was written for this checkpoint and still have the last commit: then the
    /// cluster restarts from that.
    fn check_written<'b>(&mut self, n: u64, blobs: impl Iterator<Item = &'b BlobRef>) {
        let names: Vec<String> = blobs.flat_map(pieces::of).collect();
        reach("check:before");
        let store = &mut self.store;
        let missing = persist("a commit", || store.missing_blobs(&names));
        if let Some(first) = missing.first() {
            tracing::error!(
                n,
                first,
                missing = missing.len(),
                "the checkpoint store has lost what was written"
            );
            std::process::exit(crate::exit::STATE_LOST)
        }
    }

    /// Writes the rules and their crowds if they are others than before; gives the blobs that are then unused.
    fn write_rules(&mut self, rules: Arc<Vec<Remembered>>, n: u64) -> (BlobRef, Vec<String>) {
        if let Some((written, blob)) = &self.rules
            && Arc::ptr_eq(written, &rules)
        {
            return (blob.clone(), Vec::new());
        }
        let (json, crowds) = rules::to_json(&rules);
        let store = &mut self.store;
        let needed: BTreeMap<String, Crowd> =
            crowds.into_iter().map(|c| (crowd_name(&c.digest()), c)).collect();
        let mut crowds = Crowds::new();
        for (name, crowd) in needed {
            let bytes = self.crowds.remove(&name).unwrap_or_else(|| {
                let bytes = crowd.to_portable();
                persist("a crowd", || pieces::put(&mut **store, &name, &bytes));
                bytes.len() as u64
            });
            crowds.insert(name, bytes);
        }
        let name = format!("ckpt:{}:{n}:rules:0", self.generation);
        reach("rules:before");
        persist("the rules", || pieces::put(&mut **store, &name, json.as_bytes()));
        reach("rules:after");
        let blob = BlobRef::of(name, json.as_bytes(), false);
        let former = self.rules.replace((rules, blob.clone()));
        let rest = std::mem::replace(&mut self.crowds, crowds);
        let crowds = rest.iter().flat_map(|(name, bytes)| pieces::names(name, *bytes));
        let unused = former.iter().flat_map(|(_, blob)| pieces::of(blob)).chain(crowds).collect();
        (blob, unused)
    }

    /// Takes blobs off the list whose folds can't be lost any more, and names of dropped state with the last blob that may have it.
    fn unlist(&mut self) -> Vec<String> {
        let published = self.publisher.as_ref().map_or(u64::MAX, Publisher::published);
        let settled = self.settled();
        let mut gone = Vec::new();
        while let Some(first) = self.listed.front()
            && first.n <= settled.min(published)
        {
            gone.extend(self.listed.pop_front().iter().flat_map(|l| pieces::of(&l.blob)));
        }
        let first = self.listed.front().map_or(u64::MAX, |l| l.n);
        self.dropped.retain(|dropped| dropped.n > settled || dropped.n >= first);
        gone
    }

    /// The folds of all checkpoints up to this one are there for good.
    fn settled(&self) -> u64 {
        if self.store.is_one_log() {
            // The blobs of what is not folded in this run are still needed.
            return self.vouched.min(self.folded_through());
        }
        match (self.folds.front(), self.folds.back()) {
            (Some((n, at)), Some((_, seen))) if *seen - *at >= LISTED_AFTER => *n,
            _ => 0,
        }
    }

    fn unfolded(&self) -> usize {
        let folded = self.folded_through();
        self.checkpoints(|n| n > folded)
    }

    /// Checkpoints that are not folded, or whose triggers have not left.
    fn behind(&self) -> usize {
        let published = self.publisher.as_ref().map_or(u64::MAX, Publisher::published);
        let through = self.folded_through().min(published);
        self.checkpoints(|n| n > through)
    }

    /// How many checkpoints have a listed blob and a number that is so.
    fn checkpoints(&self, so: impl Fn(u64) -> bool) -> usize {
        self.listed.iter().map(|l| l.n).filter(|n| so(*n)).collect::<BTreeSet<u64>>().len()
    }

    /// Takes in what was folded and published.
    fn folded(&mut self) {
        while let Ok(told) = self.folder.try_recv() {
            self.hear(&told);
        }
        let folded = if self.store.is_one_log() { self.vouched } else { self.folded_through() };
        let unfolded = self.unfolded();
        let published = self.publisher.as_ref().map(Publisher::published);
        let mut gauge = self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        *gauge = KeeperGauge { folded, unfolded, published, ..*gauge };
    }

    fn hear(&mut self, told: &Told) {
        match *told {
            Told::Folded(n) => {
                let now = Instant::now();
                self.folds.push_back((n, now));
                // The first is the last of those from before the last minute.
                while self.folds.get(1).is_some_and(|(_, at)| now - *at >= LISTED_AFTER) {
                    self.folds.pop_front();
                }
            }
            Told::Lost(above) => {
                self.folds = VecDeque::from([(above, Instant::now())]);
                self.handed = above;
                let again: Vec<u64> = self.numbers().into_iter().filter(|n| *n > above).collect();
                again.into_iter().for_each(|n| self.have_folded(n));
            }
        }
    }

    /// All checkpoints up to this one are folded, as the folder found last.
    fn folded_through(&self) -> u64 {
        self.folds.back().map_or(0, |(n, _)| *n)
    }

    /// Removes blobs; those that stay because the store is away are garbage to be collected at the next start.
    fn remove(&mut self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        reach("remove:before");
        if let Err(error) = self.store.remove_blobs(names) {
            tracing::warn!(%error, "old blobs stay until the next start");
        }
        reach("remove:after");
    }

    fn renew(&mut self) {
        match self.store.renew(self.generation, LEASE) {
            Ok(stored) if stored < self.last => {
                tracing::error!(stored, ours = self.last, "the checkpoint store has gone back");
                std::process::exit(crate::exit::STATE_LOST)
            }
            Ok(_) => {}
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "the lease can't be prolonged now");
            }
            Err(error) => fail(&error),
        }
    }

    fn read_corrections(&mut self, to: &mpsc::SyncSender<(String, Vec<Correction>)>) {
        let edits = match self.store.edits(self.edits.as_deref(), CORRECTIONS) {
            Ok(edits) => edits,
            Err(error) if error.is_transient() => return,
            Err(error) => fail(&error),
        };
        let Some(last) = edits.last().map(|e| e.position.clone()) else { return };
        let corrections = edits.iter().filter_map(correction).collect();
        if to.try_send((last.clone(), corrections)).is_ok() {
            self.edits = Some(last);
        }
    }
}

/// An edit as people wrote it.
fn correction(edit: &Edit) -> Option<Correction> {
    let field = |name: &str| edit.pairs.iter().find(|(n, _)| n == name).map(|(_, text)| text.clone());
    let (Some(rule_id), Some(condition), Some(key)) = (field("rule"), field("condition"), field("key"))
    else {
        let position = &edit.position;
        tracing::warn!(
            position,
            "a correction is passed over; write `rule`, `condition`, `key`, `value` and `by`"
        );
        return None;
    };
    let by = field("by").unwrap_or_else(|| "unknown".to_owned());
    let text = field("value");
    tracing::info!(rule_id, condition, key, value = text, by, "state is corrected");
    Some(Correction { rule_id, condition, key, text, by })
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
