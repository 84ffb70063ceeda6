//! Dead letters on their way again.
//!
//! **Invariant**: a letter leaves the disk only after it was delivered, or lies in the sink's dead-letter file again; so a
//! replay broken off anywhere loses none, and the next one sends what was left (some of it for the second time).

use std::{fs, path::Path, time::Duration};

use super::{DeadLetter, DeadLetterError, DeadLetterFile, file::read_lines};
use crate::{
    outgoing::{Outgoing, Sent},
    webhook::WebhookSink,
};

/// How long one wait lasts before the condition is looked at again.
const WAIT: Duration = Duration::from_secs(1);

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters sent and settled: delivered, or dead again.
    pub sent: u64,
    /// Lines that are no letters; they lie in `NAME.unreadable` now.
    pub unreadable: u64,
}

/// Sends all letters of the file `path` again and waits until every one is settled. The file is moved aside first, so
/// that letters which fail again land in a new one.
///
/// # Errors
/// If another replay is at it, or a file can't be read, moved or removed. What was not settled by then is sent by the
/// next replay.
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
                    last = send(sink, letter.trigger);
                    done.sent += 1;
                }
                None => {
                    file.set_apart(line)?;
                    done.unreadable += 1;
                }
            }
            Ok(())
        })?;
        while !sink.wait_settled(last, WAIT) {}
        fs::remove_file(&part).map_err(DeadLetterError::file(&part, "removed"))?;
    }
    Ok(done)
}

fn send(sink: &WebhookSink, mut outgoing: Outgoing) -> u64 {
    loop {
        match sink.send(outgoing) {
            Sent::Accepted(sequence) => return sequence,
            Sent::Full(returned) => {
                // However long it takes: the sink settles everything in the end.
                let _ = sink.wait_room(&returned, WAIT);
                outgoing = returned;
            }
        }
    }
}
