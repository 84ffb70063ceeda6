//! The dialling side of forming: one thread per process of lower number, blocking sockets with deadlines.
//!
//! A dial is repeated, after 10 ms at first and 100 ms at last, until it succeeds, forming stops, or the peer
//! proves that waiting can't help. A listener at the address that is not the peer is only a reason to dial
//! again.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::arrival::{Arrival, HANDSHAKE_WITHIN, Stop, fresh_nonce};
use super::claim::{HandshakeError, Mismatch};
use super::handshake::{ANSWER_BYTES, Dialing, PROOF_BYTES};
use super::link::Link;
use super::membership::Membership;
use super::socket::Socket;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

impl From<Mismatch> for DialError {
    fn from(mismatch: Mismatch) -> Self {
        Self::Handshake(mismatch.into())
    }
}

/// Dials `process` until it is connected, `stop` is set or `end` has passed. Blocks the calling thread.
pub(super) fn dial_peer(
    me: &Arc<Membership>,
    process: usize,
    end: Instant,
    stop: &Stop,
    arrivals: &Sender<Arrival>,
) {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 0;
    while !stop.is_set() && Instant::now() < end {
        attempt = next_attempt(attempt);
        let arrival = match dial_once(me, process, attempt, end) {
            Ok(link) => Arrival::Connected { process, attempt, link },
            Err(DialError::Handshake(HandshakeError::Mismatch(mismatch))) => {
                Arrival::Mismatch { process, mismatch }
            }
            Err(error) => Arrival::Absent { process, reason: error.to_string() },
        };
        let finished = match &arrival {
            Arrival::Connected { .. } => true,
            Arrival::Mismatch { mismatch, .. } => mismatch.is_final(),
            Arrival::Absent { .. } => false,
        };
        if arrivals.send(arrival).is_err() || finished || stop.wait(pause) {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn dial_once(me: &Membership, process: usize, attempt: u64, end: Instant) -> Result<Link, DialError> {
    let end = end.min(Instant::now() + HANDSHAKE_WITHIN);
    let timeout = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut socket = Socket::dial(me, process, timeout)?;
    socket.set_no_delay()?;
    let to = u32::try_from(process).unwrap_or(u32::MAX);
    let dialing = Dialing::new(me, to, attempt, &fresh_nonce());
    socket.write_all_until(dialing.greeting(), end)?;
    let mut answer = [0; ANSWER_BYTES];
    socket.read_exact_until(&mut answer, end)?;
    let proving = dialing.prove(&me.secret, &answer)?;
    socket.write_all_until(&proving.proof, end)?;
    proving.verdict?;
    let mut accept = [0; PROOF_BYTES];
    socket.read_exact_until(&mut accept, end)?;
    proving.confirm(&me.secret, &accept)?;
    Ok(Link::new(socket.hand_over()?, &proving.keys(&me.secret))?)
}

/// Number of the next attempt: ascends within a process and, as far as the clock is right, over its restarts.
fn next_attempt(last: u64) -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX).max(last.saturating_add(1))
}
