//! The life of a rule: the status that people give it, and the state in which the engine has it.

/// The status that people give a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The rule folds and fires.
    Online,
    /// The rule fires nothing and keeps its state.
    Paused,
    /// The rule is dropped, with its state.
    Retired,
}

impl Status {
    /// Name of the status in stores.
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
    /// Events of the pause are folded as if the rule had not been paused; none of them fires.
    #[default]
    Replay,
    /// Events of the pause do not count; state continues as it was when the pause began.
    Skip,
}

impl Gap {
    /// Name of the gap in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Gap::Replay => "replay",
            Gap::Skip => "skip",
        }
    }

    /// Parses the name of a gap; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        [Gap::Replay, Gap::Skip].into_iter().find(|g| g.as_str() == name)
    }
}

/// State of a rule in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Valid, and being installed.
    Accepted,
    /// Its crowd or history is being gathered.
    Seeding,
    /// In force on all workers.
    Live,
    /// Fires nothing, keeps its state.
    Paused,
    /// Stopped by the engine because too many of its calls failed.
    Quarantined,
    /// Invalid; the detail gives the reason.
    Rejected,
}

impl RunState {
    /// Name of the state in stores.
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
