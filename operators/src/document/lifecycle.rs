//! The life of a rule: the status that people give it, and the state in which the engine has it.

/// The status that people give a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is to run.
    Online,
    /// It is to keep its state, and wait.
    Paused,
    /// It is to be dropped, with its state.
    Retired,
}

impl Status {
    /// Its name in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Online => "online",
            Status::Paused => "paused",
            Status::Retired => "retired",
        }
    }
}

/// Treatment of the events that came during a pause, once the rule goes online again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gap {
    /// They count as if the rule had not been paused; none of them fires.
    #[default]
    Replay,
    /// They don't count: state goes on as it stood at the pause.
    Skip,
}

impl Gap {
    /// Its name in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Gap::Replay => "replay",
            Gap::Skip => "skip",
        }
    }

    /// The gap of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Gap::Replay, Gap::Skip].into_iter().find(|g| g.as_str() == name)
    }
}

/// The state in which the engine has a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It is valid, and being installed.
    Accepted,
    /// Its crowd or history is being gathered.
    Seeding,
    /// It runs.
    Live,
    /// It keeps its state and waits.
    Paused,
    /// It was stopped for its own faults.
    Quarantined,
    /// It is invalid; the detail says why.
    Rejected,
}

impl RunState {
    /// Its name in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Accepted => "accepted",
            RunState::Seeding => "seeding",
            RunState::Live => "live",
            RunState::Paused => "paused",
            RunState::Quarantined => "quarantined",
            RunState::Rejected => "rejected",
        }
    }
}
