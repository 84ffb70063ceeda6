//! `strateye demo`: a whole cluster on this machine.
//!
//! Starts a cluster on a lively load with fifty rules in a folder, plays a story by editing that folder as
//! people would, and shows the effects.

use std::{
    io::{IsTerminal, stdout},
    path::Path,
    time::{Duration, Instant},
};

use clap::Args;
use operators::document::lifecycle::Gap;
use sources::{
    events::GeneratorConfig,
    rules::{FolderStore, RuleStore},
};

use super::{
    CliError,
    launch::{Cluster, ClusterEvent, launch},
    options::Settings,
    summary::Summary,
    view::View,
};
use crate::{
    checkpoint::State,
    cluster::Restart,
    demo::{Act, StoryChange, rules, story},
    run::job::{Events, Job},
};

/// Users of the demo; crowds take about three in ten of them.
const USERS: u64 = 1_000_000;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Number of processes
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=128))]
    processes: u16,
    /// Events per second, over all processes
    #[arg(long, value_name = "R", default_value_t = 12_000.0)]
    rate: f64,
    /// Length of the demo, such as 30s or 5m
    #[arg(long = "for", value_name = "SPAN", default_value = "60s", value_parser = span)]
    length: Duration,
    /// Print plain lines instead of the live view, for logs
    #[arg(long)]
    plain: bool,
    /// Print the summary as one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Leave the rules unchanged: no story
    #[arg(long)]
    no_story: bool,
    /// Also write the triggers to a file, one JSON object per line
    #[arg(long, value_name = "OUT.jsonl")]
    triggers: Option<String>,
}

/// Parses a duration, written as in rules.
pub(super) fn span(text: &str) -> Result<Duration, CliError> {
    let span = operators::document::span::Span::parse(text).map_err(CliError::usage)?;
    Ok(Duration::from_millis(span.0.unsigned_abs()))
}

impl Demo {
    /// Whether the demo draws on a terminal.
    pub(super) fn is_live_view(&self) -> bool {
        !self.plain && !self.json && stdout().is_terminal()
    }

    pub(super) fn main(self) -> Result<(), CliError> {
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err(CliError::usage("--rate: write a number of events per second, such as 12000"));
        }
        let folder =
            tempfile::Builder::new().prefix("strateye-rules-").tempdir().map_err(CliError::failed)?;
        let mut store = FolderStore::open(folder.path()).map_err(CliError::failed)?;
        let mut view = View::new(!self.is_live_view(), self.json);
        view.note("writing 50 rules with crowds of about 300,000 users each");
        for (_, document) in rules(USERS) {
            store.publish(&document.to_string(), "demo").map_err(CliError::failed)?;
        }
        let max = Settings::default().restarts_per_minute;
        let cluster = launch(
            &self.job(folder.path())?,
            self.processes.into(),
            Restart::Limited { max, within: Duration::from_secs(60) },
            if self.is_live_view() { "error" } else { "info" },
        )?;
        let summary = self.follow(&cluster, &mut store, &mut view)?;
        cluster.wait()?;
        view.end(&summary);
        Ok(())
    }

    /// Job of a demo with the rules in this folder.
    fn job(&self, rules: &Path) -> Result<Job, CliError> {
        let generator = GeneratorConfig { rate: self.rate, users: USERS, ..GeneratorConfig::default() };
        let mut settings = Settings::default();
        settings.rules = Some(rules.to_owned());
        settings.triggers.clone_from(&self.triggers);
        let mut job = settings.job(Events::Generator(generator), settings.live())?;
        // After a crash a demo starts from nothing; the cost of checkpoints is measured with real services.
        job.state = State::None;
        if self.triggers.is_none() {
            job.triggers = Vec::new();
        }
        Ok(job)
    }

    /// Plays the story and shows its effects until the cluster has ended; stops the cluster after the
    /// demo's length.
    fn follow(
        &self,
        cluster: &Cluster,
        store: &mut FolderStore,
        view: &mut View,
    ) -> Result<Summary, CliError> {
        let mut acts = if self.no_story { Vec::new() } else { story() }.into_iter().peekable();
        let mut summary = Summary::new();
        let mut shown = Instant::now();
        let mut stopping = false;
        loop {
            match cluster.next(Duration::from_millis(100)) {
                ClusterEvent::Message(message) => {
                    if let Some(note) = summary.receive(message) {
                        view.note(&note);
                    }
                }
                ClusterEvent::Notice(notice) if !stopping => view.note(&notice),
                ClusterEvent::Notice(_) | ClusterEvent::Quiet => {}
                ClusterEvent::Over => return Ok(summary),
            }
            let played = summary.begun.map(|b| b.elapsed());
            while let Some(act) = acts.next_if(|act| played.is_some_and(|p| p >= act.at)) {
                view.note(act.about);
                play(store, &act)?;
            }
            if shown.elapsed() >= Duration::from_secs(1) {
                shown = Instant::now();
                view.show(&summary, self.rate);
            }
            if !stopping && played.is_some_and(|p| p >= self.length) {
                stopping = true;
                // If the cluster has ended already, there is nothing to stop.
                let _ = cluster.handle().request_stop();
            }
        }
    }
}

/// Applies the changes of an act to the rules through the store, as a person would.
fn play(store: &mut FolderStore, act: &Act) -> Result<(), CliError> {
    match &act.change {
        StoryChange::Publish(_, document) | StoryChange::Edit(_, document) => {
            store.publish(&document.to_string(), "demo").map(drop)
        }
        StoryChange::Pause(rule) => store.pause(rule),
        StoryChange::Resume(rule) => store.resume(rule, Gap::Replay),
        StoryChange::Retire(rule) => store.retire(rule),
    }
    .map_err(CliError::failed)
}
