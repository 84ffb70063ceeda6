//! Restore: stored state, back to the workers that own its keys now.
//!
//! Every worker reads a share of the stored state, once the rules of the checkpoint are made. The operator
//! holds a capability, at the last epoch announced, until its share is read; so the frontier shows when all
//! state has arrived.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc},
};

use operators::{
    model::epoch::Epoch,
    ops::{
        Shelf, Signal, Start, Stored, StoredBlob,
        evaluating::StateNames,
        kit::{self, Frontier, HeldEpoch},
        route::owner,
    },
    rule::book::RuleBook,
    state::Delta,
};
use sinks::checkpoint::{CheckpointError, CheckpointStore};
use timely::{
    dataflow::{StreamVec, channels::pact::Pipeline, operators::generic::builder_rc::OperatorBuilder},
    scheduling::SyncActivator,
};

use super::{State, blob, committed::listed, fail_point::reach, retry::retry_until_done};
use crate::{exit::ExitHandle, protocol::report::BlobRef, threads};

/// Number of states from which on a batch for one worker is full; also full from `BYTES` of keys and texts.
const BATCH: usize = 2_048;
const BYTES: usize = 256 << 10;
/// Capacity of the channel of batches from the reading thread to the worker.
const QUEUE: usize = 32;

/// Sends a worker's share of stored state to the workers that own its keys; ends the process if the share
/// can't be read.
pub fn restore<'s>(
    signals: StreamVec<'s, Epoch, Signal>,
    shelf: Arc<dyn Shelf>,
    state: State,
    exit: ExitHandle,
) -> StreamVec<'s, Epoch, Stored> {
    let scope = signals.scope();
    let stored_in = StoredIn { state, share: (scope.index(), scope.peers()), exit };
    let mut builder = OperatorBuilder::new("restore".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let (mut output, stored) = kit::output_from::<Vec<Stored>>(&mut builder, &[]);
    let wake = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    builder.build(move |initial| {
        let mut held = HeldEpoch::<1>::new(initial);
        let mut start: Option<Arc<Start>> = None;
        let mut from: Option<mpsc::Receiver<Stored>> = None;
        move |frontiers| {
            signals.for_each(|_, signals| {
                for signal in signals.drain(..) {
                    match signal {
                        Signal::Epoch(epoch) => held.advance(epoch),
                        Signal::Start(resumed) if resumed.checkpoint.is_none() => held.release(),
                        Signal::Start(resumed) => start = Some(resumed),
                        Signal::Switch { generation, .. } => {
                            // All processes have made the book before the switch is announced.
                            if let (Some(start), Some(applied)) = (start.take(), shelf.applied(generation)) {
                                let book = Arc::clone(&applied.book);
                                from = Some(read(stored_in.clone(), start, book, wake.clone()));
                            }
                        }
                        _ => {}
                    }
                }
            });
            held.release_if(Frontier::from(&frontiers[0]).has_ended());
            let (Some([at]), Some(batches)) = (held.capabilities(), from.as_ref()) else { return };
            let mut output = output.activate();
            loop {
                match batches.try_recv() {
                    Ok(batch) => output.session(at).give(batch),
                    Err(mpsc::TryRecvError::Empty) => return,
                    Err(mpsc::TryRecvError::Disconnected) => break,
                }
            }
            held.release();
        }
    });
    stored
}

/// Location of a worker's share of the stored state: the store, the index of the share and the number of
/// shares.
#[derive(Clone)]
struct StoredIn {
    state: State,
    share: (usize, usize),
    exit: ExitHandle,
}

/// Starts a thread that reads a share; returns the channel of its batches.
fn read(
    StoredIn { state, share, exit }: StoredIn,
    start: Arc<Start>,
    book: Arc<RuleBook>,
    wake: SyncActivator,
) -> mpsc::Receiver<Stored> {
    let (to, from) = mpsc::sync_channel(QUEUE);
    threads::spawn("state:restore", move || {
        let names = StateNames::of(&book);
        let mut out = Out { to, wake, names, book, order: 0, filling: vec![Filling::default(); share.1] };
        let read = retry_until_done("restoring", || state.open_now()).and_then(|store| match store {
            Some(mut store) => share_of(&mut *store, share, &start, &mut out),
            None => Ok(()),
        });
        if let Err(error) = read {
            exit.end(error);
        }
        out.flush_all();
        let Out { to, wake, .. } = out;
        drop(to);
        // The worker may be gone; then nobody waits.
        let _ = wake.activate();
    });
    from
}

struct Out {
    to: mpsc::SyncSender<Stored>,
    wake: SyncActivator,
    names: StateNames,
    book: Arc<RuleBook>,
    /// Order of the states pushed.
    order: u64,
    /// Batches being filled, one per worker.
    filling: Vec<Filling>,
}

/// States for a worker, and the numbers of their names.
#[derive(Clone, Default)]
struct Filling {
    states: Delta,
    numbers: HashMap<String, u32>,
}

impl Filling {
    fn push(&mut self, name: &str, key: &str, text: Option<&str>) {
        let Filling { states, numbers } = self;
        let number = match numbers.get(name) {
            Some(number) => *number,
            None => *numbers.entry(name.to_owned()).or_insert(states.name(name.to_owned())),
        };
        states.push(number, key, text.map(|text| |to: &mut String| to.push_str(text)));
    }

    fn is_full(&self) -> bool {
        self.states.len() >= BATCH || self.states.bytes() >= BYTES
    }
}

impl Out {
    /// Adds a stored state to its owner's batch; one that no rule has is skipped.
    fn push(&mut self, name: &str, key: &str, text: Option<&str>) {
        let Some(hash) = self.names.route(&self.book, name, key) else { return };
        let to = owner(hash, self.filling.len());
        self.filling[to].push(name, key, text);
        if self.filling[to].is_full() {
            self.flush(to);
        }
    }

    /// Sends all batches, and sets the order of later ones.
    fn begin(&mut self, order: u64) {
        self.flush_all();
        self.order = order;
    }

    fn flush_all(&mut self) {
        (0..self.filling.len()).for_each(|to| self.flush(to));
    }

    fn flush(&mut self, to: usize) {
        let Filling { states, .. } = std::mem::take(&mut self.filling[to]);
        if !states.is_empty() {
            // If the worker is gone, the process ends.
            let _ = self.to.send(Stored { to: to as u64, order: self.order, states });
            let _ = self.wake.activate();
        }
    }
}

/// Reads this worker's share of the stored state: names and blobs by their position modulo the workers.
fn share_of(
    store: &mut dyn CheckpointStore,
    (me, peers): (usize, usize),
    start: &Start,
    out: &mut Out,
) -> Result<(), CheckpointError> {
    for name in start.states.iter().skip(me).step_by(peers) {
        store.scan(name, &mut |key, text| out.push(name, key, Some(text)))?;
        reach("restore:state");
    }
    for (i, stored) in start.blobs.iter().enumerate().skip(me).step_by(peers) {
        let delta = changes_of(store, stored)?;
        out.begin(i as u64 + 1);
        delta.changes().for_each(|c| out.push(c.name, c.key, c.text));
        reach("restore:blob");
    }
    Ok(())
}

/// Reads a blob of state, which must have the bytes that its manifest says.
fn changes_of(store: &mut dyn CheckpointStore, stored: &StoredBlob) -> Result<Delta, CheckpointError> {
    let StoredBlob { name, digest, bytes } = stored.clone();
    let bytes = listed(store, &BlobRef { name, digest, bytes, triggers: false })?;
    blob::state(&stored.name, &bytes)
}

#[cfg(test)]
mod tests {
    use operators::{ops::Part, state::delta::Change};
    use sinks::checkpoint::MemoryCheckpoints;

    use super::*;

    #[test]
    fn a_batch_names_each_state_once_and_keeps_the_order() {
        let mut filling = Filling::default();
        let pushed = [
            ("r:a:1", "1", Some("x")),
            ("r:b:1", "1", None),
            ("r:a:1", "2", Some("")),
            ("r:a:1", "1", Some("y")),
        ];
        pushed.iter().for_each(|(name, key, text)| filling.push(name, key, *text));
        let changes: Vec<Change<'_>> = filling.states.changes().collect();
        assert_eq!(changes, pushed.map(|(name, key, text)| Change { name, key, text }));
        assert_eq!(filling.states.by_name().count(), 2);
        assert!(!filling.is_full());
        filling.push("r:a:1", "3", Some(&"x".repeat(BYTES)));
        assert!(filling.is_full());
    }

    #[test]
    fn a_blob_that_is_not_the_one_listed_is_not_restored() {
        let mut store = MemoryCheckpoints::new();
        let delta = |text: &str| {
            let mut delta = Delta::default();
            let name = delta.name("r:a:1".to_owned());
            delta.push(name, "1", Some(|to: &mut String| to.push_str(text)));
            blob::encode(&Part::State(delta)).unwrap()
        };
        let listed = BlobRef::of("ckpt:1".to_owned(), &delta("one"), false).stored();
        let mut restored = |bytes: &[u8]| {
            store.put_blob("ckpt:1", bytes).unwrap();
            changes_of(&mut store, &listed)
        };
        assert!(restored(&delta("one")).is_ok());
        let error = restored(&delta("two")).unwrap_err().to_string();
        assert!(
            error.contains("ckpt:1") && error.contains("does not hold what the manifest says"),
            "{error}"
        );
    }
}
