//! The files of a spool: `NUMBER.spool` in the receiver's folder, and `lock`, which its process holds.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::private;

/// Ending of the name of a segment.
const SEGMENT: &str = "spool";

/// Segments on a disk. Every call may fail and be repeated.
pub(super) trait Storage: Send {
    /// Takes the spool for this process, and lists the numbers of its segments, ascending.
    fn open(&mut self) -> io::Result<Vec<u64>>;

    /// Content of a segment.
    fn read(&mut self, segment: u64) -> io::Result<Vec<u8>>;

    /// Appends to a segment, which is made if it is not there.
    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes a segment, and its name, survive a crash of the machine.
    fn sync(&mut self, segment: u64) -> io::Result<()>;

    /// Cuts a segment to a length, which survives a crash of the machine. No effect if there is no such
    /// segment.
    fn truncate(&mut self, segment: u64, length: u64) -> io::Result<()>;

    /// Removes a segment.
    fn remove(&mut self, segment: u64) -> io::Result<()>;

    /// Renames a segment with damaged records, so that it is kept but not read again.
    fn set_aside(&mut self, segment: u64) -> io::Result<()>;
}

/// Segments in a folder, which is made with the first segment.
pub(super) struct Folder {
    path: PathBuf,
    /// Held while this process uses the spool.
    lock: Option<File>,
    /// The segment last written to.
    current: Option<(u64, File)>,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Folder { path: path.to_owned(), lock: None, current: None }
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}.{SEGMENT}"))
    }

    /// Makes the folder if need be, and locks it.
    fn take(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        private::create_folder(&self.path)?;
        private::sync_folder(private::folder_of(&self.path))?;
        let lock = private::options().create(true).append(true).open(self.path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => self.lock = Some(lock),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another process uses it; end that process"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(())
    }

    fn file(&mut self, number: u64) -> io::Result<&mut File> {
        self.take()?;
        match self.current.take() {
            Some((current, file)) if current == number => self.current = Some((number, file)),
            _ => {
                let file = private::options().create(true).append(true).open(self.segment(number))?;
                self.current = Some((number, file));
            }
        }
        self.current.as_mut().map(|(_, file)| file).ok_or_else(|| io::Error::other("no segment is open"))
    }

    fn close(&mut self, number: u64) {
        self.current.take_if(|(current, _)| *current == number);
    }
}

impl Storage for Folder {
    fn open(&mut self) -> io::Result<Vec<u64>> {
        if !self.path.try_exists()? {
            return Ok(Vec::new());
        }
        self.take()?;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(SEGMENT)?.strip_suffix('.'));
            numbers.extend(stem.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn read(&mut self, segment: u64) -> io::Result<Vec<u8>> {
        fs::read(self.segment(segment))
    }

    fn append(&mut self, segment: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(segment)?.write_all(bytes)
    }

    fn sync(&mut self, segment: u64) -> io::Result<()> {
        self.file(segment)?.sync_all()?;
        private::sync_folder(&self.path)
    }

    fn truncate(&mut self, segment: u64, length: u64) -> io::Result<()> {
        if !self.segment(segment).try_exists()? {
            return Ok(());
        }
        let file = self.file(segment)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        self.close(segment);
        match fs::remove_file(self.segment(segment)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn set_aside(&mut self, segment: u64) -> io::Result<()> {
        self.close(segment);
        let path = self.segment(segment);
        fs::rename(&path, path.with_extension("damaged"))
    }
}
