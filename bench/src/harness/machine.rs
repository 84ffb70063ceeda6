//! The machine on which a measurement ran, as Linux describes it.

use std::{fs, thread};

use serde::Serialize;

/// Most characters of a text about the machine.
const MAX_TEXT: usize = 200;

/// Description of a machine; empty or zero where the system does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Number of processors available to this program.
    pub cores: usize,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// The operating system and its release.
    pub system: String,
    /// Mean number of runnable threads in the last minute: of a machine that does nothing else, near 0.
    pub load: String,
}

impl Machine {
    /// Describes this machine.
    pub fn this() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let kernel = ["ostype", "osrelease"].map(|name| read(&format!("/proc/sys/kernel/{name}")));
        Machine {
            cpu: cut(after(&read("/proc/cpuinfo"), "model name")),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kibibytes(after(&read("/proc/meminfo"), "MemTotal")) * 1024,
            system: cut(kernel.join(" ").replace('\n', "").trim()),
            load: cut(read("/proc/loadavg").split(' ').next().unwrap_or_default()),
        }
    }
}

/// Text behind the colon of the first line that begins with `name`.
fn after<'t>(text: &'t str, name: &str) -> &'t str {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
}

fn kibibytes(text: &str) -> u64 {
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_proc_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: other\n";
        assert_eq!(after(cpuinfo, "model name"), "AMD EPYC");
        assert_eq!(kibibytes(after("MemTotal:       24 kB\n", "MemTotal")), 24);
        assert_eq!((after("", "MemTotal"), kibibytes("")), ("", 0));
        assert_eq!(cut(&"x".repeat(999)).len(), MAX_TEXT);
    }
}
