//! Restore: stored state back to the workers that own its keys, whoever they are now.
//!
//! Every worker reads a share of what is stored, once the rules of the checkpoint are made. The operator holds a
//! capability until its share is read, at the last epoch announced, so that the frontier shows when all state is there.

use std::sync::{Arc, mpsc};

use operators::{
    ops::{Shelf, Signal, Start, Stored, evaluating::StateNames},
    rule::book::RuleBook,
};
use sinks::checkpoint::{CheckpointError, CheckpointStore};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        StreamVec,
        channels::pact::Pipeline,
        operators::{
            Capability,
            generic::{OutputBuilder, builder_rc::OperatorBuilder},
        },
    },
    scheduling::SyncActivator,
};

use super::{State, blob, fail, fail_point::reach, persist, pieces};
use crate::threads;

/// States handed on at once.
const BATCH: usize = 2_048;
/// Batches between the reading thread and the worker.
const QUEUE: usize = 32;

/// Gives out a worker's share of what is stored.
pub fn restore<'s>(
    signals: StreamVec<'s, u64, Signal>,
    shelf: Arc<dyn Shelf>,
    state: State,
) -> StreamVec<'s, u64, Stored> {
    let scope = signals.scope();
    let share = (scope.index(), scope.peers());
    let mut builder = OperatorBuilder::new("restore".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let (output, stored) = builder.new_output_connection::<Vec<Stored>, _>([]);
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Stored>>>::from(output);
    let wake = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    builder.build(move |mut initial: Vec<Capability<u64>>| {
        let mut held = initial.pop();
        let mut start: Option<Arc<Start>> = None;
        let mut from: Option<mpsc::Receiver<Vec<Stored>>> = None;
        move |frontiers| {
            signals.for_each(|_, words| {
                for word in words.drain(..) {
                    match word {
                        Signal::Epoch(epoch) => {
                            if let Some(held) = held.as_mut() {
                                held.downgrade(&epoch);
                            }
                        }
                        Signal::Start(said) if said.checkpoint.is_none() => held = None,
                        Signal::Start(said) => start = Some(said),
                        Signal::Switch { generation, .. } => {
                            // Made everywhere before the switch is announced.
                            if let (Some(start), Some(applied)) = (start.take(), shelf.applied(generation)) {
                                let book = Arc::clone(&applied.book);
                                from = Some(read(state.clone(), share, start, book, wake.clone()));
                            }
                        }
                        _ => {}
                    }
                }
            });
            if frontiers[0].is_empty() {
                held = None;
            }
            let (Some(at), Some(batches)) = (held.as_ref(), from.as_ref()) else { return };
            let mut output = output.activate();
            loop {
                match batches.try_recv() {
                    Ok(mut batch) => output.session(at).give_container(&mut batch),
                    Err(mpsc::TryRecvError::Empty) => return,
                    Err(mpsc::TryRecvError::Disconnected) => break,
                }
            }
            held = None;
        }
    });
    stored
}

/// Reads a share in a thread of its own.
fn read(
    state: State,
    share: (usize, usize),
    start: Arc<Start>,
    book: Arc<RuleBook>,
    wake: SyncActivator,
) -> mpsc::Receiver<Vec<Stored>> {
    let (to, from) = mpsc::sync_channel(QUEUE);
    threads::spawn("state:restore", move || {
        let names = StateNames::of(&book);
        let mut out = Out { to, wake, names, book, batch: Vec::new() };
        let store = persist("restoring", || state.open_now());
        if let Some(mut store) = store
            && let Err(error) = share_of(&mut *store, share, &start, &mut out)
        {
            fail(&error);
        }
        out.flush();
        let Out { to, wake, .. } = out;
        drop(to);
        // The worker may be gone; then nobody waits.
        let _ = wake.activate();
    });
    from
}

struct Out {
    to: mpsc::SyncSender<Vec<Stored>>,
    wake: SyncActivator,
    names: StateNames,
    book: Arc<RuleBook>,
    batch: Vec<Stored>,
}

impl Out {
    /// A stored state; one that no rule has is passed over.
    fn push(&mut self, order: u64, name: &str, key: &str, text: Option<&str>) {
        let Some(hash) = self.names.route(&self.book, name, key) else { return };
        let (name, key, text) = (name.to_owned(), key.to_owned(), text.map(str::to_owned));
        self.batch.push(Stored { hash, order, name, key, text });
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        // If the worker is gone, the process ends.
        let _ = self.to.send(std::mem::take(&mut self.batch));
        let _ = self.wake.activate();
    }
}

/// Every so many-th of all that is stored.
fn share_of(
    store: &mut dyn CheckpointStore,
    (me, peers): (usize, usize),
    start: &Start,
    out: &mut Out,
) -> Result<(), CheckpointError> {
    for name in start.states.iter().skip(me).step_by(peers) {
        store.scan(name, &mut |key, text| out.push(0, name, key, Some(text)))?;
        reach("restore:state");
    }
    for (i, name) in start.blobs.iter().enumerate().skip(me).step_by(peers) {
        let unusable = |reason: String| CheckpointError::Format { place: name.clone(), reason };
        let bytes = pieces::read(store, name)?.ok_or_else(|| {
            unusable("the manifest lists it and it is not there; restore the store from a backup, or choose another prefix or file to begin anew".into())
        })?;
        let delta = blob::state(&bytes).map_err(unusable)?;
        delta.changes().for_each(|c| out.push(i as u64 + 1, c.name, c.key, c.text));
        reach("restore:blob");
    }
    Ok(())
}
