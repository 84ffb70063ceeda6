//! The board: the latest of everything that the processes of a cluster, and their supervisor, have told.
//!
//! **Limit**: counters are those of the living processes; when the cluster restarts they begin at zero again, which whoever
//! reads them by rates takes for what it is.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use crate::{
    checkpoint::State,
    cluster::{Event, Exit},
    protocol::{
        figures::RuleNumbers,
        message::Message,
        numbers::{Numbers, SinkNumbers},
        time::Time,
    },
    run::job::Job,
};

/// What is to be seen when all is well.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The processes that tell of themselves here.
    pub processes: Range<usize>,
    /// How old the last checkpoint may be; none if no state is kept, or process 0 is not among the processes.
    pub checkpoint_within: Option<Duration>,
    /// Length of an epoch.
    pub epoch: Duration,
    /// Whether a supervisor tells what it does.
    pub supervised: bool,
}

/// Checkpoints are late after so many of their intervals.
const LATE_AFTER: u64 = 10;
/// But never before, as ages are told twice a second.
const NEVER_LATE_BEFORE: Duration = Duration::from_secs(5);

impl Expected {
    /// What is to be seen of these processes of a job.
    #[must_use]
    pub fn of(job: &Job, processes: Range<usize>, supervised: bool) -> Self {
        let kept = processes.contains(&0)
            && match job.state {
                State::Sqlite(_) | State::Redis(_) => true,
                // Its supervisor keeps it.
                State::Run => supervised,
                State::None => false,
            };
        let late = Duration::from_millis(job.checkpoint_ms.saturating_mul(LATE_AFTER)).max(NEVER_LATE_BEFORE);
        let epoch = match job.time {
            Time::Live { epoch, .. } => Duration::from_millis(epoch),
            Time::Replay { .. } => Duration::ZERO,
        };
        Expected { processes, checkpoint_within: kept.then_some(late), epoch, supervised }
    }
}

/// What a process told last.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) numbers: Numbers,
    pub(super) at: Instant,
}

/// What is known.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) expected: Expected,
    pub(super) started: SystemTime,
    pub(super) processes: BTreeMap<usize, Told>,
    pub(super) rules: RuleNumbers,
    pub(super) generation: u64,
    pub(super) restarts: u64,
    /// What made the cluster restart last, and when.
    pub(super) last_exit: Option<(Exit, SystemTime)>,
}

impl Standing {
    pub(super) fn new(expected: Expected) -> Self {
        Standing {
            expected,
            started: SystemTime::now(),
            processes: BTreeMap::new(),
            rules: RuleNumbers::default(),
            generation: 0,
            restarts: 0,
            last_exit: None,
        }
    }

    pub(super) fn take(&mut self, mut numbers: Numbers, at: Instant) {
        if let Some(rules) = numbers.rules.take() {
            self.rules = rules;
        }
        self.processes.insert(numbers.worker, Told { numbers, at });
    }

    /// All processes begin anew.
    pub(super) fn restart(&mut self, generation: u64, cause: Exit) {
        self.processes.clear();
        self.rules = RuleNumbers::default();
        self.generation = generation;
        self.restarts += 1;
        self.last_exit = Some((cause, SystemTime::now()));
    }

    pub(super) fn sink(&self) -> Option<&SinkNumbers> {
        self.processes.get(&0).and_then(|told| told.numbers.sink.as_ref())
    }
}

/// Takes what is told, and shows it.
#[derive(Clone, Debug)]
pub struct Board(Arc<Mutex<Standing>>);

impl Board {
    /// A board on which nothing stands yet.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        Board(Arc::new(Mutex::new(Standing::new(expected))))
    }

    /// Takes in a message of a process; only numbers are shown.
    pub fn receive(&self, message: Message) {
        if let Message::Numbers(numbers) = message {
            self.standing().take(*numbers, Instant::now());
        }
    }

    /// Takes in an event of the supervisor; the messages of processes come by [`receive`](Self::receive).
    pub fn observe(&self, event: &Event) {
        match event {
            Event::Restarting { generation, cause, .. } => {
                self.standing().restart(*generation, cause.clone())
            }
            Event::Started { generation } | Event::Running { generation } => {
                self.standing().generation = *generation;
            }
            Event::Message { .. } | Event::Exited(_) => {}
        }
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing in it is ever left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
