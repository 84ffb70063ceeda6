//! Sending dead letters again.
//!
//! **Invariant**: a letter leaves the disk only after it was delivered, or is in the sink's dead-letter file
//! again. So an interrupted replay loses none, and the next one sends the rest (some of it for the second
//! time).

use std::{fs, path::Path, time::Duration};

use super::sink::WebhookSink;
use crate::{
    dead_letters::{DeadLetter, DeadLetterError, DeadLetterFile, read_lines},
    trigger::Trigger,
    trigger_sink::Sent,
};

/// Longest single wait; waits are repeated until their condition holds.
const WAIT: Duration = Duration::from_secs(1);

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
/// If another replay of the file is running, or a file can't be read, moved or removed. The next replay sends
/// what was not acknowledged by then.
pub fn replay(path: &Path, sink: &WebhookSink) -> Result<Replayed, DeadLetterError> {
    let file = DeadLetterFile::new(path);
    let _only = file.lock_replay()?;
    file.move_aside()?;
    let mut done = Replayed::default();
    for part in file.aside()? {
        let mut last = 0;
        read_lines(&part, &mut |line| {
            match DeadLetter::parse(line) {
                Some(letter) => {
                    last = send(sink, &letter.trigger);
                    done.sent += 1;
                }
                None => {
                    file.set_apart(line)?;
                    done.unreadable += 1;
                }
            }
            Ok(())
        })?;
        while !sink.wait_acknowledged(last, WAIT) {}
        fs::remove_file(&part).map_err(DeadLetterError::file(&part, "removed"))?;
    }
    Ok(done)
}

/// Sends one letter; blocks until there is room, which comes eventually, as the sink acknowledges every
/// trigger in the end.
fn send(sink: &WebhookSink, trigger: &Trigger) -> u64 {
    loop {
        if let Sent::Accepted(number) = sink.offer(trigger) {
            return number;
        }
        let _ = sink.wait_room(trigger, WAIT);
    }
}
