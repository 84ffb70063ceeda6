//! `strateye-bench`: makes workloads and measures the engine on them.
#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod cli;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use operators::model::field::Fields;
use strateye_bench::{
    Error,
    floor::{Floor, floor, reference_floor},
    harness::{
        measured::{FLOOR, REFERENCE},
        table::{Table, whole},
    },
    prepared::Prepared,
    workload::{Folder, variant},
};

use self::cli::{end_to_end::EndToEnd, services::Services, size::Size};

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
    /// Writes a workload whose rules are made from those of another.
    Variant {
        /// The variant.
        kind: variant::Kind,
        /// The folder of the other workload.
        #[arg(long, value_name = "DIR")]
        workload: PathBuf,
        /// The folder to write; it must be empty or not exist.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Replays a workload with strateye binaries, once per number of processes and round, and compares what
    /// fires.
    ///
    /// Without --binary, the binary is the one beside this program, or the one that the variable STRATEYE
    /// names.
    EndToEnd(EndToEnd),
    /// Runs the engine between a real Kafka, Redis and MariaDB, which it starts on this machine
    /// (`tests/services/install` installs them).
    Services(Services),
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

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Workload { size, out } => Folder::of(&out).write(&size.into()),
        Command::Variant { kind, workload, out } => variant::write(kind, &Folder::of(&workload), &out),
        Command::EndToEnd(arguments) => arguments.run(&mut |table| println!("{table}")),
        Command::Services(arguments) => arguments.run().map(|tables| println!("{tables}")),
        Command::Floor { events, rules } => {
            floors(&events, rules.as_deref()).map(|table| println!("{table}"))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strateye-bench: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn floors(events: &Path, rules: Option<&Path>) -> Result<Table, Error> {
    let fields = match rules {
        Some(folder) => Prepared::of_folder(folder, 0)?.book.fields.clone(),
        None => Fields::default(),
    };
    let mut table = Table::new(&["decoder", "events", "bytes/event", "events/s", "CPU µs/event"]);
    let mut row = |name: &str, floor: Floor| {
        table.row([
            name.to_owned(),
            whole(floor.events as f64),
            whole(floor.bytes as f64 / floor.events as f64),
            whole(floor.events_per_second()),
            format!("{:.2}", floor.cpu_micros_per_event()),
        ]);
    };
    row(REFERENCE, reference_floor(events, &fields)?);
    row(FLOOR, floor(events, &fields)?);
    Ok(table)
}
