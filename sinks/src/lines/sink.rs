//! Triggers as lines.

use std::cell::{Cell, RefCell};

use super::{LineError, LineOutput, LineWriter, sync::Syncer};
use crate::{
    trigger::Trigger,
    trigger_sink::{Sent, SinkStats, TriggerSink, TriggerSinkError},
};

/// Writes the line of every trigger.
///
/// A trigger is acknowledged once its line is synced to the disk; with standard output and pipes, once the system
/// has its line, which may be lost if the reader ends. The file is synced when somebody asks what is acknowledged:
/// without checkpoints nobody does.
pub struct LineSink {
    writer: RefCell<LineWriter>,
    accepted: Cell<u64>,
    /// Handed to the system.
    written: Cell<u64>,
    /// `None` if there is nothing to sync.
    syncer: Option<Syncer>,
}

impl LineSink {
    /// Opens the output.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub fn open(output: &LineOutput) -> Result<Self, LineError> {
        let writer = output.open()?;
        let syncer = match (output, writer.file().map_err(LineError::Write)?) {
            (LineOutput::File(path), Some(file)) => Some(Syncer::start(file, path)?),
            _ => None,
        };
        Ok(LineSink {
            writer: RefCell::new(writer),
            accepted: Cell::default(),
            written: Cell::default(),
            syncer,
        })
    }

    /// Notes that everything is written if nothing is buffered, and returns whether that is so.
    fn note_written(&self) -> bool {
        let flushed = self.writer.borrow().is_flushed();
        if flushed {
            self.written.set(self.accepted.get());
        }
        flushed
    }
}

impl TriggerSink for LineSink {
    fn kind(&self) -> &'static str {
        "lines"
    }

    fn send(&self, trigger: &Trigger) -> Result<Sent, TriggerSinkError> {
        let mut writer = self.writer.borrow_mut();
        if !writer.has_room() {
            return Ok(Sent::Full);
        }
        writer.line(&trigger.line)?;
        drop(writer);
        let number = self.accepted.get() + 1;
        self.accepted.set(number);
        self.note_written();
        Ok(Sent::Accepted(number))
    }

    fn flush(&self) -> Result<bool, TriggerSinkError> {
        self.writer.borrow_mut().flush()?;
        Ok(self.note_written())
    }

    fn accepted(&self) -> u64 {
        self.accepted.get()
    }

    fn acknowledged(&self) -> u64 {
        let written = self.written.get();
        self.syncer.as_ref().map_or(written, |syncer| syncer.synced(written))
    }

    fn stats(&self) -> SinkStats {
        let delivered = self.written.get();
        SinkStats { queued: self.accepted() - delivered, delivered, ..SinkStats::default() }
    }

    fn check(&self) -> Result<(), TriggerSinkError> {
        Ok(self.syncer.as_ref().map_or(Ok(()), Syncer::check)?)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::PermissionsExt as _,
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    fn send(sink: &LineSink, line: &str) {
        let trigger = Trigger { line: line.into(), ..Trigger::default() };
        assert!(matches!(sink.send(&trigger).unwrap(), Sent::Accepted(_)));
        assert!(sink.flush().unwrap());
    }

    #[test]
    fn lines_of_a_private_file_are_acknowledged_once_they_are_synced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let output = LineOutput::File(path.clone());
        output.create().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let sink = LineSink::open(&output).unwrap();
        send(&sink, "{}");
        send(&sink, "{}");
        assert_eq!((sink.stats().delivered, synced_so_far(&sink)), (2, 0), "nobody has asked");
        let until = Instant::now() + Duration::from_secs(60);
        while sink.acknowledged() < 2 {
            assert!(Instant::now() < until, "the lines are not synced");
            thread::yield_now();
        }
        sink.check().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "{}\n{}\n");
    }

    /// What is synced, without asking for more.
    fn synced_so_far(sink: &LineSink) -> u64 {
        sink.syncer.as_ref().unwrap().synced(0)
    }

    #[test]
    fn what_is_no_file_is_acknowledged_when_the_system_has_it() {
        for output in [LineOutput::Nowhere, LineOutput::File("/dev/null".into())] {
            let sink = LineSink::open(&output).unwrap();
            send(&sink, "{}");
            assert_eq!(sink.acknowledged(), 1);
        }
    }
}
