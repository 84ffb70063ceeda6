//! Events from standard input, or from any stream whose reads block.
//!
//! Lines are records as in a file. A thread of its own reads, at most [`READ_AHEAD`] batches ahead, so that
//! `next` returns in time while the producer is silent. What one read yields is passed on at once.
//!
//! A stream can't be read twice: when resumed, it continues with the next line of the stream under the next
//! offset.
//!
//! **Limit**: dropping the source does not interrupt a blocked read; the thread ends when that read returns.

use std::{
    io::Read,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    thread,
    time::Duration,
};

use operators::model::{ids::Positions, raw::RawBatch};

use super::{EventSource, LineConfig, Next, ReadProgress, lines::Lines, wall_ms};
use crate::SourceError;

/// Most batches that are read ahead.
const READ_AHEAD: usize = 16;

/// Source that reads a stream to its end.
#[derive(Debug)]
pub struct StreamSource {
    name: String,
    positions: Positions,
    receiver: Receiver<ReaderMessage>,
    done: u64,
    ended: bool,
}

/// Message of the reading thread to the source.
enum ReaderMessage {
    /// A batch, and the bytes consumed up to its end.
    Batch(RawBatch, u64),
    /// The stream has ended.
    End,
    /// The stream can be read no further.
    Failed(SourceError),
}

impl StreamSource {
    /// Reads the process's standard input.
    ///
    /// # Errors
    /// If the thread cannot be started or a setting is out of range.
    pub fn stdin(config: LineConfig) -> Result<Self, SourceError> {
        StreamSource::new("stdin", std::io::stdin(), config)
    }

    /// Reads any stream; `name` appears in messages and in the thread's name.
    ///
    /// # Errors
    /// If the thread cannot be started or a setting is out of range.
    pub fn new(
        name: &str,
        input: impl Read + Send + 'static,
        config: LineConfig,
    ) -> Result<Self, SourceError> {
        let lines = Lines::new(input, name.to_owned(), config)?.continuing();
        let positions = lines.positions();
        let (sender, receiver) = sync_channel(READ_AHEAD);
        thread::Builder::new().name(format!("read {name}")).spawn(move || read(lines, &sender)).map_err(
            |error| SourceError::Thread {
                name: name.to_owned(),
                what: format!("could not be started ({error})"),
            },
        )?;
        Ok(StreamSource { name: name.to_owned(), positions, receiver, done: 0, ended: false })
    }
}

fn read(mut lines: Lines<impl Read>, sender: &SyncSender<ReaderMessage>) {
    loop {
        let message = match lines.step() {
            Ok(Next::Idle | Next::CaughtUp { .. } | Next::Opened(_)) => continue,
            Ok(Next::Batch(batch)) => ReaderMessage::Batch(batch, lines.done()),
            Ok(Next::End) => ReaderMessage::End,
            Err(error) => ReaderMessage::Failed(error),
        };
        let last = !matches!(message, ReaderMessage::Batch(..));
        if sender.send(message).is_err() || last {
            return;
        }
    }
}

impl EventSource for StreamSource {
    fn positions(&self) -> Positions {
        self.positions.clone()
    }

    fn next(&mut self, wait: Duration) -> Result<Next, SourceError> {
        if self.ended {
            return Ok(Next::End);
        }
        let asked = wall_ms();
        let message = if wait.is_zero() {
            self.receiver.try_recv().map_err(|error| error == TryRecvError::Disconnected)
        } else {
            self.receiver.recv_timeout(wait).map_err(|error| error == RecvTimeoutError::Disconnected)
        };
        match message {
            Ok(ReaderMessage::Batch(batch, done)) => {
                self.done = done;
                self.positions.extend(batch.next_offset().map(|next| (batch.partition, next)));
                Ok(Next::Batch(batch))
            }
            Err(false) => Ok(Next::CaughtUp { partitions: self.partitions(), at: asked }),
            Ok(ReaderMessage::End) => {
                self.ended = true;
                Ok(Next::End)
            }
            Ok(ReaderMessage::Failed(error)) => {
                self.ended = true;
                Err(error)
            }
            Err(true) => {
                self.ended = true;
                Err(SourceError::Thread { name: self.name.clone(), what: "died".to_owned() })
            }
        }
    }

    fn progress(&self) -> ReadProgress {
        ReadProgress { bytes: self.done, total: None }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    #[test]
    fn reports_caught_up_while_the_producer_is_silent_and_end_when_it_closes() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut source = StreamSource::new("pipe", reader, LineConfig::default()).unwrap();
        assert!(matches!(source.next(Duration::ZERO).unwrap(), Next::CaughtUp { .. }));
        assert!(matches!(source.next(Duration::from_millis(5)).unwrap(), Next::CaughtUp { .. }));
        writer.write_all(b"{\"a\":1}\n{\"b\"").unwrap();
        let Next::Batch(batch) = source.next(WAIT).unwrap() else { panic!("no batch") };
        assert_eq!(batch.record(&batch.records[0]), b"{\"a\":1}");
        assert_eq!(source.progress(), ReadProgress { bytes: 8, total: None });
        writer.write_all(b":2}").unwrap();
        drop(writer);
        let Next::Batch(batch) = source.next(WAIT).unwrap() else { panic!("no batch") };
        assert_eq!(
            (batch.records[0].offset.0, batch.record(&batch.records[0])),
            (1, b"{\"b\":2}".as_slice())
        );
        for _ in 0..2 {
            assert!(matches!(source.next(WAIT).unwrap(), Next::End));
        }
    }

    #[test]
    fn a_failed_read_is_reported_once() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let mut source = StreamSource::new("socket", Broken, LineConfig::default()).unwrap();
        let error = source.next(WAIT).unwrap_err().to_string();
        assert!(error.starts_with("reading socket failed after 0 bytes"), "{error}");
        assert!(matches!(source.next(WAIT).unwrap(), Next::End));
    }
}
