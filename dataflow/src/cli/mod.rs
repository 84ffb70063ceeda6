//! The command line.
//!
//! Exit codes: 0 done, 1 failed, 2 bad usage or input that names what to write instead.

mod config;
mod demo;
mod launch;
mod options;
mod process;
mod replay;
mod rule;
mod run;
mod summary;
mod view;
mod worker;

use std::{
    io::{IsTerminal, stderr},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// 战略之眼: a real-time engine for dynamic rules.
#[derive(Debug, Parser)]
#[command(name = "strateye", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything on this machine: a cluster, a lively load, fifty rules, and a story that changes them
    Demo(demo::Demo),
    /// A supervised cluster on this machine
    Run(run::Run),
    /// One process of a cluster over several machines
    Worker(worker::WorkerArgs),
    /// Rules over a file of events, on the events' own time, to the end
    Replay(replay::Replay),
    /// Check, publish and manage rules
    #[command(subcommand)]
    Rule(rule::RuleCommand),
    /// Check or show a file of settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// One process of a supervised cluster (started by the others)
    #[command(hide = true)]
    Process,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// The command was used wrongly, or its input can't be used: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It could not be done: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    fn usage(error: impl std::fmt::Display) -> Self {
        CliError::Usage(error.to_string())
    }

    fn failed(error: impl std::fmt::Display) -> Self {
        CliError::Failed(error.to_string())
    }
}

/// Runs the command that the arguments say.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The live view has the screen to itself.
    let log =
        if matches!(&cli.command, Command::Demo(demo) if demo.is_live_view()) { "error" } else { "info" };
    let filter = EnvFilter::try_from_env(launch::LOG).unwrap_or_else(|_| EnvFilter::new(log));
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_ansi(colours)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let result = match cli.command {
        Command::Demo(demo) => demo.main(),
        Command::Run(run) => run.main(),
        Command::Worker(worker) => worker.main(),
        Command::Replay(replay) => replay.main(),
        Command::Rule(rule) => rule.main(),
        Command::Config(config) => config.main(),
        Command::Process => process::main(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strateye: {error}");
            ExitCode::from(if matches!(error, CliError::Usage(_)) { 2 } else { 1 })
        }
    }
}
