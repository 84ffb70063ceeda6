//! The dead-letter file and the files beside it.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use super::{DeadLetter, DeadLetterError};
use crate::{
    lines::ends_torn,
    private::{self, folder_of},
};

/// A dead-letter file. It is opened for every letter, under a lock, so that a replay can move it aside at any
/// time.
pub(crate) struct DeadLetterFile {
    path: PathBuf,
}

impl DeadLetterFile {
    pub(crate) fn new(path: &Path) -> Self {
        DeadLetterFile { path: path.to_owned() }
    }

    /// Checks that letters could be written, without creating the file.
    pub(crate) fn check(&self) -> Result<(), DeadLetterError> {
        let _lock = self.lock()?;
        if self.path.exists() {
            let opened = private::options().read(true).append(true).open(&self.path);
            opened.map_err(DeadLetterError::file(&self.path, "opened"))?;
        }
        Ok(())
    }

    /// Appends a letter and syncs it.
    pub(crate) fn append(&self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        let line = letter.line().map_err(|e| DeadLetterError::file(&self.path, "written")(e.into()))?;
        let _lock = self.lock()?;
        append_line(&self.path, line.as_bytes())
    }

    /// Appends a line that no replay can read to `NAME.unreadable`.
    pub(crate) fn set_apart(&self, line: &[u8]) -> Result<(), DeadLetterError> {
        append_line(&self.beside("unreadable"), line)
    }

    /// Moves the file aside, to an unused name, so that new letters go to a new file. No effect if there is
    /// none.
    pub(crate) fn move_aside(&self) -> Result<(), DeadLetterError> {
        let _lock = self.lock()?;
        if !self.path.exists() {
            return Ok(());
        }
        let last = self.numbered()?.last().map_or(0, |(number, _)| *number);
        let target = self.beside(&format!("replaying-{}", last + 1));
        fs::rename(&self.path, &target).map_err(DeadLetterError::file(&self.path, "moved"))?;
        sync_folder(&self.path)
    }

    /// Files moved aside and not yet fully replayed, oldest first.
    pub(crate) fn aside(&self) -> Result<Vec<PathBuf>, DeadLetterError> {
        Ok(self.numbered()?.into_iter().map(|(_, path)| path).collect())
    }

    fn numbered(&self) -> Result<Vec<(u64, PathBuf)>, DeadLetterError> {
        let folder = folder_of(&self.path);
        let prefix = format!("{}.replaying-", self.name());
        let failed = |e| DeadLetterError::file(folder, "read")(e);
        let mut found = Vec::new();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(number) = name.strip_prefix(&prefix).and_then(|rest| rest.parse().ok()) {
                found.push((number, entry.path()));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Lock held by one replay at a time; released when the value is dropped, or the process ends.
    pub(crate) fn lock_replay(&self) -> Result<File, DeadLetterError> {
        let path = self.beside("replay-lock");
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(DeadLetterError::Busy { path: self.path.clone() }),
            Err(fs::TryLockError::Error(error)) => Err(DeadLetterError::file(&path, "locked")(error)),
        }
    }

    /// Lock of the file system, not a mutex: a replay may run in another process.
    fn lock(&self) -> Result<File, DeadLetterError> {
        let path = self.beside("lock");
        let file = open_lock(&path)?;
        file.lock().map_err(DeadLetterError::file(&path, "locked"))?;
        Ok(file)
    }

    fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.path.with_file_name(format!("{}.{suffix}", self.name()))
    }
}

fn open_lock(path: &Path) -> Result<File, DeadLetterError> {
    let opened = private::options().create(true).append(true).open(path);
    opened.map_err(DeadLetterError::file(path, "opened"))
}

/// Makes a new or renamed file survive a crash of the machine.
fn sync_folder(path: &Path) -> Result<(), DeadLetterError> {
    let folder = folder_of(path);
    private::sync_folder(folder).map_err(DeadLetterError::file(folder, "written"))
}

fn append_line(path: &Path, line: &[u8]) -> Result<(), DeadLetterError> {
    let existed = path.exists();
    let opened = private::options().create(true).read(true).append(true).open(path);
    let mut file = opened.map_err(DeadLetterError::file(path, "opened"))?;
    let mut write = || -> io::Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 2);
        if ends_torn(&mut file)? {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        file.write_all(&bytes)?;
        file.sync_all()
    };
    write().map_err(DeadLetterError::file(path, "written"))?;
    if existed { Ok(()) } else { sync_folder(path) }
}

/// Calls `each` with every non-empty line, without its line break. A missing file has none.
pub(crate) fn read_lines(
    path: &Path,
    each: &mut dyn FnMut(&[u8]) -> Result<(), DeadLetterError>,
) -> Result<(), DeadLetterError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(DeadLetterError::file(path, "opened"))?,
    };
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    while reader.read_until(b'\n', &mut line).map_err(DeadLetterError::file(path, "read"))? > 0 {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if !text.is_empty() {
            each(text)?;
        }
        line.clear();
    }
    Ok(())
}
