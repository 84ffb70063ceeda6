//! `strateye dead-letters`: lists triggers that could not be delivered, and sends them again.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use sinks::{
    TriggerSink,
    dead_letters::{self, DeadLetter, DeadLetterError, Replayed},
    kafka::KafkaSink,
    webhook::WebhookSink,
};

use super::{CliError, options};
use crate::triggers::destinations::To;

/// Interval at which the progress bar is drawn.
const DRAW: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterCommand {
    /// Print the dead letters, oldest first: when, id, key, attempts, address and last error, separated by
    /// tabs
    List {
        /// The file of dead letters: of a webhook, or of a topic's spool
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object per line, with the triggers
        #[arg(long)]
        json: bool,
    },
    /// Send all dead letters again; those that fail again are written to the file again
    Replay {
        /// The file of dead letters: of a webhook, or of a topic's spool
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Settings in TOML; the letters go to the one of their `[[sinks]]` that writes this file
        #[arg(long, visible_alias = "webhook-config", value_name = "FILE.toml")]
        config: PathBuf,
        /// Print the figures as one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Line of the list for one letter.
fn row(letter: &DeadLetter) -> String {
    let at = i64::try_from(letter.at).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let at = at.map_or_else(|| letter.at.to_string(), |at| at.to_string());
    let DeadLetter { url, attempts, last_error, trigger, .. } = letter;
    // Line breaks and tabs of an error would break the columns.
    let error = last_error.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{at}\t{}\t{}\t{attempts}\t{url}\t{error}", trigger.id, trigger.key)
}

fn document(letter: &DeadLetter) -> Json {
    let DeadLetter { at, url, attempts, last_error, trigger } = letter;
    let document = serde_json::from_str(&trigger.line).unwrap_or_else(|_| Json::from(trigger.line.as_str()));
    json!({
        "at": at, "url": url, "attempts": attempts, "last_error": last_error,
        "id": trigger.id, "key": trigger.key, "trigger": document,
    })
}

#[expect(clippy::print_stdout, reason = "the letters are what the command was asked for")]
fn list(file: &Path, json: bool) -> Result<(), CliError> {
    let listing = dead_letters::list(file).map_err(CliError::usage)?;
    for letter in &listing.letters {
        if json {
            println!("{}", document(letter));
        } else {
            println!("{}", row(letter));
        }
    }
    if listing.letters.is_empty() {
        eprintln!("{}: no dead letters", file.display());
    }
    if listing.unreadable > 0 {
        eprintln!("{}: {} lines are not dead letters", file.display(), listing.unreadable);
    }
    Ok(())
}

/// Whether two paths name the same file, however they are written.
fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    };
    one == other || whole(one).is_some_and(|one| Some(one) == whole(other))
}

/// Opens the sink in the settings that writes this file: a webhook, or a topic with a spool.
fn sink(config: &Path, file: &Path) -> Result<Box<dyn TriggerSink + Sync>, CliError> {
    let receivers = options::read(config)?.receivers()?;
    let found = receivers.iter().find(|(_, letters)| is_same(letters, file));
    Ok(match found.map(|(to, _)| to) {
        Some(To::Webhook(config)) => Box::new(WebhookSink::start(config).map_err(CliError::usage)?),
        Some(To::Kafka(config)) => Box::new(KafkaSink::start(config).map_err(CliError::usage)?),
        Some(To::Lines(_)) | None => {
            let there: Vec<String> = receivers.iter().map(|(_, file)| file.display().to_string()).collect();
            let there = if there.is_empty() {
                "none of its sinks has dead letters".to_owned()
            } else {
                there.join(", ")
            };
            return Err(CliError::usage(format!(
                "{}: no sink has dead_letters = {file:?} ({there}); name the file of one of them, relative to this folder",
                config.display()
            )));
        }
    })
}

/// Sends all letters, with a progress bar.
fn send(file: &Path, sink: &(dyn TriggerSink + Sync)) -> Result<Replayed, DeadLetterError> {
    let bar = ProgressBar::new(dead_letters::list(file)?.letters.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} letters {msg}") {
        bar.set_style(style);
    }
    thread::scope(|scope| {
        let (ending, ended) = mpsc::channel::<()>();
        let replay = scope.spawn(move || {
            // Dropped at the end, which wakes the drawing thread.
            let _ending = ending;
            dead_letters::replay(file, sink)
        });
        while ended.recv_timeout(DRAW) == Err(RecvTimeoutError::Timeout) {
            bar.set_position(sink.acknowledged());
        }
        bar.finish_and_clear();
        replay.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[expect(clippy::print_stdout, reason = "the figures are what the command was asked for")]
fn replay(file: &Path, config: &Path, json: bool) -> Result<(), CliError> {
    let sink = sink(config, file)?;
    let Replayed { sent, unreadable } = send(file, &*sink).map_err(CliError::failed)?;
    let (delivered, dead) = (sink.stats().delivered, sink.stats().dead);
    if json {
        println!("{}", json!({"sent": sent, "delivered": delivered, "dead": dead, "unreadable": unreadable}));
    } else {
        println!(
            "{sent} letters sent again: {delivered} delivered, {dead} failed again, {unreadable} lines could not be read"
        );
    }
    match dead {
        0 => Ok(()),
        _ => Err(CliError::failed(format!(
            "{dead} letters failed again; `strateye dead-letters list {}` shows why",
            file.display()
        ))),
    }
}

impl DeadLetterCommand {
    pub(super) fn main(self) -> Result<(), CliError> {
        match self {
            DeadLetterCommand::List { file, json } => list(&file, json),
            DeadLetterCommand::Replay { file, config, json } => replay(&file, &config, json),
        }
    }
}
