//! Panics as lines of the log: message, place, thread and, if asked for, backtrace.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, Write},
    panic::{self, PanicHookInfo},
    thread,
};

use tracing::{Level, field::display};

/// A panic, as its hook sees it.
#[derive(Debug)]
pub(crate) struct Panic {
    /// Its message, in one line.
    pub(crate) message: String,
    thread: String,
    place: String,
    /// Taken if the environment asks for it, as Rust's own hook does.
    backtrace: Backtrace,
}

impl Panic {
    /// Reads what a hook is given; to be called in the thread that panics.
    pub(crate) fn of(info: &PanicHookInfo<'_>) -> Self {
        Panic {
            message: message_of(info.payload()).replace('\n', " "),
            thread: thread::current().name().unwrap_or("unnamed").to_owned(),
            place: info.location().map_or_else(|| "unknown".to_owned(), ToString::to_string),
            backtrace: Backtrace::capture(),
        }
    }

    /// Writes it to the log, or to standard error if nobody logs; `exit` is the code with which the process
    /// is going to end.
    pub(crate) fn log(&self, what: &str, exit: Option<i32>) {
        let Panic { message, thread, place, backtrace } = self;
        if tracing::enabled!(Level::ERROR) {
            let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| display(backtrace));
            tracing::error!(exit, thread, place, backtrace, "{what}: {message}");
            return;
        }
        let exit = exit.map_or_else(String::new, |code| format!("; exit {code}"));
        // One write, so that the lines of several processes do not mix.
        let line = format!("strateye: {what}{exit}: {message} (thread {thread}, {place})\n");
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

fn message_of(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Logs panics from now on, instead of Rust's own message; they unwind or abort as before.
pub(crate) fn log_all() {
    panic::set_hook(Box::new(|info| Panic::of(info).log("panicked", None)));
}
