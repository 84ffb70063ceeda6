//! Sending dead letters again.
//!
//! **Invariant**: a letter leaves the disk only after it was delivered, or is in the sink's dead-letter file
//! again. So an interrupted replay loses none, and the next one sends the rest (some of it for the second
//! time).

use std::{fs, path::Path, thread, time::Duration};

use super::{DeadLetter, DeadLetterError, DeadLetterFile, read_lines};
use crate::{
    trigger::Trigger,
    trigger_sink::{Sent, TriggerSink},
};

/// Pause between two looks at a sink.
const POLL: Duration = Duration::from_millis(5);

/// Counts of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters sent and acknowledged: delivered, or dead again.
    pub sent: u64,
    /// Lines that are no letters; they are moved to `NAME.unreadable`.
    pub unreadable: u64,
}

/// Sends all letters of the file `path` again and blocks until every one is acknowledged. The file is moved
/// aside first, so that letters which fail again are written to a new one.
///
/// # Errors
/// If another replay of the file is running, the sink fails, or a file can't be read, moved or removed. The next replay sends
/// what was not acknowledged by then.
pub fn replay(path: &Path, sink: &dyn TriggerSink) -> Result<Replayed, DeadLetterError> {
    let file = DeadLetterFile::new(path);
    let _only = file.lock_replay()?;
    file.move_aside()?;
    let mut done = Replayed::default();
    for part in file.aside()? {
        let mut last = 0;
        read_lines(&part, &mut |line| {
            match DeadLetter::parse(line) {
                Some(letter) => {
                    last = send(sink, &letter.trigger)?;
                    done.sent += 1;
                }
                None => {
                    file.set_apart(line)?;
                    done.unreadable += 1;
                }
            }
            Ok(())
        })?;
        wait(sink, last)?;
        fs::remove_file(&part).map_err(DeadLetterError::file(&part, "removed"))?;
    }
    Ok(done)
}

/// Sends one letter; blocks until there is room.
fn send(sink: &dyn TriggerSink, trigger: &Trigger) -> Result<u64, DeadLetterError> {
    loop {
        match sink.send(trigger)? {
            Sent::Accepted(number) => return Ok(number),
            // A sink gives no notice of room in its queue.
            Sent::Full => thread::sleep(POLL),
            Sent::Refused(reason) => return Err(DeadLetterError::Refused(reason)),
        }
    }
}

/// Blocks until everything up to `number` is acknowledged.
fn wait(sink: &dyn TriggerSink, number: u64) -> Result<(), DeadLetterError> {
    while sink.acknowledged() < number {
        sink.check()?;
        // Nor of an acknowledgement.
        thread::sleep(POLL);
    }
    Ok(())
}
