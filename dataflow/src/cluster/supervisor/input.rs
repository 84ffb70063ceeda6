//! Inputs of the supervisor's [event loop](super::event_loop).

use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::cluster::generation::ClusterGeneration;

/// An input from a watching or reading thread, or from the program.
pub(super) enum Input {
    Connected {
        process: usize,
        generation: ClusterGeneration,
        writer: UnixStream,
    },
    Heartbeat {
        process: usize,
        generation: ClusterGeneration,
    },
    Message {
        process: usize,
        generation: ClusterGeneration,
        message: Value,
    },
    /// The control connection has ended: no further message of the process will arrive.
    Closed {
        process: usize,
        generation: ClusterGeneration,
    },
    Exited {
        process: usize,
        generation: ClusterGeneration,
    },
    Stop,
}
