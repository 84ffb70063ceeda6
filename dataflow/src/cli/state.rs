//! `strateye state`: shows stored state and corrects it, beside a running engine.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use operators::ops::Correction;
use serde_json::{Map, Value as Json, json};

use super::{CliError, options::settings, reference};
use crate::checkpoint::{
    State,
    inspect::{InspectError, Inspector, KeyStates},
};

/// Interval between two polls for a correction in checkpoints.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// Print the state of a key in a rule, as of the last checkpoint: JSON by condition, or the state of one
    /// condition alone
    #[command(allow_missing_positional = true)]
    Get {
        #[command(flatten)]
        place: Place,
        /// The rule's id
        #[arg(value_name = "RULE")]
        rule: String,
        /// A condition's id, or @rule for the rule's own state (limits, edge); all if left out
        #[arg(value_name = "CONDITION")]
        condition: Option<String>,
        /// The key, as triggers show it: a guid as its number, several fields as a JSON array
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Set the state of a key in a condition; the engine applies it before it reads further events
    Set {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        order: Order,
        /// The rule's id
        #[arg(value_name = "RULE")]
        rule: String,
        /// The condition's id
        #[arg(value_name = "CONDITION")]
        condition: String,
        /// The key, as triggers show it
        #[arg(value_name = "KEY")]
        key: String,
        /// The state as `get` prints it, such as 3 or '{"value":1}'; fields left out get their first value
        #[arg(value_name = "VALUE", allow_hyphen_values = true)]
        value: String,
    },
    /// Reset the state of a key in a condition, or in all conditions of a rule
    #[command(allow_missing_positional = true)]
    Reset {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        order: Order,
        /// The rule's id
        #[arg(value_name = "RULE")]
        rule: String,
        /// The condition's id; all conditions if left out
        #[arg(value_name = "CONDITION")]
        condition: Option<String>,
        /// The key, as triggers show it
        #[arg(value_name = "KEY")]
        key: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Place {
    /// Store of the state: redis://HOST:PORT, with TLS rediss://HOST:PORT, or an SQLite file (*.db); or
    /// env:NAME or file:PATH
    #[arg(long, value_name = "FILE.db|URL", value_parser = reference::text)]
    state: Option<String>,
    /// Settings in TOML; their `state` or `[redis]` is used if --state is left out
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Order {
    /// Name of the person who makes the correction, for the engine's log [default: the user of this machine]
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// Wait until a checkpoint includes it, for at most this long; 60s if no value is given
    #[arg(long, value_name = "SPAN", num_args = 0..=1, require_equals = true, default_missing_value = "60s", value_parser = super::demo::span)]
    wait: Option<Duration>,
}

fn wrong(error: InspectError) -> CliError {
    if error.is_usage() { CliError::usage(error) } else { CliError::failed(error) }
}

impl Place {
    fn open(&self) -> Result<Inspector, CliError> {
        let mut settings = settings(self.config.as_deref())?;
        settings.keep_state(self.state.clone());
        let state = settings.state()?;
        match &state {
            State::Run => {
                return Err(CliError::usage(
                    "--state is missing: name redis://HOST:PORT or a file *.db, or a --config with one of them",
                ));
            }
            // Opening a file that does not exist would create it.
            State::Sqlite(path) if !path.is_file() => {
                return Err(CliError::usage(format!("--state {}: there is no such file", path.display())));
            }
            _ => {}
        }
        Inspector::open(&state).map_err(wrong)
    }
}

impl Order {
    fn by(&self) -> String {
        let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
        self.by.clone().or_else(user).unwrap_or_else(|| "cli".to_owned())
    }

    /// Blocks until a checkpoint includes the ordered corrections, if that was asked for.
    fn await_checkpoint(&self, look: &mut Inspector, position: &str) -> Result<(), CliError> {
        let Some(limit) = self.wait else { return Ok(()) };
        let until = Instant::now() + limit;
        while !look.has(position).map_err(wrong)? {
            if Instant::now() >= until {
                return Err(CliError::failed(format!(
                    "no checkpoint includes correction {position} after {limit:?}; an engine applies it as soon as it runs on this state"
                )));
            }
            // A store gives no notice of a commit.
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

/// A state as JSON; a text that is not JSON is shown as it is.
fn shown(text: Option<&str>) -> Json {
    text.map_or(Json::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

fn all(rule: &str, read: &KeyStates) -> Json {
    let states: Map<String, Json> =
        read.states.iter().map(|(part, text)| (part.clone(), shown(text.as_deref()))).collect();
    json!({
        "rule": rule, "version": read.version, "key": read.key, "checkpoint": read.checkpoint,
        "corrections": read.corrections, "state": states,
    })
}

/// Orders corrections, and prints their positions.
#[expect(clippy::print_stdout, reason = "the position is what these commands are asked for")]
fn correct(place: &Place, order: &Order, wanted: &[Correction]) -> Result<(), CliError> {
    let mut look = place.open()?;
    let mut last = None;
    for correction in wanted {
        let position = look.correct(correction).map_err(wrong)?;
        println!("{position}");
        last = Some(position);
    }
    last.map_or(Ok(()), |position| order.await_checkpoint(&mut look, &position))
}

impl StateCommand {
    #[expect(clippy::print_stdout, reason = "what these commands print is what they are for")]
    pub(super) fn main(self) -> Result<(), CliError> {
        match self {
            StateCommand::Get { place, rule, condition, key } => {
                let read = place.open()?.states(&rule, condition.as_deref(), &key).map_err(wrong)?;
                match (&condition, &read.states[..]) {
                    (Some(_), [(_, text)]) => println!("{}", shown(text.as_deref())),
                    _ => println!("{}", all(&rule, &read)),
                }
                Ok(())
            }
            StateCommand::Set { place, order, rule, condition, key, value } => {
                let correction =
                    Correction { rule_id: rule, condition, key, text: Some(value), by: order.by() };
                correct(&place, &order, &[correction])
            }
            StateCommand::Reset { place, order, rule, condition, key } => {
                let conditions = match condition {
                    Some(condition) => vec![condition],
                    None => place.open()?.conditions(&rule).map_err(wrong)?,
                };
                let reset = |condition| Correction {
                    rule_id: rule.clone(),
                    condition,
                    key: key.clone(),
                    text: None,
                    by: order.by(),
                };
                correct(&place, &order, &conditions.into_iter().map(reset).collect::<Vec<_>>())
            }
        }
    }
}
