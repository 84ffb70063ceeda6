//! Blocking waits for trigger sinks, whose own calls do not block.

use std::{
    thread,
    time::{Duration, Instant},
};

use strateye_sinks::{Sent, Trigger, TriggerSink, TriggerSinkError};

/// Pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(1);

/// Blocks until `condition` holds, for `longest` at most; returns whether it holds.
fn until(longest: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + longest;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        // Pause between two polls: a sink's counters give no notice of a change.
        thread::sleep(PAUSE);
    }
}

/// Blocks until all triggers up to `number` are acknowledged, for `longest` at most; returns whether they
/// are, or the error of a failed sink.
pub(crate) fn acknowledged(
    sink: &dyn TriggerSink,
    number: u64,
    longest: Duration,
) -> Result<bool, TriggerSinkError> {
    let reached = || sink.acknowledged() >= number;
    until(longest, || reached() || sink.flush().is_err() || sink.check().is_err());
    if reached() {
        return Ok(true);
    }
    sink.flush()?;
    sink.check()?;
    Ok(false)
}

/// Blocks until a sink has nothing left, also in its spool, for `longest` at most; returns whether that is so.
pub(crate) fn none_queued(sink: &dyn TriggerSink, longest: Duration) -> bool {
    until(longest, || sink.stats().queued == 0 && sink.spool().is_none_or(|spool| spool.triggers == 0))
}

/// Blocks until everything accepted so far is acknowledged, like [`acknowledged`].
pub(crate) fn all_acknowledged(sink: &dyn TriggerSink, longest: Duration) -> Result<bool, TriggerSinkError> {
    acknowledged(sink, sink.accepted(), longest)
}

/// Offers a trigger until the sink accepts it, for `longest` at most; returns how often the sink was full, or
/// `None` if it was full until the end.
pub(crate) fn send(sink: &dyn TriggerSink, trigger: &Trigger, longest: Duration) -> Option<usize> {
    let mut full = 0;
    let accepted = until(longest, || match sink.send(trigger).unwrap() {
        Sent::Accepted(_) => true,
        Sent::Full => {
            full += 1;
            sink.flush().unwrap();
            false
        }
        Sent::Refused(reason) => panic!("{reason}"),
    });
    accepted.then_some(full)
}
