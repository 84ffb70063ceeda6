//! The handshake by which two processes prove that they belong to one cluster: pure functions over byte
//! arrays.
//!
//! ```text
//! dialer                                         listener
//!   hello_d  = magic, version, claim_d, nonce_d;  HMAC(secret, "hello", hello_d) ──►
//!           ◄── hello_l = magic, version, claim_l, nonce_l;  HMAC(secret, "listen", hello_d, hello_l)
//!   HMAC(secret, "dialer", hello_d, hello_l) ──►
//!           ◄── HMAC(secret, "accept", hello_d, hello_l)
//! ```
//!
//! A claim contains the sender's process number and the one it expects of the receiver, the numbers of
//! processes and threads, generation, build fingerprint and (the dialer's) attempt number. All integers are
//! big-endian.
//!
//! Invariants:
//! - Every proof covers both hellos, hence both nonces, both process numbers and all that must be equal; a
//!   recorded transcript proves nothing again.
//! - Every proof is labelled with the role of its sender, so none can be reflected to it.
//! - Proofs are compared in constant time, *before* a claim is trusted: a stranger cannot make a process
//!   report a mismatch. Once both proofs are exchanged, both sides see a mismatch and can name it.
//! - Messages have fixed lengths, so nothing here allocates by a stranger's input.
//! - The MAC of the first hello admits nobody, as it can be repeated by whoever overheard it. It tells a member from
//!   strangers while its handshake goes on.
//!
//! The same secret and both hellos give the [keys](SealKeys) by which the bytes after it are
//! [sealed](super::seal) between hosts.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::claim::{Claim, HELLO_BYTES, HandshakeError, Mismatch, Nonce};
use super::membership::Membership;
use super::seal::{KEY_BYTES, SealKeys};
use super::secret::Secret;

/// Length of a proof, bytes.
pub(super) const PROOF_BYTES: usize = 32;
/// Length of the first message, bytes: the dialer's hello and its MAC.
pub(super) const GREETING_BYTES: usize = HELLO_BYTES + PROOF_BYTES;
/// Length of the listener's answer, bytes: its hello and its proof.
pub(super) const ANSWER_BYTES: usize = HELLO_BYTES + PROOF_BYTES;
const HELLO: &[u8; 16] = b"strateye hello..";
const LISTENER: &[u8; 16] = b"strateye listen.";
const DIALER: &[u8; 16] = b"strateye dialer.";
const ACCEPT: &[u8; 16] = b"strateye accept.";
const TO_LISTENER: &[u8; 16] = b"strateye to lis.";
const TO_DIALER: &[u8; 16] = b"strateye to dia.";

/// A MAC over a transcript.
pub(super) type Proof = [u8; PROOF_BYTES];

/// Begins the MAC of a message with this label.
fn labelled(secret: &Secret, label: &[u8; 16]) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&secret.block().into());
    mac.update(label);
    mac
}

/// Both hellos, which all proofs of one handshake cover.
#[derive(Clone)]
struct Transcript {
    dialer: [u8; HELLO_BYTES],
    listener: [u8; HELLO_BYTES],
}

impl Transcript {
    fn mac(&self, secret: &Secret, label: &[u8; 16]) -> Hmac<Sha256> {
        let mut mac = labelled(secret, label);
        mac.update(&self.dialer);
        mac.update(&self.listener);
        mac
    }

    fn prove(&self, secret: &Secret, label: &[u8; 16]) -> Proof {
        self.mac(secret, label).finalize().into_bytes().into()
    }

    fn check(&self, secret: &Secret, label: &[u8; 16], proof: &Proof) -> Result<(), HandshakeError> {
        self.mac(secret, label).verify_slice(proof).map_err(|_| HandshakeError::NotAuthentic)
    }

    /// The key of one direction: fresh, as both hellos have a nonce.
    fn key(&self, secret: &Secret, label: &[u8; 16]) -> [u8; KEY_BYTES] {
        self.prove(secret, label)
    }
}

/// The listener's side after the dialer's hello.
pub(super) struct Answering {
    transcript: Transcript,
    is_member: bool,
    mine: Claim,
    theirs: Claim,
}

impl Answering {
    /// Decodes the dialer's hello and makes the answer.
    pub(super) fn new(
        me: &Membership,
        greeting: &[u8; GREETING_BYTES],
        nonce: &Nonce,
    ) -> Result<(Self, [u8; ANSWER_BYTES]), HandshakeError> {
        let (mut hello, mut mac) = ([0; HELLO_BYTES], labelled(&me.secret, HELLO));
        let (head, tail) = greeting.split_at(HELLO_BYTES);
        hello.copy_from_slice(head);
        mac.update(head);
        let theirs = Claim::decode(&hello)?;
        let mine = Claim::new(me, theirs.from, theirs.attempt);
        let is_member = mac.verify_slice(tail).is_ok() && mine.compare(&theirs).is_ok();
        let transcript = Transcript { dialer: hello, listener: mine.encode(nonce) };
        let mut answer = [0; ANSWER_BYTES];
        let (head, tail) = answer.split_at_mut(HELLO_BYTES);
        head.copy_from_slice(&transcript.listener);
        tail.copy_from_slice(&transcript.prove(&me.secret, LISTENER));
        Ok((Self { transcript, is_member, mine, theirs }, answer))
    }

    /// The member that the hello comes from, and the number of its attempt; `None` for a stranger, and for who has
    /// another claim, such as an older generation. A stranger that overheard it may have sent it again.
    pub(super) fn member(&self) -> Option<(u32, u64)> {
        self.is_member.then_some((self.theirs.from, self.theirs.attempt))
    }

    /// Keys of the connection, on this side.
    pub(super) fn keys(&self, secret: &Secret) -> SealKeys {
        let key = |label| self.transcript.key(secret, label);
        SealKeys { sending: key(TO_DIALER), receiving: key(TO_LISTENER) }
    }

    /// Process number in the dialer's claim.
    pub(super) fn claimed_process(&self) -> usize {
        usize::try_from(self.theirs.from).unwrap_or(usize::MAX)
    }

    /// Checks the dialer's proof, then its claim. Returns the claim and the proof of acceptance to send.
    pub(super) fn check(&self, secret: &Secret, proof: &Proof) -> Result<(Claim, Proof), HandshakeError> {
        self.transcript.check(secret, DIALER, proof)?;
        self.mine.compare(&self.theirs)?;
        if self.theirs.from <= self.mine.from || self.theirs.from >= self.mine.processes {
            let (from, to) = (self.theirs.from, self.theirs.to);
            return Err(Mismatch::Order { from, to, expected: self.mine.from + 1, me: self.mine.from }.into());
        }
        Ok((self.theirs, self.transcript.prove(secret, ACCEPT)))
    }
}

/// The dialer's side after its own hello.
pub(super) struct Dialing {
    greeting: [u8; GREETING_BYTES],
    hello: [u8; HELLO_BYTES],
    mine: Claim,
}

impl Dialing {
    /// Starts a handshake; [`greeting`](Self::greeting) is to be sent.
    pub(super) fn new(me: &Membership, to: u32, attempt: u64, nonce: &Nonce) -> Self {
        let mine = Claim::new(me, to, attempt);
        let (hello, mut mac) = (mine.encode(nonce), labelled(&me.secret, HELLO));
        mac.update(&hello);
        let mut greeting = [0; GREETING_BYTES];
        let (head, tail) = greeting.split_at_mut(HELLO_BYTES);
        head.copy_from_slice(&hello);
        tail.copy_from_slice(&mac.finalize().into_bytes());
        Self { greeting, hello, mine }
    }

    /// The first message.
    pub(super) fn greeting(&self) -> &[u8; GREETING_BYTES] {
        &self.greeting
    }

    /// Checks the listener's proof. The proof to send in return is made even if the claims differ, so that
    /// the listener sees the mismatch too.
    pub(super) fn prove(
        self,
        secret: &Secret,
        answer: &[u8; ANSWER_BYTES],
    ) -> Result<Proving, HandshakeError> {
        let (mut listener, mut proof) = ([0; HELLO_BYTES], [0; PROOF_BYTES]);
        let (head, tail) = answer.split_at(HELLO_BYTES);
        listener.copy_from_slice(head);
        proof.copy_from_slice(tail);
        let theirs = Claim::decode(&listener)?;
        let transcript = Transcript { dialer: self.hello, listener };
        transcript.check(secret, LISTENER, &proof)?;
        let proof = transcript.prove(secret, DIALER);
        Ok(Proving { proof, verdict: self.mine.compare(&theirs), transcript })
    }
}

/// The dialer's side once it has seen the listener's proof.
pub(super) struct Proving {
    /// Proof to send, whatever the verdict.
    pub(super) proof: Proof,
    /// Result of comparing the claims.
    pub(super) verdict: Result<(), Mismatch>,
    transcript: Transcript,
}

impl Proving {
    /// Keys of the connection, on this side.
    pub(super) fn keys(&self, secret: &Secret) -> SealKeys {
        let key = |label| self.transcript.key(secret, label);
        SealKeys { sending: key(TO_LISTENER), receiving: key(TO_DIALER) }
    }

    /// Checks that the listener accepted.
    pub(super) fn confirm(&self, secret: &Secret, accept: &Proof) -> Result<(), HandshakeError> {
        self.transcript.check(secret, ACCEPT, accept)
    }
}

#[cfg(test)]
mod tests;
