//! Lines, one record each, to standard output or a file.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

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

/// Writes lines.
pub struct LineSink {
    out: Box<dyn Write>,
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

    /// Opens the sink. Lines are added to what a file holds, so that a restart loses none.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub fn open(&self) -> Result<LineSink, SinkError> {
        let out: Box<dyn Write> = match self {
            LineOutput::Stdout => Box::new(BufWriter::new(io::stdout())),
            LineOutput::File(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                Box::new(BufWriter::with_capacity(1 << 18, file.map_err(|e| failed(path, e))?))
            }
            LineOutput::Nowhere => Box::new(io::sink()),
        };
        Ok(LineSink { out })
    }
}

fn failed(path: &Path, error: io::Error) -> SinkError {
    SinkError::Open { path: path.to_owned(), error }
}

fn written(result: io::Result<()>) -> Result<(), SinkError> {
    result.map_err(|e| {
        if e.kind() == io::ErrorKind::BrokenPipe { SinkError::ReaderGone } else { SinkError::Write(e) }
    })
}

impl LineSink {
    /// Writes one line; `line` has no line break of its own.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn line(&mut self, line: &str) -> Result<(), SinkError> {
        written(self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n")))
    }

    /// Hands everything written on to the system.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn flush(&mut self) -> Result<(), SinkError> {
        written(self.out.flush())
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
        drop(first);
        let mut sink = output.open().unwrap();
        sink.line("{\"b\":\"重庆\"}").unwrap();
        sink.flush().unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"a\":1}\n{\"b\":\"重庆\"}\n");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let output = LineOutput::File("/nowhere/at/all.jsonl".into());
        assert!(output.create().unwrap_err().to_string().contains("/nowhere/at/all.jsonl"));
        assert!(matches!(output.open(), Err(SinkError::Open { .. })));
    }
}
