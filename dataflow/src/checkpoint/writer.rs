//! The writer: a thread per worker that puts the parts of checkpoints into the store as blobs, and the
//! operator that reports them.
//!
//! Its queue holds at most one checkpoint, since the next is not begun before this one is committed.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
    mpsc,
};

use operators::{
    model::{
        epoch::Epoch,
        ids::{CheckpointNumber, OwnerGeneration},
    },
    ops::{
        Part, Saver, Signal,
        kit::{self, Frontier, HeldEpoch},
    },
};
use sinks::checkpoint::{CheckpointError, CheckpointStore};
use timely::{
    dataflow::{StreamVec, channels::pact::Pipeline, operators::generic::builder_rc::OperatorBuilder},
    scheduling::SyncActivator,
};

use super::{blob::encode, fail_point::reach, pieces, retry::retry_until_done};
use crate::{
    exit::ExitHandle,
    protocol::report::{BlobRef, Report},
    threads,
};

/// Worker's end: receives the parts of its checkpoints from `evaluate`.
pub struct Writer {
    parts: mpsc::Sender<(CheckpointNumber, Part)>,
    holds_triggers: bool,
}

/// Operator's end: reports of the blobs that were written.
pub struct Written {
    shared: Arc<Shared>,
}

struct Shared {
    /// Owner generation of the engine, as soon as it is known.
    generation: AtomicU64,
    done: Mutex<Vec<(CheckpointNumber, Vec<BlobRef>)>>,
    wake: Mutex<Option<SyncActivator>>,
}

/// Starts the thread of a worker; it ends the process if the store can't be used.
pub fn start(
    mut store: Box<dyn CheckpointStore>,
    worker: usize,
    holds_triggers: bool,
    exit: ExitHandle,
) -> (Writer, Written) {
    let (parts, from) = mpsc::channel();
    let shared = Arc::new(Shared {
        generation: AtomicU64::new(0),
        done: Mutex::new(Vec::new()),
        wake: Mutex::new(None),
    });
    let written = Written { shared: Arc::clone(&shared) };
    threads::spawn("state:write", move || {
        if let Err(error) = write(&mut *store, worker, &from, &shared) {
            exit.end(error);
        }
    });
    (Writer { parts, holds_triggers }, written)
}

fn write(
    store: &mut dyn CheckpointStore,
    worker: usize,
    parts: &mpsc::Receiver<(CheckpointNumber, Part)>,
    shared: &Shared,
) -> Result<(), CheckpointError> {
    let mut blobs: Vec<BlobRef> = Vec::new();
    while let Ok((number, part)) = parts.recv() {
        let Some(bytes) = encode(&part) else {
            let done = (number, std::mem::take(&mut blobs));
            shared.done.lock().unwrap_or_else(PoisonError::into_inner).push(done);
            if let Some(wake) = &*shared.wake.lock().unwrap_or_else(PoisonError::into_inner) {
                // The worker may be gone; then nobody waits.
                let _ = wake.activate();
            }
            continue;
        };
        let generation = OwnerGeneration(shared.generation.load(Ordering::SeqCst));
        let name = format!("ckpt:{generation}:{number}:{worker}:{}", blobs.len());
        reach("blob:before");
        retry_until_done("a checkpoint", || pieces::put(store, &name, &bytes))?;
        reach("blob:after");
        blobs.push(BlobRef::of(name, &bytes, matches!(part, Part::Triggers(_))));
    }
    Ok(())
}

impl Saver for Writer {
    fn holds_triggers(&self) -> bool {
        self.holds_triggers
    }

    fn save(&self, number: CheckpointNumber, part: Part) {
        // The thread lives as long as the process.
        let _ = self.parts.send((number, part));
    }
}

/// Reports the blobs of a worker's checkpoints once they are in the store.
pub fn reports<'s>(
    signals: StreamVec<'s, Epoch, Signal>,
    written: Option<Written>,
) -> StreamVec<'s, Epoch, Report> {
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("checkpoint.written".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let (mut output, reports) = kit::output::<Vec<Report>>(&mut builder);
    if let Some(Written { shared }) = &written {
        let wake = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
        *shared.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
    }
    builder.build(move |initial| {
        let mut held = HeldEpoch::<1>::new(initial);
        held.release_if(written.is_none());
        move |frontiers| {
            signals.for_each(|_, signals| {
                for signal in signals.drain(..) {
                    match (signal, &written) {
                        (Signal::Epoch(epoch), _) => held.advance(epoch),
                        (Signal::Start(start), Some(Written { shared })) => {
                            shared.generation.store(start.generation.0, Ordering::SeqCst);
                        }
                        _ => {}
                    }
                }
            });
            held.release_if(Frontier::from(&frontiers[0]).has_ended());
            let (Some([at]), Some(Written { shared })) = (held.capabilities(), &written) else { return };
            let done = std::mem::take(&mut *shared.done.lock().unwrap_or_else(PoisonError::into_inner));
            let saved = done.into_iter().map(|(number, blobs)| Report::Saved { number, blobs });
            output.activate().session(at).give_iterator(saved);
        }
    });
    reports
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use operators::model::trigger::Fired;
    use sinks::checkpoint::{MAX_BLOB, MemoryCheckpoints};
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;
    use crate::checkpoint::{blob, committed::listed};

    #[test]
    fn more_triggers_than_fit_in_one_piece_come_back() {
        // Lines that do not compress.
        let line = |n: u64| (n << 10..(n + 1) << 10).map(|i| format!("{:016x}", xxh3_64(&i.to_le_bytes())));
        let fired = |n: u64| Fired { trigger_id: n.to_string(), line: line(n).collect(), ..Fired::default() };
        let held: Vec<Fired> = (0..600).map(fired).collect();
        let mut store = MemoryCheckpoints::new();
        let (writer, written) = start(Box::new(store.clone()), 0, true, ExitHandle::for_test().0);
        writer.save(CheckpointNumber(1), Part::Triggers(held.clone()));
        writer.save(CheckpointNumber(1), Part::End);
        let until = Instant::now() + Duration::from_secs(60);
        let done = loop {
            if let Some(done) = written.shared.done.lock().unwrap().pop() {
                break done;
            }
            assert!(Instant::now() < until);
            std::thread::yield_now();
        };
        let (CheckpointNumber(1), [blob]) = (done.0, &done.1[..]) else { panic!("{done:?}") };
        assert!(blob.bytes > MAX_BLOB as u64, "{}", blob.bytes);
        assert!(blob::triggers(&blob.name, &listed(&mut store, blob).unwrap()).unwrap() == held);
        assert_eq!(store.blobs().unwrap(), pieces::of(blob).collect::<Vec<_>>());
    }
}
