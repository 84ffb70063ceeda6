//! The claim of a process in a [handshake](super::handshake): its encoding, and the comparison of two claims.
//!
//! A hello is 84 bytes: magic (8), version (4), from, to, processes, threads (4 each), generation, build,
//! attempt (8 each), nonce (32), big-endian.

use super::generation::ClusterGeneration;
use super::membership::Membership;

/// Bytes of a hello.
pub(super) const HELLO_BYTES: usize = 84;
/// First bytes of every hello.
pub(super) const MAGIC: [u8; 8] = *b"strateye";

const VERSION: u32 = 2;
/// A number used once.
pub(super) type Nonce = [u8; 32];

/// Claim of one side: its identity, and what must be equal on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) processes: u32,
    pub(super) threads: u32,
    pub(super) generation: ClusterGeneration,
    pub(super) build: u64,
    pub(super) attempt: u64,
}

impl Claim {
    /// Claim of this process towards process `to`.
    pub(super) fn new(me: &Membership, to: u32, attempt: u64) -> Self {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            from: narrow(me.process),
            to,
            processes: narrow(me.processes),
            threads: narrow(me.threads),
            generation: me.generation,
            build: me.build,
            attempt,
        }
    }

    pub(super) fn encode(&self, nonce: &Nonce) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        let fields: [&[u8]; 10] = [
            &MAGIC,
            &VERSION.to_be_bytes(),
            &self.from.to_be_bytes(),
            &self.to.to_be_bytes(),
            &self.processes.to_be_bytes(),
            &self.threads.to_be_bytes(),
            &self.generation.0.to_be_bytes(),
            &self.build.to_be_bytes(),
            &self.attempt.to_be_bytes(),
            nonce,
        ];
        for (byte, value) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *byte = *value;
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HELLO_BYTES]) -> Result<Self, HandshakeError> {
        if bytes[..MAGIC.len()] != MAGIC {
            return Err(HandshakeError::Stranger);
        }
        let narrow = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let wide = |at: usize| u64::from(narrow(at)) << 32 | u64::from(narrow(at + 4));
        if narrow(8) != VERSION {
            return Err(HandshakeError::Version { theirs: narrow(8) });
        }
        Ok(Self {
            from: narrow(12),
            to: narrow(16),
            processes: narrow(20),
            threads: narrow(24),
            generation: ClusterGeneration(wide(28)),
            build: wide(36),
            attempt: wide(44),
        })
    }

    /// Compares an authenticated claim with this process's own.
    pub(super) fn compare(&self, theirs: &Claim) -> Result<(), Mismatch> {
        let unequal = |what, mine: u64, theirs: u64| Err(Mismatch::Unequal { what, mine, theirs });
        if self.build != theirs.build {
            return Err(Mismatch::Build { mine: self.build, theirs: theirs.build });
        }
        if self.processes != theirs.processes {
            return unequal("processes", self.processes.into(), theirs.processes.into());
        }
        if self.threads != theirs.threads {
            return unequal("worker threads per process", self.threads.into(), theirs.threads.into());
        }
        if self.from != theirs.to || self.to != theirs.from {
            return Err(Mismatch::Order {
                from: theirs.from,
                to: theirs.to,
                expected: self.to,
                me: self.from,
            });
        }
        if self.generation != theirs.generation {
            return Err(Mismatch::Generation { mine: self.generation, theirs: theirs.generation });
        }
        Ok(())
    }
}

/// Why a connection is not one of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("it does not speak this protocol; another program uses the address")]
    Stranger,
    #[error("it speaks handshake version {theirs} and this process {VERSION}; run one build everywhere")]
    Version { theirs: u32 },
    #[error("its proof is wrong; give all processes the same secret")]
    NotAuthentic,
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// Difference to a process that knows the secret and nevertheless can't be in this cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It runs another build.
    #[error(
        "it runs build {theirs:016x} and this process {mine:016x}; run one build with one configuration everywhere"
    )]
    Build {
        /// This process's fingerprint.
        mine: u64,
        /// The peer's fingerprint.
        theirs: u64,
    },
    /// It was started for a cluster of another shape.
    #[error("it expects {theirs} {what} and this process {mine}; make them equal")]
    Unequal {
        /// Name of the number that differs.
        what: &'static str,
        /// This process's number.
        mine: u64,
        /// The peer's number.
        theirs: u64,
    },
    /// The process numbers do not match.
    #[error(
        "it is process {from} and takes this one for process {to}, but this is process {me} and met it as process \
         {expected}; give every process its own number and all the same order of addresses"
    )]
    Order {
        /// Number of the peer.
        from: u32,
        /// Number the peer expects this process to have.
        to: u32,
        /// Number this process expected the peer to have.
        expected: u32,
        /// Number of this process.
        me: u32,
    },
    /// It belongs to another generation of the cluster.
    #[error("it belongs to generation {theirs} and this process to generation {mine}")]
    Generation {
        /// This process's generation.
        mine: ClusterGeneration,
        /// The peer's generation.
        theirs: ClusterGeneration,
    },
}

impl Mismatch {
    /// Whether waiting can't help: only a leftover of an *older* generation disappears by itself.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Generation { mine, theirs } if theirs < mine)
    }
}
