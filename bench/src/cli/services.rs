//! `strateye-bench services`.

use std::time::Duration;

use clap::{Args, ValueEnum as _, value_parser};
use strateye_bench::{
    Error,
    harness::{
        Engine,
        services::{self, Part, Plan},
    },
};

use super::size::Size;

#[derive(Args, Debug)]
pub(crate) struct Services {
    #[command(flatten)]
    size: Size,
    /// Processes of the engine.
    #[arg(long, default_value_t = 12, value_parser = value_parser!(u16).range(1..=128))]
    processes: u16,
    /// Events per second of the latency run.
    #[arg(long, default_value_t = 12_000, value_parser = value_parser!(u64).range(1..))]
    rate: u64,
    /// How often each of the throughput runs is made; what is shown are medians.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of the latency run; the first sixty are not counted.
    #[arg(long, default_value_t = 120, value_parser = value_parser!(u64).range(61..))]
    seconds: u64,
    /// Keys with state of the recovery and memory runs.
    #[arg(long, default_value_t = 3_000_000)]
    keys: u64,
    /// Parts to measure; all if left out.
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
}

impl Services {
    /// Runs the measurements; returns their tables.
    pub(crate) fn run(&self) -> Result<String, Error> {
        let engine = Engine::find()?;
        let plan = Plan {
            workload: self.size.into(),
            rounds: self.rounds,
            processes: self.processes,
            rate: self.rate,
            length: Duration::from_secs(self.seconds),
            keys: self.keys,
        };
        let parts = if self.only.is_empty() { Part::value_variants() } else { &self.only };
        services::measure(&engine, plan, parts, &mut |what| eprintln!("{what}"))
    }
}
