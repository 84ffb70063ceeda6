//! Triggers as lines.

use std::cell::{Cell, RefCell};

use super::{LineError, LineOutput, LineWriter};
use crate::{
    trigger::Trigger,
    trigger_sink::{Sent, SinkStats, TriggerSink, TriggerSinkError},
};

/// Writes the line of every trigger.
///
/// A trigger is acknowledged once the system has its line; that survives a crash of this process, not one of
/// the machine.
pub struct LineSink {
    writer: RefCell<LineWriter>,
    accepted: Cell<u64>,
    acknowledged: Cell<u64>,
}

impl LineSink {
    /// Opens the output.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub fn open(output: &LineOutput) -> Result<Self, LineError> {
        Ok(LineSink {
            writer: RefCell::new(output.open()?),
            accepted: Cell::default(),
            acknowledged: Cell::default(),
        })
    }

    /// Acknowledges everything if nothing is buffered, and returns whether that is so.
    fn acknowledge(&self) -> bool {
        let flushed = self.writer.borrow().is_flushed();
        if flushed {
            self.acknowledged.set(self.accepted.get());
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
        self.acknowledge();
        Ok(Sent::Accepted(number))
    }

    fn flush(&self) -> Result<bool, TriggerSinkError> {
        self.writer.borrow_mut().flush()?;
        Ok(self.acknowledge())
    }

    fn accepted(&self) -> u64 {
        self.accepted.get()
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.get()
    }

    fn stats(&self) -> SinkStats {
        let delivered = self.acknowledged();
        SinkStats { queued: self.accepted() - delivered, delivered, ..SinkStats::default() }
    }
}
