//! Events from a JSONL file: one JSON object per line, one partition, offset = line number from 0.
//!
//! Empty lines are numbered and skipped. `\r\n` ends a line, and so does the end of the file. Lines longer
//! than `max_record_bytes` are refused; whether a line is JSON is left to the decoder.
//!
//! Limit: what is appended after the end was reached is not read.

use std::{
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use operators::model::ids::Positions;

use super::{EventSource, LineConfig, Next, ReadProgress, lines::Lines};
use crate::SourceError;

/// Source that reads a JSONL file to its end.
#[derive(Debug)]
pub struct FileSource {
    lines: Lines<File>,
    length: Option<u64>,
}

impl FileSource {
    /// Opens a file; `config.first_offset` is the resume point.
    ///
    /// # Errors
    /// If the file cannot be opened or is a folder, or a setting is out of range.
    pub fn open(path: &Path, config: LineConfig) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        let length = metadata.is_file().then_some(metadata.len());
        Ok(FileSource { lines: Lines::new(file, path.display().to_string(), config)?, length })
    }
}

impl EventSource for FileSource {
    fn positions(&self) -> Positions {
        self.lines.positions()
    }

    fn next(&mut self, wait: Duration) -> Result<Next, SourceError> {
        let begun = Instant::now();
        loop {
            match self.lines.step()? {
                Next::Idle if begun.elapsed() < wait => {}
                next => return Ok(next),
            }
        }
    }

    fn progress(&self) -> ReadProgress {
        ReadProgress { bytes: self.lines.done(), total: self.length }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use operators::model::ids::{Offset, PartitionId};

    use super::*;

    const WAIT: Duration = Duration::from_secs(5);

    #[test]
    fn reads_to_the_end_and_reports_progress() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, "{\"a\":1}\r\n\n{\"b\":2}").unwrap();
        let mut source =
            FileSource::open(&path, LineConfig { partition: PartitionId(7), ..LineConfig::default() })
                .unwrap();
        assert_eq!(source.progress(), ReadProgress { bytes: 0, total: Some(17) });
        let mut lines = Vec::new();
        while let Next::Batch(batch) = source.next(WAIT).unwrap() {
            assert_eq!(batch.partition, PartitionId(7));
            lines.extend(batch.records.iter().map(|r| (r.offset.0, batch.record(r).to_vec())));
        }
        assert_eq!(lines, [(0, b"{\"a\":1}".to_vec()), (2, b"{\"b\":2}".to_vec())]);
        assert_eq!(source.progress(), ReadProgress { bytes: 17, total: Some(17) });
    }

    #[test]
    fn resumes_at_an_offset_within_the_given_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, (0..200_000).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>()).unwrap();
        let config = LineConfig { first_offset: Offset(199_999), ..LineConfig::default() };
        let mut source = FileSource::open(&path, config).unwrap();
        assert!(matches!(source.next(Duration::ZERO).unwrap(), Next::Idle));
        let Next::Batch(batch) = source.next(WAIT).unwrap() else { panic!("no batch") };
        assert_eq!(batch.records[0].offset, Offset(199_999));
        assert_eq!(batch.record(&batch.records[0]), b"{\"n\":199999}");
        assert!(matches!(source.next(WAIT).unwrap(), Next::End));
    }

    #[test]
    fn an_error_names_the_file_that_cannot_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("none.jsonl"), folder.path().to_owned()] {
            let error = FileSource::open(&path, LineConfig::default()).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()) && error.contains("give a path"), "{error}");
        }
    }
}
