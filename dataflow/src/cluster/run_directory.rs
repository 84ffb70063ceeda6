//! The private directory of one supervised cluster: the secret and all sockets.
//!
//! It is removed with the supervisor.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::address::{AddressError, check_private, control_path, socket_path};
use super::control::SECRET_FILE;
use super::generation::ClusterGeneration;
use super::secret::{Secret, SecretError};

/// A directory with mode 0700 and the secret in it.
#[derive(Debug)]
pub(super) struct RunDirectory {
    directory: TempDir,
}

impl RunDirectory {
    /// Creates a run directory in `parent`, or in the default place.
    pub(super) fn create(parent: Option<&Path>) -> Result<Self, RunDirectoryError> {
        let parent = parent.map_or_else(default_parent, Path::to_owned);
        let directory = tempfile::Builder::new()
            .prefix("strateye-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(|source| RunDirectoryError::Create { parent, source })?;
        check_private(directory.path())?;
        control_path(directory.path())?;
        socket_path(directory.path(), usize::from(u16::MAX), ClusterGeneration(u64::MAX))?;
        Secret::create_file(&directory.path().join(SECRET_FILE))?;
        Ok(Self { directory })
    }

    /// Path of the directory.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// The user's runtime directory (in memory, private) if there is one, else the directory for temporary files.
fn default_parent() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| check_private(path).is_ok())
        .unwrap_or_else(std::env::temp_dir)
}

/// Why a run directory can't be created.
#[derive(Debug, thiserror::Error)]
pub enum RunDirectoryError {
    /// The directory can't be created.
    #[error("cannot create a run folder in {}: {source}; set TMPDIR to a folder this user can write", parent.display())]
    Create {
        /// The parent directory.
        parent: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Its path can't hold sockets.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The secret can't be written.
    #[error(transparent)]
    Secret(#[from] SecretError),
}
