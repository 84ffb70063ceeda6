//! Arguments that describe a workload.

use clap::Args;
use strateye_bench::workload::Settings;

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Number of events.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Number of users; their guids are 1 to this number.
    #[arg(long, default_value_t = 100_000)]
    users: u64,
    /// Number of rules, of four conditions each.
    #[arg(long, default_value_t = 100)]
    rules: u64,
    /// Seed of the workload: the same seed gives the same workload.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl From<Size> for Settings {
    fn from(Size { events, users, rules, seed }: Size) -> Settings {
        Settings { events, users, rules, seed }
    }
}
