//! Codes with which a process ends that can't go on; the supervisor tells them.

/// Exit code: a source of events failed.
pub const SOURCE_FAILED: i32 = 83;
/// Exit code: triggers could not be written.
pub const SINK_FAILED: i32 = 84;
/// Exit code: whoever read standard output has gone.
pub const READER_GONE: i32 = 85;
/// Exit code: the checkpoints belong to another engine now, have gone back, or can't be reached at the start; a restart goes on from
/// what is there.
pub const STATE_LOST: i32 = 86;
/// Exit code: the checkpoints can't be used, and a restart would not help.
pub const STATE_UNUSABLE: i32 = crate::cluster::FINAL;
