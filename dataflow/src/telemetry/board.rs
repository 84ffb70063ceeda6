//! The board: the latest numbers of the processes of a cluster, and the latest events of their supervisor.
//!
//! **Limit**: counters are those of the living processes. When the cluster restarts they begin at zero again,
//! which readers of rates treat as a reset.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use crate::{
    cluster::{ClusterGeneration, Event, Exit},
    protocol::{
        figures::RuleNumbers,
        message::Message,
        numbers::{Numbers, SinkNumbers},
    },
};

/// Figures expected of a healthy cluster.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The processes whose numbers arrive here.
    pub processes: Range<usize>,
    /// Upper bound of the age of the last checkpoint; `None` if no state is kept, or process 0 is not among
    /// the processes.
    pub checkpoint_within: Option<Duration>,
    /// Length of an epoch.
    pub epoch: Duration,
    /// Whether the events of a supervisor arrive here.
    pub supervised: bool,
}

/// Latest numbers of a process, and when they arrived.
#[derive(Clone, Debug)]
pub(super) struct Latest {
    pub(super) numbers: Numbers,
    pub(super) at: Instant,
}

/// Latest numbers of every process, keyed by process index, and the latest events of the supervisor.
#[derive(Debug)]
pub(crate) struct ClusterStatus {
    pub(super) expected: Expected,
    pub(super) started: SystemTime,
    pub(super) processes: BTreeMap<usize, Latest>,
    pub(super) rules: RuleNumbers,
    pub(super) generation: ClusterGeneration,
    pub(super) restarts: u64,
    /// Cause and time of the last restart.
    pub(super) last_exit: Option<(Exit, SystemTime)>,
}

impl ClusterStatus {
    pub(super) fn new(expected: Expected) -> Self {
        ClusterStatus {
            expected,
            started: SystemTime::now(),
            processes: BTreeMap::new(),
            rules: RuleNumbers::default(),
            generation: ClusterGeneration::default(),
            restarts: 0,
            last_exit: None,
        }
    }

    pub(super) fn take(&mut self, mut numbers: Numbers, at: Instant) {
        if let Some(rules) = numbers.rules.take() {
            self.rules = rules;
        }
        self.processes.insert(numbers.worker, Latest { numbers, at });
    }

    /// Removes the processes of the previous generation.
    pub(super) fn restart(&mut self, generation: ClusterGeneration, cause: Exit) {
        self.processes.clear();
        self.rules = RuleNumbers::default();
        self.generation = generation;
        self.restarts += 1;
        self.last_exit = Some((cause, SystemTime::now()));
    }

    pub(super) fn sink(&self) -> Option<&SinkNumbers> {
        self.processes.get(&0).and_then(|latest| latest.numbers.sink.as_ref())
    }
}

/// Receives messages and events, and is read by the pages; a handle to shared content.
#[derive(Clone, Debug)]
pub struct Board(Arc<Mutex<ClusterStatus>>);

impl Board {
    /// An empty board.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        Board(Arc::new(Mutex::new(ClusterStatus::new(expected))))
    }

    /// Processes a message of a process; only numbers are shown.
    pub fn receive(&self, message: Message) {
        if let Message::Numbers(numbers) = message {
            self.status().take(*numbers, Instant::now());
        }
    }

    /// Processes an event of the supervisor; the messages of processes come by [`receive`](Self::receive).
    pub fn observe(&self, event: &Event) {
        match event {
            Event::Restarting { generation, cause, .. } => self.status().restart(*generation, cause.clone()),
            Event::Started { generation } | Event::Running { generation } => {
                self.status().generation = *generation;
            }
            Event::Message { .. } | Event::Exited(_) => {}
        }
    }

    pub(crate) fn status(&self) -> MutexGuard<'_, ClusterStatus> {
        // No panic can leave a change of the board incomplete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
