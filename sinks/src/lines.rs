//! Lines, one record each, to standard output or a file.
//!
//! **Invariant**: nothing here waits for whoever reads standard output. What the reader has not taken is kept, up to a bound: a sink
//! without room is to be asked again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use serde::{Deserialize, Serialize};

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineOutput {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// Why lines can't be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The file can't be opened.
    #[error(
        "{path} can't be opened for writing: {error}; name a file in a folder that exists and may be written"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Whoever read standard output has closed it.
    #[error("whoever read standard output has gone")]
    ReaderGone,
    /// The disk is full, or the like.
    #[error("lines can't be written: {0}")]
    Write(io::Error),
}

/// Lines are handed on when they have come to so many bytes, and at a flush.
const HANDED_ON_AT: usize = 1 << 18;
/// With so many bytes that are not handed on there is no room.
const MOST: usize = 1 << 20;
/// A pipe that takes anything takes so many bytes without a wait (`PIPE_BUF`).
const PIECE: usize = 4096;

/// Writes lines.
pub struct LineSink {
    out: Out,
    /// Not handed on to the system yet.
    pending: Vec<u8>,
}

enum Out {
    /// Somebody reads it, and may take the time.
    Stream(OwnedFd),
    File(File),
    Nowhere,
}

impl LineOutput {
    /// Makes the file anew, empty: once, before the processes that write to it start.
    ///
    /// # Errors
    /// If the file can't be made.
    pub fn create(&self) -> Result<(), SinkError> {
        match self {
            LineOutput::File(path) => File::create(path).map(drop).map_err(|e| failed(path, e)),
            LineOutput::Stdout | LineOutput::Nowhere => Ok(()),
        }
    }

    /// Opens the sink. Lines are added to what a file holds, so that a restart loses none; a line that a crash cut stays by itself.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub fn open(&self) -> Result<LineSink, SinkError> {
        let out = match self {
            LineOutput::Stdout => {
                Out::Stream(io::stdout().as_fd().try_clone_to_owned().map_err(SinkError::Write)?)
            }
            LineOutput::File(path) => added_to(path).map_err(|e| failed(path, e))?,
            LineOutput::Nowhere => Out::Nowhere,
        };
        Ok(LineSink { out, pending: Vec::new() })
    }
}

/// Opens a file to add lines, and ends its last one.
fn added_to(path: &Path) -> io::Result<Out> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    if !path.metadata().is_ok_and(|about| about.is_file()) {
        let file = options.open(path)?;
        // If it is not new, it is a pipe or the like, which has no end to look at.
        return Ok(if file.metadata()?.is_file() { Out::File(file) } else { Out::Stream(file.into()) });
    }
    let mut file = options.read(true).open(path)?;
    if ends_torn(&mut file)? {
        file.write_all(b"\n")?;
    }
    Ok(Out::File(file))
}

/// Whether the last line was not ended: a crash, or a full disk, cut it.
pub(crate) fn ends_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn failed(path: &Path, error: io::Error) -> SinkError {
    SinkError::Open { path: path.to_owned(), error }
}

fn written<T>(result: io::Result<T>) -> Result<T, SinkError> {
    result.map_err(|e| {
        if e.kind() == io::ErrorKind::BrokenPipe { SinkError::ReaderGone } else { SinkError::Write(e) }
    })
}

impl LineSink {
    /// Whether another line can be kept.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.pending.len() < MOST
    }

    /// Whether everything written is handed on to the system.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    /// Writes one line; `line` has no line break of its own. It is kept even if there is no [room](Self::has_room).
    ///
    /// # Errors
    /// If it can't be written.
    pub fn line(&mut self, line: &str) -> Result<(), SinkError> {
        if matches!(self.out, Out::Nowhere) {
            return Ok(());
        }
        self.pending.extend_from_slice(line.as_bytes());
        self.pending.push(b'\n');
        if self.pending.len() < HANDED_ON_AT { Ok(()) } else { self.flush().map(drop) }
    }

    /// Hands on to the system what it takes at once; whether that is everything.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn flush(&mut self) -> Result<bool, SinkError> {
        let LineSink { out, pending } = self;
        let taken = match out {
            Out::Stream(stream) => push(stream, pending),
            Out::File(file) => file.write_all(pending).map(|()| pending.len()),
            Out::Nowhere => Ok(pending.len()),
        };
        pending.drain(..written(taken)?);
        Ok(pending.is_empty())
    }
}

/// Writes as much as the stream takes without a wait; how much that is.
fn push(stream: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() && is_writable(stream)? {
        let piece = &bytes[taken..bytes.len().min(taken + PIECE)];
        match rustix::io::write(stream, piece) {
            Ok(some) => taken += some,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => break,
            // What was taken before is no good to anybody either.
            Err(error) => return Err(error.into()),
        }
    }
    Ok(taken)
}

/// Whether the stream takes something, be it only the news that its reader has gone.
fn is_writable(stream: &OwnedFd) -> io::Result<bool> {
    let mut asked = [PollFd::new(stream, PollFlags::OUT)];
    match poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let output = LineOutput::File(path.clone());
        std::fs::write(&path, "of an earlier run").unwrap();
        output.create().unwrap();
        let mut first = output.open().unwrap();
        first.line("{\"a\":1}").unwrap();
        assert!(!first.is_flushed());
        assert!(first.flush().unwrap() && first.is_flushed());
        let mut sink = output.open().unwrap();
        sink.line("{\"b\":\"重庆\"}").unwrap();
        sink.flush().unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"a\":1}\n{\"b\":\"重庆\"}\n");
    }

    #[test]
    fn a_reader_who_takes_the_time_holds_nobody_up_and_gets_every_line() {
        let (read, write) = io::pipe().unwrap();
        let mut sink = LineSink { out: Out::Stream(write.into()), pending: Vec::new() };
        let line = |n: usize| format!("{n}{}", "x".repeat(10_000));
        let mut lines = 0;
        while sink.has_room() {
            sink.line(&line(lines)).unwrap();
            lines += 1;
        }
        assert!(!sink.flush().unwrap() && !sink.is_flushed());
        let reader = std::thread::spawn(move || io::read_to_string(read).unwrap());
        while !sink.flush().unwrap() {
            std::thread::yield_now();
        }
        drop(sink);
        let expected: String = (0..lines).map(|n| line(n) + "\n").collect();
        assert_eq!(reader.join().unwrap(), expected);
    }

    #[test]
    fn a_reader_who_has_gone_is_told_of() {
        let (read, write) = io::pipe().unwrap();
        let mut sink = LineSink { out: Out::Stream(write.into()), pending: Vec::new() };
        drop(read);
        sink.line("a").unwrap();
        assert!(matches!(sink.flush(), Err(SinkError::ReaderGone)));
    }

    #[test]
    fn a_line_that_was_cut_stays_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let output = LineOutput::File(path.clone());
        for (before, after) in
            [("", "{}\n"), ("{\"a\":1}\n", "{\"a\":1}\n{}\n"), ("{\"a\":1}\n{\"b", "{\"a\":1}\n{\"b\n{}\n")]
        {
            std::fs::write(&path, before).unwrap();
            let mut sink = output.open().unwrap();
            sink.line("{}").unwrap();
            assert!(sink.flush().unwrap());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
        let mut nothing = LineOutput::File("/dev/null".into()).open().unwrap();
        nothing.line("{}").unwrap();
        assert!(nothing.flush().unwrap());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let output = LineOutput::File("/nowhere/at/all.jsonl".into());
        assert!(output.create().unwrap_err().to_string().contains("/nowhere/at/all.jsonl"));
        assert!(matches!(output.open(), Err(SinkError::Open { .. })));
    }
}
