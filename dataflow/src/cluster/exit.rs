//! Exit of a process that can't continue: one log line, and an exit code that gives the reason.
//!
//! timely cannot recover inside a process. When a peer dies its socket threads panic, then its workers do;
//! joining them panics again. So the *first* panic ends the process at once, before it spreads, and the
//! supervisor restarts all.

use std::panic::{self, PanicHookInfo};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::panics::Panic;

/// Exit code: a thread of this process panicked.
pub const PANICKED: i32 = 80;
/// Exit code: another process of the cluster was lost. Never the cause, always a consequence.
pub const PEER_LOST: i32 = 81;
/// Exit code: the supervisor was lost, so nothing would stop or restart this process.
pub const SUPERVISOR_LOST: i32 = 82;

/// Exit code: the worker loop of this process stood still, and it had no supervisor to end it.
pub const HUNG: i32 = 88;

/// Exit code: an error that a restart does not repair. The supervisor gives up at once.
pub const FINAL: i32 = 87;
/// Exit code: options or configuration were refused; treated like [`FINAL`].
const REFUSED: i32 = 2;

/// Whether a restart can't help after a process ended with this code.
pub(super) fn is_final(code: Option<i32>) -> bool {
    matches!(code, Some(FINAL | REFUSED))
}

/// Prefix of timely's panic message when a peer is lost; timely keeps it for programs that match it.
const TIMELY_PEER_LOST: &str = "timely communication error";

/// Makes a panic in any thread end the process with `code`, or with [`PEER_LOST`] if timely lost a peer. A
/// [contained](sources::contained) panic goes to the previous hook instead.
pub fn install_panic_exit(code: i32) {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if sources::contained::is_contained() {
            previous(info);
        } else {
            end(code, info);
        }
    }));
}

fn end(code: i32, info: &PanicHookInfo<'_>) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    if ENDING.swap(true, Ordering::SeqCst) {
        // The first panic is ending the process; all later ones follow from it.
        loop {
            thread::park();
        }
    }
    let panic = Panic::of(info);
    let (code, what) = if panic.message.starts_with(TIMELY_PEER_LOST) {
        (PEER_LOST, "another process of the cluster was lost")
    } else {
        (code, "panicked")
    };
    panic.log(what, Some(code));
    #[expect(
        clippy::disallowed_methods,
        reason = "the first panic ends the process before others follow from it"
    )]
    process::exit(code)
}

/// Meaning of a child's exit code, for messages.
#[must_use]
pub(super) fn describe(code: i32) -> &'static str {
    match code {
        0 => "finished",
        FINAL => "failed for good; see its log",
        REFUSED => "refused its options or configuration",
        PANICKED => "panicked; see its log",
        PEER_LOST => "lost another process of the cluster",
        SUPERVISOR_LOST => "lost the supervisor",
        HUNG => "hung",
        _ => "failed; see its log",
    }
}
