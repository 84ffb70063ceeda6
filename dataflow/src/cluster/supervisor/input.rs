//! What the supervisor's [event loop](super::event_loop) reacts to.

use std::os::unix::net::UnixStream;

use serde_json::Value;

/// From the watching and reading threads, and from the program.
pub(super) enum Input {
    Connected {
        process: usize,
        generation: u64,
        writer: UnixStream,
    },
    Heartbeat {
        process: usize,
        generation: u64,
    },
    Message {
        process: usize,
        generation: u64,
        message: Value,
    },
    /// The control connection has ended: nothing more will be heard of the process.
    Closed {
        process: usize,
        generation: u64,
    },
    Exited {
        process: usize,
        generation: u64,
    },
    Send {
        to: Option<usize>,
        message: Value,
    },
    Stop,
}
