//! The command line.
//!
//! Exit codes: 0 done, 1 failed, 2 bad usage or input, with a message that names what to write instead; those
//! of a process of a cluster are in [`exit`](crate::exit) and [`cluster`](crate::cluster).
//!
//! - `run`, `worker`, `replay`, `demo`: commands that run a cluster
//! - `process`: one process of a supervised cluster; `launch`: starts those processes
//! - `rule`, `state`, `dead_letters`, `produce`, `migrate`, `config`: commands around an engine
//! - `options`, `sink_settings`: settings from a file and from options
//! - `log`: the log on standard error
//! - `summary`, `view`: figures of a cluster, and their display

mod config;
mod dead_letters;
mod demo;
mod launch;
mod log;
mod migrate;
mod options;
mod process;
mod produce;
mod reference;
mod replay;
mod rule;
mod run;
mod sink_settings;
mod state;
mod summary;
mod survey;
mod view;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::Fatal;

/// 战略之眼: a real-time engine for dynamic rules.
#[derive(Debug, Parser)]
#[command(name = "strateye", version, about, propagate_version = true)]
struct Cli {
    /// Format of the log on standard error: lines for people, or one JSON object per line
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<log::LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a cluster on this machine with generated events, fifty rules, and a story that changes them
    Demo(demo::Demo),
    /// Run a supervised cluster on this machine
    Run(run::Run),
    /// Run one process of a cluster over several machines
    ///
    /// Needed of the network: each process can connect to the port of every process before it in the hosts file; round
    /// trips of a few milliseconds; nobody else at those ports if possible. What passes between hosts is encrypted and
    /// authenticated by the secret, and strangers are refused; but whoever can cut connections ends the cluster, and
    /// whoever records the traffic and later learns the secret can read it. Kafka, MySQL and Redis have TLS of their own.
    ///
    /// There is no supervisor: a process that loses another one, or hangs for 10 seconds, ends. Have a service manager
    /// start all of them again, with the next --generation.
    Worker(worker::WorkerArgs),
    /// Run rules over a file of events to its end, on the events' own time
    Replay(replay::Replay),
    /// Check, publish and manage rules
    #[command(subcommand)]
    Rule(rule::RuleCommand),
    /// Show and correct stored state, beside a running engine
    #[command(subcommand)]
    State(state::StateCommand),
    /// Send events from a file or standard input to Kafka
    Produce(produce::Produce),
    /// Create the tables of a rules database, or bring them up to date
    Migrate(migrate::Migrate),
    /// List triggers that could not be delivered, and send them again
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetterCommand),
    /// Check or show a file of settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Run one process of a supervised cluster (started by the other commands)
    #[command(hide = true)]
    Process,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// Wrong usage of the command, or invalid input: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Failure of the command: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// A process of a cluster failed for good, which is logged already: exit code of the failure.
    #[error(transparent)]
    Fatal(Fatal),
}

impl CliError {
    fn usage(error: impl std::fmt::Display) -> Self {
        CliError::Usage(error.to_string())
    }

    fn failed(error: impl std::fmt::Display) -> Self {
        CliError::Failed(error.to_string())
    }

    /// Prints the error for people, or logs it.
    fn show(&self) {
        match (self, log::format()) {
            (CliError::Fatal(_), _) => {}
            (error, log::LogFormat::Text) => eprintln!("strateye: {error}"),
            (error, log::LogFormat::Json) => tracing::error!("{error}"),
        }
    }

    fn exit_code(&self) -> ExitCode {
        let failed = ExitCode::FAILURE;
        match self {
            CliError::Usage(_) => ExitCode::from(2),
            CliError::Failed(_) => failed,
            CliError::Fatal(fatal) => u8::try_from(fatal.code).map_or(failed, ExitCode::from),
        }
    }
}

/// Runs the command given by the arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The live view uses the whole screen.
    let level =
        if matches!(&cli.command, Command::Demo(demo) if demo.is_live_view()) { "error" } else { "info" };
    let number = match &cli.command {
        Command::Process => process::number(),
        Command::Worker(worker) => Some(worker.process()),
        _ => None,
    };
    log::begin(cli.log_format, level, number);
    let result = match cli.command {
        Command::Demo(demo) => demo.main(),
        Command::Run(run) => run.main(),
        Command::Worker(worker) => worker.main(),
        Command::Replay(replay) => replay.main(),
        Command::Rule(rule) => rule.main(),
        Command::State(state) => state.main(),
        Command::Produce(produce) => produce.main(),
        Command::Migrate(migrate) => migrate.main(),
        Command::DeadLetters(letters) => letters.main(),
        Command::Config(config) => config.main(),
        Command::Process => process::main(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.show();
            error.exit_code()
        }
    }
}
