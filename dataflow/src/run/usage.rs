//! Resource usage of this process according to `/proc`; zero where it has no figures.

use std::fs;

/// User and system CPU time, seconds.
pub(super) fn cpu_seconds() -> f64 {
    // Fields 14 and 15 of /proc/self/stat, found by their distance from the name, in ticks of 10 ms.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) as f64 / 100.0
}

/// Resident memory, bytes.
pub(super) struct Memory {
    pub(super) current: u64,
    pub(super) peak: u64,
}

/// Reads the resident memory.
pub(super) fn memory() -> Memory {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    Memory { current: bytes("VmRSS:"), peak: bytes("VmHWM:") }
}
