//! The life of a rule: what people want of it, and how the engine takes it.

/// What a rule is meant to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Run.
    Online,
    /// Keep its state, and wait.
    Paused,
    /// Be dropped.
    Retired,
}

impl Status {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Online => "online",
            Status::Paused => "paused",
            Status::Retired => "retired",
        }
    }
}

/// What becomes of the events that came while a rule was paused, when it goes online again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gap {
    /// They count as if the rule had not been paused; none of them fires.
    #[default]
    Replay,
    /// They don't count: state goes on as it stood at the pause.
    Skip,
}

impl Gap {
    /// As it is stored.
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

/// How the engine takes a rule.
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
    /// As it is stored.
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
