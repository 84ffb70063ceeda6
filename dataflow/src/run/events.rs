//! `events`: from sources to the dataflow.
//!
//! A [thread per worker](reader) opens its source and reads; a bounded channel passes its reads to the
//! operator, which sends them at the last epoch announced. [`Intake`] decides what may be sent when: it
//! bounds the bytes read ahead of evaluation, and inserts barriers. What is read again after a failure has the clock of the
//! [first reading](first_reads).

mod first_reads;
mod intake;
mod reader;

use std::{
    cell::Cell,
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use operators::{
    model::epoch::Epoch,
    ops::{
        Signal,
        kit::{self, Frontier, HeldEpoch},
        read::Read,
    },
};
use sources::events::ReadProgress;
use timely::dataflow::{
    ProbeHandle, StreamVec, channels::pact::Pipeline, operators::generic::builder_rc::OperatorBuilder,
};

pub use self::reader::Open;
use self::{
    intake::{Intake, NextTurn},
    reader::ReaderThread,
};
use super::awaiting::Awaiting;
use crate::{exit::ExitHandle, protocol::report::Report};

/// Delay before the next check whether the dataflow has completed enough to read on.
const SOON: Duration = Duration::from_millis(2);

/// Parameters of a worker's reading.
pub struct Reading {
    /// Whether the clocks of idle partitions follow the wall clock.
    pub live: bool,
    /// Whether this worker is done once its partitions have ended. Worker 0 without any source of events
    /// never is: the cluster waits for changes of its rules.
    pub ends: bool,
    /// Upper bound of the record bytes sent in epochs that are not complete; one slice may exceed it.
    pub read_ahead: usize,
    /// Set when the cluster is to end.
    pub stopping: Arc<AtomicBool>,
    /// Set to the progress of the source after every read.
    pub progress: Arc<Mutex<ReadProgress>>,
    /// Set to the last epoch announced.
    pub epoch: Rc<Cell<Epoch>>,
    /// Ends the process if the source fails.
    pub exit: ExitHandle,
    /// Name of the source, where it is waited for.
    pub name: String,
    /// Receives that the source is waited for.
    pub awaiting: Awaiting,
    /// File in which it is noted when events are read first; `None`: it is not noted.
    pub first_reads: Option<PathBuf>,
}

/// Output streams of `events`.
pub struct EventStreams<'s> {
    /// Reads of this worker's source.
    pub reads: StreamVec<'s, Epoch, Read>,
    /// [`Report::Ended`], once all partitions of this worker have ended.
    pub reports: StreamVec<'s, Epoch, Report>,
}

/// Reads a worker's partitions; `probe` shows which epochs the dataflow has completed.
pub fn events<'s>(
    signals: StreamVec<'s, Epoch, Signal>,
    open: Open,
    reading: Reading,
    probe: ProbeHandle<Epoch>,
) -> EventStreams<'s> {
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("events".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let (mut reads_output, reads) = kit::output::<Vec<Read>>(&mut builder);
    let (mut reports_output, reports) = kit::output::<Vec<Report>>(&mut builder);
    let address = builder.operator_info().address;
    let activator = scope.activator_for(Rc::clone(&address));
    let wake = scope.worker().sync_activator_for(address.to_vec());
    let mut thread = ReaderThread::new(open, &reading, wake);
    let Reading { ends, read_ahead, stopping, epoch, .. } = reading;
    let mut intake = Intake::new(read_ahead);
    builder.build(move |initial| {
        let mut held = HeldEpoch::<2>::new(initial);
        move |frontiers| {
            signals.for_each(|_, signals| {
                for signal in signals.drain(..) {
                    if let Signal::Epoch(e) = signal {
                        epoch.set(e);
                        held.advance(e);
                    }
                    if let Some(reads) = thread.signal(&signal) {
                        intake.start(reads);
                    }
                    intake.signal(&signal);
                }
            });
            held.release_if(Frontier::from(&frontiers[0]).has_ended() || stopping.load(Ordering::SeqCst));
            let Some([reads_at, reports_at]) = held.capabilities() else { return };
            let mut turn = intake.turn(*reads_at.time(), |epoch| !probe.less_equal(&epoch));
            if !turn.reads.is_empty() {
                reads_output.activate().session(reads_at).give_container(&mut turn.reads);
            }
            if turn.ended && ends {
                reports_output.activate().session(reports_at).give(Report::Ended);
            }
            match turn.next {
                NextTurn::Woken => {}
                NextTurn::AtOnce => activator.activate(),
                NextTurn::Soon => activator.activate_after(SOON),
            }
        }
    });
    EventStreams { reads, reports }
}
