//! Certificates for tests of TLS.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// An authority, and certificates signed by it for a server on 127.0.0.1 and for a client; PEM files that
/// exist as long as the value.
#[derive(Debug)]
pub struct Certificates(tempfile::TempDir);

impl Certificates {
    /// Makes the certificates.
    ///
    /// # Panics
    /// If they can't be made; the message names what to install.
    #[must_use]
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("services/certificates");
        let output = Command::new(&script).arg(folder.path()).output().expect("bash runs the script");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(folder)
    }

    /// Path of `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`, or of another authority's
    /// `other.pem`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Settings under which a Redis listens for TLS. `clients` is whether it asks its clients for
    /// certificates: `no`, `optional` or `yes`.
    #[must_use]
    pub fn redis_settings(&self, clients: &str) -> Vec<String> {
        let file = |name: &str| self.file(name).display().to_string();
        let settings = [
            ("--tls-cert-file", file("server.pem")),
            ("--tls-key-file", file("server.key")),
            ("--tls-ca-cert-file", file("ca.pem")),
            ("--tls-auth-clients", clients.to_owned()),
        ];
        settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}
