//! Listing of a folder's rule files: their stamps and contents.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata},
    io::{self, ErrorKind, Read},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use operators::document::lifecycle::{Gap, Status};

use super::{MAX_DOCUMENT, document::Unreadable};

/// Age of a stamp, when the file is read, from which on every later write is certain to change it, however
/// coarse the file system's clock.
pub(super) const SETTLED: Duration = Duration::from_secs(1);

/// Metadata that changes with every change of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: (i64, i64),
    changed: (i64, i64),
    length: u64,
    inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            length: metadata.len(),
            inode: metadata.ino(),
        }
    }

    /// Whether the last change of the file is older than `SETTLED`.
    pub(super) fn is_old(&self) -> bool {
        let (seconds, nanos) = self.modified.max(self.changed);
        let touched = Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0));
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + touched).is_ok_and(|age| age > SETTLED)
    }
}

/// The rule files of a folder.
pub(super) fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    list(folder).map(|listed| listed.into_keys().collect())
}

/// The rule files of a folder with their stamps.
pub(super) fn list(folder: &Path) -> io::Result<BTreeMap<OsString, Stamp>> {
    let mut listed = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !is_rule_file(&name) {
            continue;
        }
        let metadata = if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            fs::metadata(entry.path())
        } else {
            entry.metadata()
        };
        if let Some(stamp) = stamp(metadata)? {
            listed.insert(name, stamp);
        }
    }
    Ok(listed)
}

/// Stamp of an existing file; `None` if it was deleted meanwhile. A file whose metadata can't be read is an
/// error.
pub(super) fn stamp(metadata: io::Result<Metadata>) -> io::Result<Option<Stamp>> {
    match metadata {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(metadata) => Ok(metadata.is_file().then(|| Stamp::of(&metadata))),
    }
}

fn is_rule_file(name: &OsStr) -> bool {
    let name = name.as_bytes();
    !name.starts_with(b".") && (name.ends_with(b".json") || name.ends_with(b".json.paused"))
}

/// Status of the rule, from the ending of the file's name.
pub(super) fn status_of(name: &OsStr) -> Status {
    if name.as_bytes().ends_with(b".paused") { Status::Paused } else { Status::Online }
}

/// Path of the hidden file with the gap of the rule's last pause; absent if the pause is replayed.
pub(super) fn gap_file(folder: &Path, rule_id: &str) -> PathBuf {
    folder.join(format!(".{rule_id}.gap"))
}

/// Stamp of the gap file; `None` if there is none.
pub(super) fn gap_stamp(folder: &Path, rule_id: &str) -> Option<Stamp> {
    stamp(fs::metadata(gap_file(folder, rule_id))).ok().flatten()
}

/// The gap of the rule's last pause; the default if there is no valid gap file.
pub(super) fn gap(folder: &Path, rule_id: &str) -> Gap {
    let said = fs::read_to_string(gap_file(folder, rule_id)).unwrap_or_default();
    Gap::parse(said.trim()).unwrap_or_default()
}

/// Error of reading the document of a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The file holds no document.
    #[error(transparent)]
    Content(#[from] Unreadable),
}

/// Reads the document of a file.
pub(super) fn read(path: &Path) -> Result<String, ReadError> {
    let file = File::open(path)?;
    let most = MAX_DOCUMENT + 1;
    // One byte more than the file has, so that its end is found without more space.
    let mut bytes = Vec::with_capacity((file.metadata()?.len() + 1).min(most) as usize);
    file.take(most).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        let reason = format!("is longer than {MAX_DOCUMENT} bytes; give large crowds as a profile query");
        return Err(Unreadable(reason).into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let from = error.utf8_error().valid_up_to();
        Unreadable(format!("is not UTF-8 from byte {from} on; save it as UTF-8")).into()
    })
}
