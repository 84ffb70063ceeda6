//! Codes with which a process ends that can't go on; the supervisor tells them.

/// Exit code: a source of events failed.
pub const SOURCE_FAILED: i32 = 83;
/// Exit code: triggers could not be written.
pub const SINK_FAILED: i32 = 84;
/// Exit code: whoever read standard output has gone.
pub const READER_GONE: i32 = 85;
