//! The secret that the processes of one cluster share.
//!
//! It never crosses a wire and never appears in a log: it only keys the HMAC of the
//! [handshake](super::handshake). Whatever text a user keeps in a file is hashed to a fixed-size key, so any
//! text of at least 16 bytes will do; [`Secret::create_file`] makes a good one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

/// Shortest secret, bytes.
const MINIMUM_BYTES: usize = 16;
/// Longest file, bytes; a longer one is certainly not a secret.
const MAXIMUM_BYTES: u64 = 4096;

/// Secret of one cluster, known to all its processes and nobody else.
#[derive(Clone)]
pub struct Secret {
    key: [u8; 32],
}

impl Secret {
    /// A fresh secret from the operating system's randomness, for processes that share memory.
    pub fn random() -> Result<Self, SecretError> {
        Self::from_text(&random_text()?)
    }

    /// The secret derived from `text`; surrounding white space is ignored.
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.len() < MINIMUM_BYTES {
            return Err(SecretError::TooShort { bytes: text.len() });
        }
        Ok(Self { key: Sha256::digest(text.as_bytes()).into() })
    }

    /// Reads a secret file, which only its owner may be able to read.
    pub fn read_file(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode();
        if mode & 0o077 != 0 {
            return Err(SecretError::Readable { path: path.to_owned(), mode: mode & 0o777 });
        }
        let mut text = String::new();
        file.take(MAXIMUM_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > MAXIMUM_BYTES {
            return Err(SecretError::TooLong { path: path.to_owned() });
        }
        Self::from_text(&text)
    }

    /// Creates a secret file (mode 0600) with a fresh secret. The file must not exist yet.
    pub fn create_file(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::Write { path: path.to_owned(), source };
        let text = random_text()?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        writeln!(file, "{text}").map_err(failed)?;
        Self::from_text(&text)
    }

    /// Seed by which the cluster routes keys to its processes: the same in all of them, and not to be guessed, so that
    /// nobody makes up keys that all meet in one place.
    #[must_use]
    pub fn routing_seed(&self) -> u64 {
        let hash: [u8; 32] =
            Sha256::new().chain_update(b"strateye routing").chain_update(self.key).finalize().into();
        hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
    }

    /// The key as one SHA-256 block; HMAC itself pads shorter keys with the same zeros.
    pub(super) fn block(&self) -> [u8; 64] {
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.key);
        block
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

fn random_text() -> Result<String, SecretError> {
    let mut bytes = [0u8; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| SecretError::Randomness(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Why a secret can't be used or made.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The text is too short.
    #[error(
        "the cluster secret has {bytes} bytes; write at least {MINIMUM_BYTES}, e.g. `openssl rand -hex 32`"
    )]
    TooShort {
        /// Its length, bytes.
        bytes: usize,
    },
    /// The file is too long.
    #[error("{} is too long for a secret; it must hold one line of text", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Other users may read the file.
    #[error("others may read the secret file {} (mode {mode:o}); run `chmod 600` on it", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file can't be read.
    #[error("cannot read the secret file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The file can't be created.
    #[error("cannot create the secret file {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The operating system provides no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Randomness(String),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_created_file_reads_back_as_the_same_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let created = Secret::create_file(&path).unwrap();
        assert_eq!(Secret::read_file(&path).unwrap().key, created.key);
        assert!(matches!(Secret::create_file(&path), Err(SecretError::Write { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Secret::read_file(&path), Err(SecretError::Readable { mode: 0o640, .. })));
    }

    #[test]
    fn clusters_route_by_seeds_of_their_own() {
        let seeds = ["one secret of a cluster", "two secrets of a cluster"]
            .map(|text| [text, text].map(|text| Secret::from_text(text).unwrap().routing_seed()));
        assert_eq!((seeds[0][0], seeds[1][0]), (seeds[0][1], seeds[1][1]), "the same in every process");
        assert_ne!(seeds[0][0], seeds[1][0]);
    }

    #[test]
    fn short_secrets_are_refused_and_none_is_printed() {
        assert!(matches!(Secret::from_text(" hunter2 \n"), Err(SecretError::TooShort { bytes: 7 })));
        assert_eq!(format!("{:?}", Secret::random().unwrap()), "Secret(..)");
    }
}
