//! Forms the full mesh of sockets that timely runs on.
//!
//! Process `i` listens for every `j > i` and dials every `j < i`; each pair proves to each other by the
//! [handshake](super::handshake) that they belong together. When all are connected the listener closes:
//! nobody joins a running cluster.
//!
//! Invariants:
//! - [`connect`] returns within `form_within` (plus a few milliseconds), whatever others do: silent clients,
//!   HTTP requests, port scans and garbage cost a slot in a bounded set and nothing else.
//! - It returns links to authenticated peers with an equal claim only, blocking and without timeouts.
//! - An authentic peer that can never fit (another build, size, order, or a *newer* generation) ends forming
//!   at once on both sides, with an error that names the difference. A leftover of an older generation is
//!   waited out.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::accept::accept_peers;
use super::arrival::{Arrival, Stop};
use super::dial::dial_peer;
use super::link::Link;
use super::membership::Membership;
use super::socket::Listener;

mod error;

pub use error::{BootstrapError, Missing};

/// Longest time for which an address may still be in use by a predecessor that is about to end.
const BIND_WITHIN: Duration = Duration::from_secs(3);
const BIND_PAUSE: Duration = Duration::from_millis(50);

/// Connects with every other process; the result has one link per process, `None` for this one.
///
/// ```no_run
/// # use strateye::cluster::{Membership, bootstrap};
/// # fn run(membership: Membership) -> Result<(), Box<dyn std::error::Error>> {
/// let sockets = bootstrap::connect(&membership)?;
/// assert!(sockets[membership.process].is_none());
/// # Ok(()) }
/// ```
pub fn connect(membership: &Membership) -> Result<Vec<Option<Link>>, BootstrapError> {
    membership.validate()?;
    let end = Instant::now() + membership.form_within;
    let awaits_others = membership.process + 1 < membership.processes;
    let listener = if awaits_others { Some(bind(membership, end)?) } else { None };
    form(membership, listener, end)
}

/// Forms with a listener that is already bound.
fn form(
    membership: &Membership,
    listener: Option<Listener>,
    end: Instant,
) -> Result<Vec<Option<Link>>, BootstrapError> {
    let started = Instant::now();
    let me = Arc::new(membership.clone());
    let stop = Arc::new(Stop::default());
    let (sender, arrivals) = channel();
    let acceptor = listener.map(|listener| spawn_acceptor(&me, listener, &stop, &sender)).transpose()?;
    for process in 0..me.process {
        spawn_dialer(&me, process, end, &stop, &sender)?;
    }
    drop(sender);
    let formed = Forming::new(&me).collect(&arrivals, end);
    stop.set();
    if let Some(acceptor) = acceptor {
        let _ = acceptor.join();
    }
    if formed.is_ok() {
        let took = started.elapsed();
        tracing::info!(
            process = me.process,
            processes = me.processes,
            generation = me.generation.0,
            ?took,
            "formed"
        );
    }
    formed
}

fn bind(membership: &Membership, end: Instant) -> Result<Listener, BootstrapError> {
    let end = end.min(Instant::now() + BIND_WITHIN);
    loop {
        match Listener::bind(membership) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < end => {
                // The system sends no notification when an address becomes free.
                thread::sleep(BIND_PAUSE);
            }
            Err(source) => {
                return Err(BootstrapError::Bind {
                    address: membership.address_of(membership.process),
                    source,
                });
            }
        }
    }
}

fn spawn_acceptor(
    me: &Arc<Membership>,
    listener: Listener,
    stop: &Arc<Stop>,
    arrivals: &Sender<Arrival>,
) -> Result<thread::JoinHandle<()>, BootstrapError> {
    let (me, stop, arrivals) = (Arc::clone(me), Arc::clone(stop), arrivals.clone());
    let work = move || accept_peers(&me, &listener, &stop, &arrivals);
    thread::Builder::new().name("cluster:accept".into()).spawn(work).map_err(BootstrapError::Thread)
}

/// Starts a thread that dials `process`. Not joined: the thread ends soon after `stop`, but the system's name
/// resolution has its own deadlines.
fn spawn_dialer(
    me: &Arc<Membership>,
    process: usize,
    end: Instant,
    stop: &Arc<Stop>,
    arrivals: &Sender<Arrival>,
) -> Result<(), BootstrapError> {
    let (me, dialer_stop, arrivals) = (Arc::clone(me), Arc::clone(stop), arrivals.clone());
    let work = move || dial_peer(&me, process, end, &dialer_stop, &arrivals);
    match thread::Builder::new().name(format!("cluster:dial-{process}")).spawn(work) {
        Ok(_) => Ok(()),
        Err(error) => {
            stop.set();
            Err(BootstrapError::Thread(error))
        }
    }
}

/// Sockets of the other processes, filled as they connect.
struct Forming<'a> {
    me: &'a Membership,
    slots: Vec<Option<(u64, Link)>>,
    reasons: Vec<String>,
    missing: usize,
}

impl<'a> Forming<'a> {
    fn new(me: &'a Membership) -> Self {
        let reason =
            |process| if process > me.process { "it has not connected" } else { "it was not dialled" };
        Self {
            me,
            slots: (0..me.processes).map(|_| None).collect(),
            reasons: (0..me.processes).map(|process| reason(process).to_owned()).collect(),
            missing: me.processes - 1,
        }
    }

    fn collect(
        mut self,
        arrivals: &Receiver<Arrival>,
        end: Instant,
    ) -> Result<Vec<Option<Link>>, BootstrapError> {
        while self.missing > 0 {
            match arrivals.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(arrival) => self.arrive(arrival)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(self.incomplete());
                }
            }
        }
        Ok(self.slots.into_iter().map(|slot| slot.map(|(_, link)| link)).collect())
    }

    fn arrive(&mut self, arrival: Arrival) -> Result<(), BootstrapError> {
        match arrival {
            Arrival::Connected { process, attempt, link } => {
                let Some(slot) = self.slots.get_mut(process) else { return Ok(()) };
                if slot.as_ref().is_none_or(|(known, _)| *known < attempt) {
                    self.missing -= usize::from(slot.is_none());
                    *slot = Some((attempt, link));
                }
            }
            Arrival::Mismatch { process, mismatch } if mismatch.is_final() => {
                let address = self.me.address_of(process);
                return Err(BootstrapError::Mismatch { process, address, mismatch });
            }
            Arrival::Mismatch { process, mismatch } => self.note(process, &mismatch.to_string()),
            Arrival::Absent { process, reason } => self.note(process, &reason),
        }
        Ok(())
    }

    fn note(&mut self, process: usize, reason: &str) {
        let Some(known) = self.reasons.get_mut(process) else { return };
        if known != reason {
            tracing::debug!(process, reason, "not connected yet");
            reason.clone_into(known);
        }
    }

    fn incomplete(self) -> BootstrapError {
        let Self { me, slots, reasons, .. } = self;
        let missing = slots
            .iter()
            .zip(reasons)
            .enumerate()
            .filter(|(process, (slot, _))| slot.is_none() && *process != me.process)
            .map(|(process, (_, reason))| Missing { process, address: me.address_of(process), reason })
            .collect();
        BootstrapError::Incomplete {
            process: me.process,
            processes: me.processes,
            within: me.form_within,
            missing,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
