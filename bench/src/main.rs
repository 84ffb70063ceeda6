//! `strateye-bench`: makes workloads and measures the engine on them.
#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum as _, value_parser};
use operators::{document::span::Span, model::field::Fields};
use strateye_bench::{
    Error,
    floor::floor,
    harness::{
        Engine, latency,
        services::{self, Part, Plan},
        table::{Table, whole},
        throughput,
    },
    prepared::Prepared,
    workload::{Folder, Settings},
};
use tempfile::TempDir;

/// Makes workloads for strateye and measures it on them.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes OUT/events.jsonl and OUT/rules/*.json: the same arguments give the same bytes.
    Workload {
        #[command(flatten)]
        size: Size,
        /// The folder.
        #[arg(long)]
        out: PathBuf,
    },
    /// Replays a workload with the strateye binary, once per number of processes, and compares what fires.
    ///
    /// The binary is the one beside this program, or the one that the variable STRATEYE names.
    EndToEnd(EndToEnd),
    /// Runs the engine between a real Kafka, Redis and MariaDB, which it starts on this machine
    /// (`tests/services/install` installs them).
    Services {
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
        /// Keys with state of the recovery run.
        #[arg(long, default_value_t = 3_000_000)]
        keys: u64,
        /// Parts to measure; all if left out.
        #[arg(long, value_delimiter = ',', value_enum)]
        only: Vec<Part>,
    },
    /// Reads and decodes all events with one thread: the least that any engine pays.
    Floor {
        /// The events, one JSON object a line.
        #[arg(long)]
        events: PathBuf,
        /// A folder of rules whose properties are taken; without it only the top-level fields are.
        #[arg(long)]
        rules: Option<PathBuf>,
    },
}

#[derive(Args, Clone, Copy, Debug)]
struct Size {
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

#[derive(Args, Debug)]
struct EndToEnd {
    /// A folder that `strateye-bench workload` wrote; without it a workload is made for this run.
    #[arg(long, conflicts_with_all = ["events", "users", "rules", "seed"])]
    workload: Option<PathBuf>,
    #[command(flatten)]
    size: Size,
    /// Numbers of processes, one run each.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,12", value_parser = value_parser!(u16).range(1..=128))]
    processes: Vec<u16>,
    /// Also measures latency at this many events per second, sent at their own pace.
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// How long each latency run lasts.
    #[arg(long = "for", default_value = "20s", requires = "rate", value_parser = span)]
    length: String,
}

/// Durations are handed on as they are written.
fn span(text: &str) -> Result<String, String> {
    Span::parse(text).map(|_| text.to_owned())
}

impl From<Size> for Settings {
    fn from(Size { events, users, rules, seed }: Size) -> Settings {
        Settings { events, users, rules, seed }
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Workload { size, out } => Folder::of(&out).write(&size.into()),
        Command::EndToEnd(arguments) => end_to_end(&arguments),
        Command::Services { size, rounds, processes, rate, seconds, keys, only } => {
            let length = Duration::from_secs(seconds);
            services(Plan { workload: size.into(), rounds, processes, rate, length, keys }, &only)
        }
        Command::Floor { events, rules } => print_floor(&events, rules.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strateye-bench: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn end_to_end(arguments: &EndToEnd) -> Result<(), Error> {
    let engine = Engine::find()?;
    let progress = &mut |what: &str| eprintln!("{what}");
    let made: TempDir;
    let workload = match &arguments.workload {
        Some(folder) => Folder::of(folder),
        None => {
            made = TempDir::new().map_err(|source| Error::File {
                action: "make",
                path: "a temporary folder".into(),
                source,
            })?;
            let workload = Folder::of(made.path());
            progress("making the workload");
            workload.write(&arguments.size.into())?;
            workload
        }
    };
    let processes: Vec<usize> = arguments.processes.iter().map(|n| usize::from(*n)).collect();
    println!("{}", throughput::measure(&engine, &workload, &processes, progress)?);
    if let Some(rate) = arguments.rate {
        println!("{}", latency::measure(&engine, &processes, rate, &arguments.length, progress)?);
    }
    Ok(())
}

fn services(plan: Plan, only: &[Part]) -> Result<(), Error> {
    let engine = Engine::find()?;
    let parts = if only.is_empty() { Part::value_variants() } else { only };
    println!("{}", services::measure(&engine, plan, parts, &mut |what| eprintln!("{what}"))?);
    Ok(())
}

fn print_floor(events: &Path, rules: Option<&Path>) -> Result<(), Error> {
    let fields = match rules {
        Some(folder) => Prepared::of_folder(folder, 0)?.book.fields.clone(),
        None => Fields::default(),
    };
    let floor = floor(events, &fields)?;
    let mut table = Table::new(&["events", "bytes/event", "events/s", "CPU µs/event"]);
    table.row([
        whole(floor.events as f64),
        whole(floor.bytes as f64 / floor.events as f64),
        whole(floor.events_per_second()),
        format!("{:.2}", floor.cpu_micros_per_event()),
    ]);
    print!("{table}");
    Ok(())
}
