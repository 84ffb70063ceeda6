//! The supervisor's only thread: it alone starts, signals and reaps processes.
//!
//! ```text
//! RunningCluster ──failure──► Paused ──► RunningCluster (generation + 1)
//!    │  └─all exit 0──► Finished      └──► Failed or Storm, by policy
//!    └─stop──► Stopping ──► Stopped
//! ```
//!
//! It blocks in its inbox until the next deadline and never waits for a child, except between SIGKILL and its
//! end. It outlives all children, because the kernel ends a child with the *thread* that started it.

use std::process::Command;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::SupervisorConfig;
use super::cause::{Suspect, cause_of, is_consequence};
use super::control_listener::ControlListener;
use super::fleet::{ChildExit, Fleet};
use super::input::Input;
use super::policy::{Decision, Restart, Restarts};
use super::report::{Event, Events, Exit, ExitKind, Outcome, SupervisorError};
use crate::cluster::exit::is_final;
use crate::cluster::generation::ClusterGeneration;
use crate::cluster::liveness::Limits;
use crate::cluster::run_directory::RunDirectory;

/// Most inputs handled before deadlines are checked, so that heartbeats that have arrived count.
const BATCH: usize = 1024;
/// Delay of a wake-up that means that this process was stopped or suspended.
const OVERSLEPT: Duration = Duration::from_secs(1);
/// Longest time to read the last messages once all processes are gone.
const FINAL_MESSAGES_WITHIN: Duration = Duration::from_millis(500);

enum Phase {
    Running { finish_by: Option<Instant> },
    Paused { until: Instant },
    Stopping { kill_at: Instant },
}

pub(super) struct EventLoop {
    pub(super) config: SupervisorConfig,
    pub(super) command: Box<dyn FnMut(usize, ClusterGeneration) -> Command + Send>,
    /// Closes before its directory is removed.
    pub(super) _listener: ControlListener,
    pub(super) directory: RunDirectory,
    pub(super) inbox: Receiver<Input>,
    pub(super) inputs: SyncSender<Input>,
    pub(super) events: Events,
}

type Ended = Result<Option<Outcome>, SupervisorError>;

impl EventLoop {
    /// Runs until the cluster has ended; no child is left when it returns.
    pub(super) fn run(self) -> Result<Outcome, SupervisorError> {
        let (generation, restarts) = (self.config.first_generation, Restarts::new(self.config.restart));
        let phase = Phase::Paused { until: Instant::now() };
        let (fleet, suspect) = (Fleet::default(), Suspect::default());
        let mut running = RunningCluster { context: self, generation, restarts, fleet, phase, suspect };
        running.launch()?;
        loop {
            if let Some(outcome) = running.turn()? {
                running.drain_final_messages();
                return Ok(outcome);
            }
        }
    }
}

struct RunningCluster {
    context: EventLoop,
    generation: ClusterGeneration,
    restarts: Restarts,
    fleet: Fleet,
    phase: Phase,
    suspect: Suspect,
}

impl RunningCluster {
    fn launch(&mut self) -> Result<(), SupervisorError> {
        let EventLoop { config, command, directory, inputs, .. } = &mut self.context;
        self.fleet = Fleet::default();
        for process in 0..config.processes {
            let command = command(process, self.generation);
            self.fleet
                .add(command, self.generation, config.processes, directory.path(), inputs)
                .map_err(|source| SupervisorError::Spawn { process, source })?;
        }
        self.phase = Phase::Running { finish_by: None };
        tracing::info!(
            generation = self.generation.0,
            processes = self.context.config.processes,
            "cluster started"
        );
        self.context.events.publish(Event::Started { generation: self.generation });
        Ok(())
    }

    fn turn(&mut self) -> Ended {
        let deadline = self.deadline();
        let wait = deadline.saturating_duration_since(Instant::now());
        let mut next = self.context.inbox.recv_timeout(wait).ok();
        if Instant::now() > deadline + OVERSLEPT {
            tracing::warn!("the supervisor was stopped for a while; its processes get new deadlines");
            self.fleet.forgive(Instant::now());
        }
        for _ in 0..BATCH {
            let Some(input) = next else { break };
            if let Some(outcome) = self.handle(input)? {
                return Ok(Some(outcome));
            }
            next = self.context.inbox.try_recv().ok();
        }
        self.pass_deadlines(Instant::now())
    }

    /// Publishes the last messages of processes: an end may be noticed before they have been read.
    fn drain_final_messages(&mut self) {
        let until = Instant::now() + FINAL_MESSAGES_WITHIN;
        while self.fleet.is_connected() {
            match self.context.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Input::Message { process, generation, message }) if generation == self.generation => {
                    self.context.events.publish(Event::Message { process, generation, message });
                }
                Ok(Input::Closed { process, generation }) if generation == self.generation => {
                    self.fleet.closed(process)
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    fn limits(&self) -> Limits {
        Limits { start_within: self.context.config.start_within, hang_after: self.context.config.hang_after }
    }

    fn deadline(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        match self.phase {
            Phase::Running { finish_by } => {
                let deadlines = [self.fleet.deadline(self.limits()), finish_by, self.suspect.deadline()];
                deadlines.into_iter().flatten().fold(far, Instant::min)
            }
            Phase::Paused { until } => until,
            Phase::Stopping { kill_at } => kill_at,
        }
    }

    fn handle(&mut self, input: Input) -> Ended {
        match input {
            Input::Connected { process, generation, writer } if generation == self.generation => {
                self.fleet.connected(process, writer);
                if matches!(self.phase, Phase::Stopping { .. }) {
                    self.fleet.order_stop(process);
                }
            }
            Input::Heartbeat { process, generation } if generation == self.generation => {
                if self.fleet.beat(process, Instant::now()) {
                    tracing::info!(generation = generation.0, "cluster running");
                    self.context.events.publish(Event::Running { generation });
                }
            }
            Input::Message { process, generation, message } if generation == self.generation => {
                self.context.events.publish(Event::Message { process, generation, message });
            }
            Input::Exited { process, generation } if generation == self.generation => {
                return self.exited(process);
            }
            Input::Closed { process, generation } if generation == self.generation => {
                self.fleet.closed(process)
            }
            Input::Stop => return self.stop(),
            // Reports of an earlier generation.
            Input::Connected { .. }
            | Input::Closed { .. }
            | Input::Heartbeat { .. }
            | Input::Message { .. }
            | Input::Exited { .. } => {}
        }
        Ok(None)
    }

    fn exited(&mut self, process: usize) -> Ended {
        let Some(death) = self.fleet.reap(process) else { return Ok(None) };
        let success = death.status.is_some_and(|status| status.success());
        let all_gone = self.fleet.running_processes().is_empty();
        match &mut self.phase {
            Phase::Running { finish_by } if success => {
                let limit = self.context.config.finish_within;
                finish_by.get_or_insert_with(|| Instant::now() + limit);
                self.context.events.publish_exit(self.exit(&death, ExitKind::Finished));
                Ok(all_gone.then_some(Outcome::Finished))
            }
            Phase::Running { .. } => {
                let exit = self.exit(&death, ExitKind::Failed);
                if !is_consequence(&exit) || all_gone {
                    return self.fail(exit);
                }
                if let Some(another) = self.suspect.hold(exit, Instant::now()) {
                    self.context.events.publish_exit(another);
                }
                Ok(None)
            }
            Phase::Stopping { .. } => {
                self.context.events.publish_exit(self.exit(&death, ExitKind::Stopped));
                Ok(all_gone.then_some(Outcome::Stopped))
            }
            Phase::Paused { .. } => Ok(None),
        }
    }

    fn pass_deadlines(&mut self, now: Instant) -> Ended {
        match self.phase {
            Phase::Running { finish_by } => {
                if let Some(exit) = self.suspect.take_due(now) {
                    return self.fail(exit);
                }
                self.check_liveness(now, finish_by.is_some_and(|finish_by| finish_by <= now))
            }
            Phase::Paused { until } if until <= now => self.launch().map(|()| None),
            Phase::Stopping { kill_at } if kill_at <= now => {
                for death in self.fleet.kill_all() {
                    self.context.events.publish_exit(self.exit(&death, ExitKind::Stopped));
                }
                Ok(Some(Outcome::Stopped))
            }
            Phase::Paused { .. } | Phase::Stopping { .. } => Ok(None),
        }
    }

    fn check_liveness(&mut self, now: Instant, finish_is_late: bool) -> Ended {
        let limits = self.limits();
        let overdue = self.fleet.overdue(limits, now);
        let late = self.fleet.running_processes().first().copied().filter(|_| finish_is_late);
        let Some(process) = overdue.map(|(process, _)| process).or(late) else { return Ok(None) };
        self.fail(match overdue {
            Some((_, overdue)) => Exit::overdue(process, self.generation, overdue, limits),
            None => Exit::new(process, self.generation, None, ExitKind::NeverFinished),
        })
    }

    fn stop(&mut self) -> Ended {
        if self.fleet.running_processes().is_empty() {
            return Ok(Some(Outcome::Stopped));
        }
        if !matches!(self.phase, Phase::Stopping { .. }) {
            tracing::info!(generation = self.generation.0, "stopping the cluster");
            self.phase = Phase::Stopping { kill_at: Instant::now() + self.context.config.stop_within };
            self.fleet.order_all_to_stop();
        }
        Ok(None)
    }

    /// Kills the remaining processes, then restarts the cluster or gives up.
    fn fail(&mut self, first: Exit) -> Ended {
        let cause = self.end_generation(first);
        if is_final(cause.code) {
            return Err(SupervisorError::Failed { cause });
        }
        match (self.restarts.decide(Instant::now()), self.context.config.restart) {
            (Decision::Restart { after }, _) => {
                self.generation = self.generation.next();
                self.phase = Phase::Paused { until: Instant::now() + after };
                tracing::warn!(%cause, generation = self.generation.0, ?after, "cluster restarts");
                self.context.events.publish(Event::Restarting { generation: self.generation, after, cause });
                Ok(None)
            }
            (Decision::GiveUp { .. }, Restart::Never) => Err(SupervisorError::Failed { cause }),
            (Decision::GiveUp { restarts }, Restart::Limited { within, .. }) => {
                Err(SupervisorError::Storm { restarts, within, cause })
            }
        }
    }

    /// Kills the remaining processes, publishes all exits and returns the one that is the cause.
    fn end_generation(&mut self, mut first: Exit) -> Exit {
        let mut others: Vec<_> = self.suspect.take().into_iter().collect();
        for death in self.fleet.kill_all() {
            let kind = if death.by_itself { ExitKind::Failed } else { ExitKind::KilledWithOthers };
            let exit = self.exit(&death, kind);
            if death.process == first.process {
                (first.code, first.signal) = (exit.code, exit.signal);
            } else {
                others.push(exit);
            }
        }
        let cause = cause_of(&first, &others).clone();
        self.context.events.publish_exit(first);
        others.into_iter().for_each(|exit| self.context.events.publish_exit(exit));
        cause
    }

    fn exit(&self, death: &ChildExit, kind: ExitKind) -> Exit {
        Exit::new(death.process, self.generation, death.status, kind)
    }
}
