//! Reads and checks a file of settings.
//!
//! A fault is reported with the file, the line, the setting and what to write instead; nothing is opened or
//! connected to.

use std::{ops::RangeInclusive, os::unix::fs::PermissionsExt as _, path::Path};

use serde::Deserialize as _;
use sources::events::KafkaConfig;
use toml::de::{DeTable, DeValue};

use super::{BatchConfig, BreakerConfig, CliError, LIVE_EPOCH, RedisConfig, Settings, SinkSettings, Spools};
use crate::{
    cli::reference::{self, Found},
    triggers::spools::SpoolSettings,
};

/// Bits of a file's mode by which its group and others may read it.
const READ_BY_OTHERS: u32 = 0o044;
/// Bounds of the most records in a batch.
const BATCH: RangeInclusive<usize> = 1..=65_536;

/// Reads a file of settings; a fault is reported with its line.
pub(in crate::cli) fn read(path: &Path) -> Result<Settings, CliError> {
    let wrong = |error: String| CliError::usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let (settings, password) = parse(&text).map_err(wrong)?;
    if let Some(name) = password {
        warn_of_readers(path, &name);
    }
    Ok(settings)
}

/// Reads and checks settings; with the name of one in which a password stands. The error names the line.
fn parse(text: &str) -> Result<(Settings, Option<String>), String> {
    let mut table = DeTable::parse(text).map_err(|e| unreadable(text, &e))?;
    let Found { password, fault } = reference::resolve_all(table.get_mut());
    if let Some((at, error)) = fault {
        let line = line_at(text, at).map_or_else(String::new, |line| format!("line {line}: "));
        return Err(format!("{line}{error}"));
    }
    let settings = Settings::deserialize(toml::Deserializer::from(table));
    let settings = settings.map_err(|e| unreadable(text, &e))?;
    match settings.fault() {
        None => Ok((settings, password)),
        Some(Fault { name, at, reason }) => {
            let line = line_of(text, name, at).map_or_else(String::new, |line| format!("line {line}: "));
            Err(format!("{line}{name}: {reason}"))
        }
    }
}

/// Warns if others may read a file in which a password stands.
fn warn_of_readers(path: &Path, name: &str) {
    let mode = path.metadata().map_or(0, |about| about.permissions().mode());
    if mode & READ_BY_OTHERS != 0 {
        let file = path.display();
        tracing::warn!(%file, setting = name, "others may read this file, and a password stands in it; chmod 600 it, or write env:NAME or file:PATH instead of the password");
    }
}

/// Message for a text that can't be read as settings. The text itself is not shown: it may contain passwords.
fn unreadable(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().and_then(|span| line_at(text, span.start));
    line.map_or_else(String::new, |line| format!("line {line}: ")) + error.message().trim()
}

/// Line that contains a byte, from 1.
fn line_at(text: &str, byte: usize) -> Option<usize> {
    Some(text.get(..byte)?.matches('\n').count() + 1)
}

/// A setting that is invalid.
struct Fault {
    name: &'static str,
    /// Index among several settings of that name.
    at: usize,
    /// The reason, and what to write instead.
    reason: String,
}

/// Line of a setting, from 1.
fn line_of(text: &str, name: &str, at: usize) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let (key, value) = table.get_ref().iter().find(|(key, _)| key.get_ref() == name)?;
    let place = match value.get_ref() {
        DeValue::Array(values) => values.get(at).map_or(key.span(), toml::Spanned::span),
        _ => key.span(),
    };
    line_at(text, place.start)
}

impl Settings {
    /// The first invalid setting.
    fn fault(&self) -> Option<Fault> {
        let epoch = self.epoch_ms.unwrap_or(LIVE_EPOCH);
        let ranges = [
            ("epoch_ms", epoch, 1, 10_000),
            ("tick_ms", self.tick_ms, 0, epoch),
            ("checkpoint_ms", self.checkpoint_ms, 50, 3_600_000),
            ("state_memory_mb", self.state_memory_mb.unwrap_or(1), 1, 1 << 24),
            ("crowd_rows_mb", self.crowd_rows_mb, 0, 1 << 24),
            ("read_ahead_bytes", self.read_ahead_bytes as u64, 1 << 16, 1 << 40),
            ("processes", self.processes.unwrap_or(1).into(), 1, 128),
        ];
        let out = ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value));
        let fault = |name, reason: String| Some(Fault { name, at: 0, reason });
        if let Some((name, _, least, most)) = out {
            let also = if name == "tick_ms" { ", no longer than an epoch" } else { "" };
            return fault(name, format!("write {least} to {most}{also}"));
        }
        if self.name.trim().is_empty() || self.name.chars().any(char::is_control) {
            return fault("name", "write a name, such as strateye".to_owned());
        }
        let BreakerConfig { times, at_least: _, at_most: _ } = self.breaker;
        if !(times >= 1.0 && times.is_finite()) {
            return fault("breaker", "times: write a number of at least 1, such as 50".to_owned());
        }
        let BatchConfig { read, routed } = self.batches;
        if ![read, routed].into_iter().all(|most| BATCH.contains(&most)) {
            return fault("batches", format!("write {} to {} each", BATCH.start(), BATCH.end()));
        }
        if let Spools::On(SpoolSettings { folder, max_mb, after_ms }) = &self.spool {
            if !(1..=1 << 24).contains(max_mb) || !(100..=600_000).contains(after_ms) {
                let reason = "max_mb: write 1 to 16777216; after_ms: write 100 to 600000";
                return fault("spool", reason.to_owned());
            }
            if folder.as_os_str().is_empty() {
                return fault("spool", "folder: write a folder, such as strateye.spool".to_owned());
            }
        }
        self.fault_of_ends()
    }

    /// The first invalid one of the settings for inputs and outputs.
    fn fault_of_ends(&self) -> Option<Fault> {
        let fault = |name, reason: String| Some(Fault { name, at: 0, reason });
        if let Some(Err(error)) = self.kafka.as_ref().map(KafkaConfig::validate) {
            return fault("kafka", error.to_string());
        }
        if let Some(Err(error)) = self.redis.as_ref().map(RedisConfig::validate) {
            return fault("redis", error.to_string());
        }
        if let Err(error) = self.events() {
            return fault("events", error.to_string());
        }
        if let Err(error) = self.state() {
            return fault("state", error.to_string());
        }
        let sinks = self.sinks.iter().map(SinkSettings::destination).enumerate();
        if let Some((at, fault)) = sinks.into_iter().find_map(|(at, sink)| Some((at, sink.err()?))) {
            return Some(Fault { name: "sinks", at, reason: fault.to_string() });
        }
        match self.destinations() {
            Ok(_) => None,
            Err(error) => fault("triggers", error.to_string()),
        }
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
