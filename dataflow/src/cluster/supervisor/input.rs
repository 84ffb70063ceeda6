//! Inputs of the supervisor's [event loop](super::event_loop).

use std::os::unix::net::UnixStream;

use serde_json::Value;

/// An input from a watching or reading thread, or from the program.
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
    /// The control connection has ended: no further message of the process will arrive.
    Closed {
        process: usize,
        generation: u64,
    },
    Exited {
        process: usize,
        generation: u64,
    },
    Stop,
}
