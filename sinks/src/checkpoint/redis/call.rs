//! Commands, their targets, and their answers.

use redis::{Cmd, Value, cluster_routing::Slot, cmd};

use super::scripts::Script;

/// A command and its target.
pub(super) struct Call {
    pub(super) to: Target,
    pub(super) command: Cmd,
    pub(super) script: Option<&'static Script>,
}

/// Target of a command.
#[derive(Clone)]
pub(super) enum Target {
    Slot(Slot),
    Node(String),
}

/// Reaction to a connection that breaks while a command is in progress.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnBreak {
    /// Send everything again, once.
    Resend,
    /// Fail: whether the command was executed is unknown, and executing it twice would be wrong.
    Fail,
}

/// Answers, in the order of the calls.
pub(super) struct Answers {
    pub(super) values: Vec<Value>,
    /// Whether every command was executed by its first target, in the order sent.
    pub(super) straight: bool,
}

/// A call to be sent in the next round.
pub(super) struct PendingCall {
    /// Index of the call.
    pub(super) call: usize,
    /// Node that it was redirected to, and whether that node expects `ASKING` first.
    pub(super) redirect: Option<(String, bool)>,
}

impl PendingCall {
    /// Whether the node expects `ASKING` before the command.
    pub(super) fn asks(&self) -> bool {
        matches!(self.redirect, Some((_, true)))
    }
}

impl Call {
    pub(super) fn new(key: &str, command: Cmd) -> Self {
        Call { to: Target::key(key), command, script: None }
    }

    pub(super) fn at(place: &Target, command: Cmd) -> Self {
        Call { to: place.clone(), command, script: None }
    }

    /// A script on one key; further arguments are added by [`arg`](Self::arg).
    pub(super) fn script(script: &'static Script, key: &str) -> Self {
        let mut command = cmd("EVALSHA");
        command.arg(&script.digest).arg(1).arg(key);
        Call { to: Target::key(key), command, script: Some(script) }
    }

    pub(super) fn arg(mut self, arg: impl redis::ToRedisArgs) -> Self {
        self.command.arg(arg);
        self
    }
}

impl Target {
    pub(super) fn key(key: &str) -> Self {
        Target::Slot(Slot::for_key(key))
    }
}
