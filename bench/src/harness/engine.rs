//! The engine's command line, and the figures it prints.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, de::DeserializeOwned};

use super::measured::{FLOOR, REFERENCE};
use crate::{Error, workload::Folder};

/// Environment variable that names another binary than the one beside this program.
pub const VARIABLE: &str = "STRATEYE";
/// Number of its last lines shown if the engine failed.
const SHOWN: usize = 20;
/// Most characters of a program's name, and of what it says of its version.
const MAX_NAME: usize = 32;
const MAX_VERSION: usize = 200;

/// Figures of `strateye replay --json`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Replayed {
    /// Events read.
    pub events: u64,
    /// Events per second, from the first read to the last trigger.
    pub events_per_second: f64,
    /// CPU time, user and system, of all processes.
    pub cpu_seconds: f64,
    /// Triggers written.
    pub triggers: u64,
    /// Peak memory of the processes, summed.
    pub peak_memory_bytes: u64,
    /// Keys with state at the end; `None` of programs that don't say it.
    pub keys: Option<u64>,
    /// States of conditions at the end; `None` of programs that don't say it.
    pub conditions: Option<u64>,
}

/// Figures of `strateye demo --plain --json`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Demonstrated {
    /// Events evaluated per second.
    pub events_per_second: f64,
    /// Processors busy on average.
    pub cpu_cores: f64,
    /// From reading an event to its trigger; `None` if nothing fired.
    pub latency_ms: Option<Latency>,
}

/// Percentiles of a latency, ms.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Latency {
    /// 50th percentile.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// A `strateye` binary under test.
#[derive(Clone, Debug)]
pub struct Engine {
    name: String,
    path: PathBuf,
}

impl Engine {
    /// Name of its rows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Path of the binary.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The binary of `NAME=PATH`.
    ///
    /// # Errors
    /// If the text is not of this form, or there is no such file: what to write instead.
    pub fn parse(text: &str) -> Result<Engine, String> {
        let (name, path) = text.split_once('=').ok_or("write NAME=PATH, such as before=./strateye-before")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(plain) {
            return Err(format!(
                "`{name}` is no name; write 1 to {MAX_NAME} letters, digits, `.`, `_` or `-`"
            ));
        }
        if [REFERENCE, FLOOR].contains(&name) {
            return Err(format!("`{name}` is the name of a floor; choose another"));
        }
        let path = PathBuf::from(path);
        if !path.is_file() {
            return Err(format!("there is no file {}", path.display()));
        }
        Ok(Engine { name: name.to_owned(), path })
    }

    /// Finds the binary that the environment names, or else the one beside this program.
    ///
    /// # Errors
    /// If there is none.
    pub fn find() -> Result<Engine, Error> {
        let path = match env::var_os(VARIABLE) {
            Some(path) => PathBuf::from(path),
            None => env::current_exe()
                .map_err(Error::file("find", "this program"))?
                .with_file_name(format!("strateye{}", env::consts::EXE_SUFFIX)),
        };
        if path.is_file() {
            return Ok(Engine { name: "strateye".to_owned(), path });
        }
        Err(Error::Usage(format!(
            "there is no strateye at {}; build it with `cargo build --profile dist -p strateye`, or name it in {VARIABLE}",
            path.display()
        )))
    }

    /// First line of what it prints for `--version`; empty if it prints nothing.
    ///
    /// # Errors
    /// If it can't be run.
    pub fn version(&self) -> Result<String, Error> {
        let output = Command::new(&self.path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(Error::file("run", &self.path))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().next().unwrap_or_default().chars().take(MAX_VERSION).collect())
    }

    /// Replays a workload; triggers are written to `triggers`.
    ///
    /// # Errors
    /// If the engine fails or does not print its figures.
    pub fn replay(&self, workload: &Folder, processes: usize, triggers: &Path) -> Result<Replayed, Error> {
        // Of the replay before, which no other overwrites.
        match fs::remove_file(triggers) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file("remove", triggers)(error));
            }
            _ => {}
        }
        self.json(&[
            "replay".into(),
            "--rules".into(),
            workload.rules.clone().into(),
            "--events".into(),
            workload.events.clone().into(),
            "--processes".into(),
            processes.to_string().into(),
            "--triggers".into(),
            triggers.into(),
            "--json".into(),
        ])
    }

    /// Runs the engine on its own generator at a rate in events per second, for a time written as in `20s`.
    ///
    /// # Errors
    /// If the engine fails or does not print its figures.
    pub fn demo(&self, processes: usize, rate: u64, length: &str) -> Result<Demonstrated, Error> {
        self.json(&[
            "demo".into(),
            "--plain".into(),
            "--json".into(),
            "--rate".into(),
            rate.to_string().into(),
            "--for".into(),
            length.into(),
            "--processes".into(),
            processes.to_string().into(),
        ])
    }

    /// Runs a command that prints one JSON object; its other output is shown if it fails.
    fn json<T: DeserializeOwned>(&self, arguments: &[OsString]) -> Result<T, Error> {
        let spelled: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
        let failed = |reason: String| Error::Engine {
            command: format!("{} {}", self.path.display(), spelled.join(" ")),
            reason,
        };
        let output = Command::new(&self.path)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(format!("{}; it said\n{}", output.status, last_lines(&output.stderr))));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| {
            let begin: String = String::from_utf8_lossy(&output.stdout).chars().take(200).collect();
            failed(format!(
                "it should print one JSON object with its figures ({error}), and printed {begin:?}"
            ))
        })
    }
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_is_named_by_name_and_path() {
        let engine = Engine::parse("new.1=/dev/../bin/sh").unwrap();
        assert_eq!((engine.name(), engine.path()), ("new.1", Path::new("/dev/../bin/sh")));
        for (text, says) in [
            ("/bin/sh", "write NAME=PATH"),
            ("=/bin/sh", "is no name"),
            ("a<b=/bin/sh", "is no name"),
            (&*format!("{}=/bin/sh", "n".repeat(33)), "is no name"),
            ("floor=/bin/sh", "name of a floor"),
            ("new=/nowhere", "there is no file /nowhere"),
        ] {
            let error = Engine::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
