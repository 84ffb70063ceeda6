//! Makes the job from settings.

use std::fmt::Display;

use sinks::{LineOutput, kafka::KafkaSinkConfig};

use super::{Settings, hide_password};
use crate::{
    checkpoint::{MarkConfig, State},
    cli::CliError,
    protocol::time::Time,
    run::job::{Events, Job, KafkaUrl, Rules},
    triggers::{
        destinations::{Destination, To},
        spools::Spools,
    },
};

impl Settings {
    /// Destinations of triggers.
    pub(super) fn destinations(&self) -> Result<Vec<Destination>, CliError> {
        let sinks = self.sinks.iter().enumerate().map(|(i, sink)| {
            sink.destination().map_err(|fault| CliError::usage(format!("sinks[{i}]: {fault}")))
        });
        let mut all = sinks.collect::<Result<Vec<_>, _>>()?;
        if let Some(text) = &self.triggers {
            let wrong =
                |error: &dyn Display| CliError::usage(format!("--triggers {}: {error}", hide_password(text)));
            all.push(Destination::all(match KafkaUrl::parse(text).map_err(|error| wrong(&error))? {
                Some(KafkaUrl { brokers, topic }) => {
                    let config = KafkaSinkConfig::new(brokers, topic);
                    config.validate().map_err(|error| wrong(&error))?;
                    To::Kafka(config)
                }
                None => To::Lines(LineOutput::File(text.into())),
            }));
        }
        if all.is_empty() {
            all.push(Destination::all(To::Lines(LineOutput::Stdout)));
        }
        Ok(all)
    }

    /// Job of a cluster with these events and this time.
    pub(in crate::cli) fn job(&self, events: Events, time: Time) -> Result<Job, CliError> {
        let rules = self.checked_rules()?;
        self.check_inputs()?;
        let triggers = self.destinations()?;
        let state = if time.is_live() { self.state()? } else { State::None };
        if matches!(state, State::None) && triggers.iter().any(Destination::is_committed) {
            return Err(CliError::usage(
                "a sink with `delivery = \"committed\"` waits for checkpoints: keep state with --state",
            ));
        }
        let state_memory = self.state_memory_mb.filter(|_| time.is_live()).map(|mb| (mb as usize) << 20);
        if matches!(state, State::None) && state_memory.is_some() {
            return Err(CliError::usage(
                "state_memory_mb moves state from memory to the store: keep state with --state",
            ));
        }
        let mark = MarkConfig {
            file: self.state_mark.clone(),
            // State that ends with the command needs no mark that outlives it.
            with_rules: matches!(state, State::Sqlite(_) | State::Redis(_)),
            fresh: None,
        };
        Ok(Job {
            events,
            rules,
            calculators: self.calculators.clone(),
            profiles: self.profiles.clone(),
            triggers,
            spools: if time.is_live() { self.spool.clone() } else { Spools::OFF },
            state,
            mark,
            name: self.name.clone(),
            owner: owner(),
            checkpoint_ms: self.checkpoint_ms,
            breaker: self.breaker,
            dead_letters: self.dead_letters.clone().map_or(LineOutput::Nowhere, LineOutput::File),
            time,
            fields: self.fields.clone(),
            codec: self.codec,
            batches: self.batches,
            read_ahead: self.read_ahead_bytes,
            state_memory,
            crowd_rows: (self.crowd_rows_mb as usize) << 20,
            error_budget: self.error_budget,
            metrics: None,
        })
    }

    /// Source of rules, after a check that its folder or file exists.
    fn checked_rules(&self) -> Result<Rules, CliError> {
        let rules = self
            .rules
            .as_ref()
            .ok_or_else(|| CliError::usage("--rules is missing: name a folder, a document or a store"))?;
        let rules = Rules::at(rules);
        if let Rules::Folder(path) | Rules::Sqlite(path) = &rules
            && !path.exists()
        {
            return Err(CliError::usage(format!(
                "--rules {}: there is nothing there; name a folder, a document or a store",
                path.display()
            )));
        }
        Ok(rules)
    }

    /// Checks that profiles and calculators exist, if they are set.
    fn check_inputs(&self) -> Result<(), CliError> {
        if let Some(profiles) = self.profiles.as_ref().filter(|p| !p.is_file()) {
            return Err(CliError::usage(format!("--profiles {}: there is no such file", profiles.display())));
        }
        match self.calculators.as_ref().filter(|p| !p.is_dir()) {
            Some(folder) => {
                Err(CliError::usage(format!("--calculators {}: there is no such folder", folder.display())))
            }
            None => Ok(()),
        }
    }
}

/// Name of this run, unique among all runs that may use the same store.
fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}:{:08x}", host.trim(), std::process::id(), rand::random::<u32>())
}
