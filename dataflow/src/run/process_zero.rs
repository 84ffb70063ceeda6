//! Work of process 0 for the whole cluster before its worker starts.
//!
//! It takes the ownership of the state and starts the rules feed.

use std::{
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use operators::{
    ops::Start,
    rule::{
        compiler::Compiler,
        register::{Ordered, Register},
    },
};
use sources::{
    calculators::Calculators,
    profiles::{LineProfiles, ProfileStore},
    rules::{FolderRules, MysqlConfig, MysqlRules, RuleSource, SqliteRules},
};

use super::{
    control::Control,
    error::ProcessError,
    job::{Job, Rules},
    surroundings::Surroundings,
};
use crate::{
    checkpoint::{
        self, Keeper, Opened, Publisher,
        taking::{Checkpoints, Delivery},
    },
    exit::{ExitHandle, Fatal, SINK_FAILED},
    protocol::figures::RuleBoard,
    rules::{
        breaker::Breaker,
        feed::{self, Feed},
        inbox::{self, EffectSender},
        preparation::Preparer,
        rule_log::RuleLog,
    },
    threads,
    triggers::destinations::{TriggerSinks, open_transactional},
};

/// Worker 0's ends of the channels to the keeper and the rules feed.
pub(super) struct ProcessZero {
    start: Arc<Start>,
    pub(super) keeper: Option<Keeper>,
    changes: mpsc::Receiver<Ordered>,
    effects: EffectSender,
    pub(super) rules: RuleBoard,
}

impl ProcessZero {
    /// Takes the ownership of the state and starts the rules feed, whose thread ends with `control`.
    pub(super) fn start(
        job: &Job,
        around: &Surroundings,
        compiler: Compiler,
        exit: &ExitHandle,
    ) -> Result<(Self, thread::JoinHandle<()>), ProcessError> {
        let opened = checkpoint::open(&job.state, &job.owner, || publisher(job, exit), exit)?;
        let (keeper, start, remembered) = match opened {
            Some(Opened { keeper, start, remembered }) => (Some(keeper), start, remembered),
            None => (None, Start::default(), Vec::new()),
        };
        if let Some(checkpoint) = start.checkpoint {
            tracing::info!(
                checkpoint = checkpoint.0,
                generation = start.generation.0,
                rules = remembered.len(),
                positions = %start.positions,
                "resuming"
            );
        }
        let (change_to, changes) = mpsc::sync_channel(1);
        let (effects, inbox) = inbox::inbox();
        let rules = RuleBoard::default();
        let profiles = job.profiles.clone().map(LineProfiles::new);
        let feed = Feed {
            source: rule_source(&job.rules)?,
            register: Register::from_remembered(remembered, job.error_budget),
            preparer: Preparer {
                calculators: Calculators::new(job.calculators.clone()),
                profiles: profiles.map(|profiles| Box::new(profiles) as Box<dyn ProfileStore>),
                compiler,
                time: job.time,
            },
            breaker: Breaker::new(job.breaker),
            changes: change_to,
            inbox,
            log: RuleLog { messenger: around.messenger.clone(), rules: rules.clone() },
        };
        let feed = threads::spawn("rules:feed", move || feed::run(feed));
        Ok((ProcessZero { start: Arc::new(start), keeper, changes, effects, rules }, feed))
    }

    /// Worker 0's control.
    pub(super) fn control(self, job: &Job, around: &Surroundings, triggers: Rc<TriggerSinks>) -> Control {
        let holds = job.triggers.iter().any(|d| d.is_committed());
        let every = Duration::from_millis(job.checkpoint_ms);
        let delivery: Rc<dyn Delivery> = triggers;
        let made = |keeper| Checkpoints::new(keeper, &self.start, every, Rc::clone(&delivery), holds);
        let checkpoints = self.keeper.map(made);
        Control {
            start: self.start,
            changes: self.changes,
            effects: self.effects,
            checkpoints,
            delivery,
            epoch: job.time.epoch(),
            stopping: Arc::clone(&around.stopping),
        }
    }
}

fn rule_source(rules: &Rules) -> Result<Box<dyn RuleSource>, ProcessError> {
    Ok(match rules {
        Rules::Folder(path) => Box::new(FolderRules::open(path)?),
        Rules::Sqlite(path) => Box::new(SqliteRules::open(path)?),
        Rules::Mysql(url) => Box::new(MysqlRules::open(&MysqlConfig::new(url.as_str()))?),
    })
}

/// Publishes triggers that wait for their checkpoints; `None` if none do.
fn publisher(job: &Job, exit: &ExitHandle) -> Result<Option<Publisher>, Fatal> {
    let sinks = open_transactional(&job.triggers, &job.name)
        .map_err(|error| Fatal::new(SINK_FAILED, "a sink can't be opened", error))?;
    if sinks.is_empty() {
        return Ok(None);
    }
    let Some(store) = job.state.open()? else { return Ok(None) };
    Publisher::start(store, sinks, exit.clone()).map(Some)
}
