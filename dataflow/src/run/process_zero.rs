//! Work of process 0 for the whole cluster before its dataflow is built.
//!
//! It takes the ownership of the state and starts the rules feed, once the cluster has formed: what it waits for
//! may be away for long, and the processes know each other by then.

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
use sinks::TransactionError;
use sources::{
    SourceError,
    calculators::Calculators,
    profiles::{LineProfiles, ProfileStore},
    rules::{FolderRules, MysqlConfig, MysqlRules, RuleSource, SqliteRules},
};

use super::{
    awaiting::Awaiting,
    control::Control,
    job::{Job, Rules},
    surroundings::Surroundings,
};
use crate::{
    checkpoint::{
        self, Keeper, Opened, Publisher,
        taking::{Checkpoints, Delivery},
    },
    exit::{ExitHandle, Fatal, SINK_FAILED, SOURCE_FAILED},
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
    /// Takes the ownership of the state and starts the rules feed, whose thread ends with `control`. Blocks the worker's thread while the state or
    /// the topics of its triggers are away.
    pub(super) fn start(
        job: &Job,
        around: &Surroundings,
        compiler: Compiler,
        awaiting: &Awaiting,
        exit: &ExitHandle,
    ) -> Result<(Self, thread::JoinHandle<()>), Fatal> {
        let publisher = || publisher(job, awaiting, exit);
        let opened = checkpoint::open(job, publisher, awaiting, exit)?;
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
            source: rule_source(&job.rules)
                .map_err(|error| Fatal::new(SOURCE_FAILED, "the rules can't be read", error))?,
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
            awaiting: awaiting.clone(),
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

fn rule_source(rules: &Rules) -> Result<Box<dyn RuleSource>, SourceError> {
    Ok(match rules {
        Rules::Folder(path) => Box::new(FolderRules::open(path)?),
        Rules::Sqlite(path) => Box::new(SqliteRules::open(path)?),
        Rules::Mysql(url) => Box::new(MysqlRules::open(&MysqlConfig::new(url.as_str()))?),
    })
}

/// Publishes triggers that wait for their checkpoints; `None` if none do.
fn publisher(job: &Job, awaiting: &Awaiting, exit: &ExitHandle) -> Result<Option<Publisher>, Fatal> {
    let away = |error: &TransactionError| matches!(error, TransactionError::InDoubt(_));
    let open = || open_transactional(&job.triggers, &job.name);
    let sinks = awaiting
        .wait("the brokers of committed triggers", away, open)
        .map_err(|error| Fatal::new(SINK_FAILED, "a sink can't be opened", error))?;
    if sinks.is_empty() {
        return Ok(None);
    }
    let Some(store) = job.state.open(awaiting)? else { return Ok(None) };
    Publisher::start(store, sinks, exit.clone()).map(Some)
}
