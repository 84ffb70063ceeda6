//! Writes lines without waiting for their reader.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{LineError, LineOutput};
use crate::private;

/// Buffered bytes at which a line is handed to the system at once rather than at the next flush.
const FLUSH_AT: usize = 1 << 18;
/// Buffered bytes at which there is no more room.
const LIMIT: usize = 1 << 20;
/// Bytes that a pipe takes without blocking whenever it is writable (`PIPE_BUF`).
const PIECE: usize = 4096;

/// Writes lines to a [`LineOutput`].
///
/// ```
/// use strateye_sinks::LineOutput;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("out.jsonl");
/// let mut writer = LineOutput::File(path.clone()).open()?;
/// writer.line("{\"a\":1}")?;
/// assert!(writer.flush()?, "a file takes everything");
/// assert_eq!(std::fs::read_to_string(path)?, "{\"a\":1}\n");
/// # Ok(())
/// # }
/// ```
pub struct LineWriter {
    out: Out,
    /// Bytes not yet handed to the system.
    pending: Vec<u8>,
}

enum Out {
    /// Has a reader, who may be slow.
    Stream(OwnedFd),
    File(File),
    Nowhere,
}

impl LineWriter {
    pub(super) fn open(output: &LineOutput) -> Result<Self, LineError> {
        let out = match output {
            LineOutput::Stdout => {
                Out::Stream(io::stdout().as_fd().try_clone_to_owned().map_err(LineError::Write)?)
            }
            LineOutput::File(path) => append_to(path).map_err(LineError::open(path))?,
            LineOutput::Nowhere => Out::Nowhere,
        };
        Ok(LineWriter { out, pending: Vec::new() })
    }

    /// Another handle of the file, if the output is one.
    pub(super) fn file(&self) -> io::Result<Option<File>> {
        match &self.out {
            Out::File(file) => file.try_clone().map(Some),
            Out::Stream(_) | Out::Nowhere => Ok(None),
        }
    }

    /// Whether another line can be buffered.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.pending.len() < LIMIT
    }

    /// Whether everything written has been handed to the system.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    /// Writes one line; `line` has no line break of its own. It is buffered even if there is no
    /// [room](Self::has_room).
    ///
    /// # Errors
    /// If it can't be written.
    pub fn line(&mut self, line: &str) -> Result<(), LineError> {
        if matches!(self.out, Out::Nowhere) {
            return Ok(());
        }
        self.pending.extend_from_slice(line.as_bytes());
        self.pending.push(b'\n');
        if self.pending.len() < FLUSH_AT { Ok(()) } else { self.flush().map(drop) }
    }

    /// Hands to the system what it takes without blocking, and returns whether that is everything.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn flush(&mut self) -> Result<bool, LineError> {
        let LineWriter { out, pending } = self;
        let taken = match out {
            Out::Stream(stream) => push(stream, pending),
            Out::File(file) => file.write_all(pending).map(|()| pending.len()),
            Out::Nowhere => Ok(pending.len()),
        };
        pending.drain(..written(taken)?);
        Ok(pending.is_empty())
    }
}

/// Opens a file for appending and ends its last line.
fn append_to(path: &Path) -> io::Result<Out> {
    let mut options = private::options();
    options.create(true).append(true);
    if !path.metadata().is_ok_and(|about| about.is_file()) {
        let file = options.open(path)?;
        // What is there and not a regular file, such as a pipe, has no end to look at.
        return Ok(if file.metadata()?.is_file() { Out::File(file) } else { Out::Stream(file.into()) });
    }
    let mut file = options.read(true).open(path)?;
    if ends_torn(&mut file)? {
        file.write_all(b"\n")?;
    }
    Ok(Out::File(file))
}

/// Whether the last line has no line break, because a crash or a full disk has torn it.
pub(crate) fn ends_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn written<T>(result: io::Result<T>) -> Result<T, LineError> {
    result.map_err(|e| {
        if e.kind() == io::ErrorKind::BrokenPipe { LineError::ReaderGone } else { LineError::Write(e) }
    })
}

/// Writes as much as the stream takes without blocking, and returns how many bytes that is.
fn push(stream: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() && is_writable(stream)? {
        let piece = &bytes[taken..bytes.len().min(taken + PIECE)];
        match rustix::io::write(stream, piece) {
            Ok(some) => taken += some,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => break,
            // The bytes taken before are lost with the reader.
            Err(error) => return Err(error.into()),
        }
    }
    Ok(taken)
}

/// Whether a write would not block; a stream whose reader has gone counts as writable, and the write then
/// fails.
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
        let mut writer = output.open().unwrap();
        writer.line("{\"b\":\"重庆\"}").unwrap();
        writer.flush().unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"a\":1}\n{\"b\":\"重庆\"}\n");
    }

    #[test]
    fn a_slow_reader_blocks_nobody_and_gets_every_line() {
        let (read, write) = io::pipe().unwrap();
        let mut writer = LineWriter { out: Out::Stream(write.into()), pending: Vec::new() };
        let line = |n: usize| format!("{n}{}", "x".repeat(10_000));
        let mut lines = 0;
        while writer.has_room() {
            writer.line(&line(lines)).unwrap();
            lines += 1;
        }
        assert!(!writer.flush().unwrap() && !writer.is_flushed());
        let reader = std::thread::spawn(move || io::read_to_string(read).unwrap());
        while !writer.flush().unwrap() {
            std::thread::yield_now();
        }
        drop(writer);
        let expected: String = (0..lines).map(|n| line(n) + "\n").collect();
        assert_eq!(reader.join().unwrap(), expected);
    }

    #[test]
    fn a_reader_that_has_gone_is_an_error() {
        let (read, write) = io::pipe().unwrap();
        let mut writer = LineWriter { out: Out::Stream(write.into()), pending: Vec::new() };
        drop(read);
        writer.line("a").unwrap();
        assert!(matches!(writer.flush(), Err(LineError::ReaderGone)));
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let output = LineOutput::File(path.clone());
        for (before, after) in
            [("", "{}\n"), ("{\"a\":1}\n", "{\"a\":1}\n{}\n"), ("{\"a\":1}\n{\"b", "{\"a\":1}\n{\"b\n{}\n")]
        {
            std::fs::write(&path, before).unwrap();
            let mut writer = output.open().unwrap();
            writer.line("{}").unwrap();
            assert!(writer.flush().unwrap());
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
        assert!(matches!(output.open(), Err(LineError::Open { .. })));
    }
}
