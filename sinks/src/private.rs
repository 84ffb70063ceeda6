//! Files that hold personal data: only their owner may read them.
//!
//! The mode counts when a file is made; one that is there keeps the mode that somebody gave it.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Options that make new files with mode 0600.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes a folder with mode 0700, and those above it, unless they are there.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Folder of a file; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a new, renamed or removed file of a folder survive a crash of the machine.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes an empty file, for a library that opens it by its path, unless there is one. Whether it could be made shows
/// when it is opened.
pub(crate) fn create(path: &Path) {
    let _ = options().write(true).create_new(true).open(path);
}
