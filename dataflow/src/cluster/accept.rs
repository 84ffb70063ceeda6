//! The listening side of forming: one thread, non-blocking sockets, a bounded set of unfinished handshakes.
//!
//! Invariants:
//! - No connection can make this thread wait: every read and write is non-blocking, and an unfinished
//!   handshake is dropped at its deadline, when the set is full of strangers (their oldest first), or at the
//!   first byte that does not belong to the protocol.
//! - A stranger displaces strangers only. A connection is read as it is accepted; from a hello with the MAC of the
//!   secret on it is a member's, and only that process's next attempt takes its place. So a hello that somebody
//!   overheard and repeats takes none.
//! - A connection counts only after its proof was checked.
//! - Of several authentic connections of one process the one with the highest attempt number is kept, because
//!   the dialer has given up the others.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::arrival::{Arrival, HANDSHAKE_WITHIN, Stop, fresh_nonce};
use super::claim::{HandshakeError, MAGIC, Mismatch};
use super::handshake::{Answering, GREETING_BYTES, PROOF_BYTES};
use super::link::Link;
use super::membership::Membership;
use super::seal::SealKeys;
use super::socket::{Listener, Socket};

/// Most unfinished handshakes of strangers; a further one displaces the oldest.
const MAX_STRANGERS: usize = 128;
/// Most connections accepted from the backlog between two rounds over the unfinished handshakes.
const MAX_ACCEPTS: usize = 64;
/// Longest time until this thread notices `stop`.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Number of strangers logged as warnings; later ones only at debug level.
const STRANGERS_REPORTED: u32 = 5;

/// Accepts connections until every process of higher number has connected, or `stop` is set. Blocks the
/// calling thread.
pub(super) fn accept_peers(
    me: &Arc<Membership>,
    listener: &Listener,
    stop: &Stop,
    arrivals: &Sender<Arrival>,
) {
    let mut acceptor = Acceptor::new(me, arrivals);
    while !stop.is_set() && acceptor.seen.contains(&false) {
        acceptor.wait_and_serve(listener);
    }
}

struct Pending {
    socket: Socket,
    deadline: Instant,
    buffer: [u8; GREETING_BYTES],
    filled: usize,
    answering: Option<Answering>,
}

enum Progress {
    Waits,
    Done { process: usize, attempt: u64, keys: SealKeys },
}

enum Refusal {
    Io(io::Error),
    Handshake(HandshakeError),
}

struct Acceptor {
    me: Arc<Membership>,
    pending: Vec<Pending>,
    seen: Vec<bool>,
    listener_rests_until: Instant,
    strangers: u32,
    arrivals: Sender<Arrival>,
}

impl Acceptor {
    fn new(me: &Arc<Membership>, arrivals: &Sender<Arrival>) -> Self {
        Acceptor {
            me: Arc::clone(me),
            pending: Vec::new(),
            seen: vec![false; me.processes - me.process - 1],
            listener_rests_until: Instant::now(),
            strangers: 0,
            arrivals: arrivals.clone(),
        }
    }

    fn wait_and_serve(&mut self, listener: &Listener) {
        let (listener_ready, ready) = self.wait(listener);
        for (pending, ready) in std::mem::take(&mut self.pending).into_iter().zip(ready) {
            self.serve(pending, ready);
        }
        if listener_ready {
            self.take_connections(listener);
        }
    }

    /// Lets a handshake go on if there is something to read, and keeps it if it is unfinished.
    fn serve(&mut self, mut pending: Pending, ready: bool) {
        let progress = if ready { pending.advance(&self.me) } else { Ok(Progress::Waits) };
        match progress {
            Ok(Progress::Waits) if pending.deadline > Instant::now() => self.keep(pending),
            Ok(Progress::Waits) => self.refuse("it did not identify itself in time"),
            Ok(Progress::Done { process, attempt, keys }) => {
                self.admit(process, attempt, pending.socket, &keys);
            }
            Err(Refusal::Io(error)) => self.refuse(&error.to_string()),
            Err(Refusal::Handshake(error)) => self.refuse_peer(&pending, error),
        }
    }

    /// Keeps an unfinished handshake: of a member the one of its last attempt, of strangers the latest.
    fn keep(&mut self, pending: Pending) {
        match pending.member() {
            Some((process, attempt)) => {
                let of_process = |other: &Pending| other.member().filter(|(from, _)| *from == process);
                let known = self.pending.iter().position(|other| of_process(other).is_some());
                match known.map(|at| (at, of_process(&self.pending[at]))) {
                    None => self.pending.push(pending),
                    Some((at, Some((_, before)))) if before < attempt => self.pending[at] = pending,
                    Some(_) => self.refuse("it repeats what a process has said"),
                }
            }
            None => {
                self.pending.push(pending);
                let strangers = || self.pending.iter().filter(|pending| pending.member().is_none());
                if strangers().count() > MAX_STRANGERS
                    && let Some(oldest) = self.pending.iter().position(|pending| pending.member().is_none())
                {
                    self.pending.remove(oldest);
                }
            }
        }
    }

    /// Blocks until something can be read, a deadline passes, or `stop` must be checked. Returns readiness of
    /// the listener and of each pending handshake.
    fn wait(&self, listener: &Listener) -> (bool, Vec<bool>) {
        let now = Instant::now();
        let listener_rests = self.listener_rests_until > now;
        let first = self.pending.iter().map(|pending| pending.deadline.saturating_duration_since(now)).min();
        let timeout = first.unwrap_or(STOP_CHECK_INTERVAL).min(STOP_CHECK_INTERVAL);
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(timeout.subsec_nanos()) };
        let listening = if listener_rests { PollFlags::empty() } else { PollFlags::IN };
        let listener = listener.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(listener, listening)];
        fds.extend(self.pending.iter().map(|p| PollFd::from_borrowed_fd(p.socket.as_fd(), PollFlags::IN)));
        if poll(&mut fds, Some(&timeout)).is_err() {
            return (false, vec![false; self.pending.len()]);
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let listener_ready = ready.next().unwrap_or(false) && !listener_rests;
        (listener_ready, ready.collect())
    }

    fn take_connections(&mut self, listener: &Listener) {
        for _ in 0..MAX_ACCEPTS {
            match listener.accept() {
                Ok(socket) => self.serve(Pending::new(socket), true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // For example out of file descriptors: an immediate retry would only burn the processor.
                    tracing::warn!(%error, "cannot accept a connection");
                    self.listener_rests_until = Instant::now() + STOP_CHECK_INTERVAL;
                    break;
                }
            }
        }
    }

    fn admit(&mut self, process: usize, attempt: u64, socket: Socket, keys: &SealKeys) {
        let Some(seen) = self.seen.get_mut(process - self.me.process - 1) else { return };
        match socket.hand_over().and_then(|socket| Link::new(socket, keys)) {
            Ok(link) => {
                *seen = true;
                let _ = self.arrivals.send(Arrival::Connected { process, attempt, link });
            }
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    fn refuse_peer(&mut self, pending: &Pending, error: HandshakeError) {
        match error {
            HandshakeError::Mismatch(mismatch) => {
                let process = pending.answering.as_ref().map(Answering::claimed_process);
                self.report_mismatch(process.unwrap_or_default(), mismatch);
            }
            error => self.refuse(&error.to_string()),
        }
    }

    fn report_mismatch(&self, process: usize, mismatch: Mismatch) {
        let _ = self.arrivals.send(Arrival::Mismatch { process, mismatch });
    }

    fn refuse(&mut self, reason: &str) {
        self.strangers = self.strangers.saturating_add(1);
        if self.strangers <= STRANGERS_REPORTED {
            tracing::warn!(reason, "a connection was refused while the cluster forms");
        } else {
            tracing::debug!(
                reason,
                strangers = self.strangers,
                "a connection was refused while the cluster forms"
            );
        }
    }
}

impl Pending {
    fn new(socket: Socket) -> Self {
        let deadline = Instant::now() + HANDSHAKE_WITHIN;
        Self { socket, deadline, buffer: [0; GREETING_BYTES], filled: 0, answering: None }
    }

    /// The member it comes from, and the number of its attempt; `None` for a stranger.
    fn member(&self) -> Option<(u32, u64)> {
        self.answering.as_ref()?.member()
    }

    /// Reads what has arrived and answers each complete message.
    fn advance(&mut self, me: &Membership) -> Result<Progress, Refusal> {
        loop {
            let wanted = if self.answering.is_none() { GREETING_BYTES } else { PROOF_BYTES };
            let Some(space) = self.buffer.get_mut(self.filled..wanted) else { return Ok(Progress::Waits) };
            match self.socket.read(space) {
                Ok(0) => return Err(Refusal::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Waits),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Refusal::Io(error)),
            }
            if self.answering.is_none()
                && self.buffer.iter().zip(&MAGIC).take(self.filled).any(|(a, b)| a != b)
            {
                return Err(Refusal::Handshake(HandshakeError::Stranger));
            }
            if self.filled == wanted
                && let Some(done) = self.answer(me)?
            {
                return Ok(done);
            }
        }
    }

    fn answer(&mut self, me: &Membership) -> Result<Option<Progress>, Refusal> {
        self.filled = 0;
        let Some(answering) = &self.answering else {
            let (answering, bytes) =
                Answering::new(me, &self.buffer, &fresh_nonce()).map_err(Refusal::Handshake)?;
            self.write(&bytes)?;
            self.answering = Some(answering);
            return Ok(None);
        };
        let mut proof = [0; PROOF_BYTES];
        proof.iter_mut().zip(&self.buffer).for_each(|(to, from)| *to = *from);
        let (claim, accept) = answering.check(&me.secret, &proof).map_err(Refusal::Handshake)?;
        let (process, keys) = (answering.claimed_process(), answering.keys(&me.secret));
        self.write(&accept)?;
        Ok(Some(Progress::Done { process, attempt: claim.attempt, keys }))
    }

    /// A fresh connection has room for these few bytes; one that has none is not worth waiting for.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match self.socket.write(bytes) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(_) => Err(Refusal::Io(io::ErrorKind::WriteZero.into())),
            Err(error) => Err(Refusal::Io(error)),
        }
    }
}

#[cfg(test)]
mod tests;
