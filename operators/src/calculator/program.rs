//! A calculator: a script compiled with its params.

use std::sync::Arc;

use rhai::{AST, Identifier, Map, ParseError, Position};

use super::Cell;

/// Why a script is no calculator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(*.line, *.column))]
pub struct ProgramError {
    /// Line in the script, from 1; 0 where no line is to blame.
    pub line: usize,
    /// Column, from 1; 0 where none is to blame.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

fn place(line: usize, column: usize) -> String {
    if line == 0 { String::new() } else { format!("line {line}, column {column}: ") }
}

impl ProgramError {
    pub(super) fn new(position: Position, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > 400 {
            message = format!("{}..", message.chars().take(400).collect::<String>());
        }
        ProgramError { line: position.line().unwrap_or(0), column: position.position().unwrap_or(0), message }
    }
}

impl From<ParseError> for ProgramError {
    fn from(error: ParseError) -> Self {
        let mut message = error.err_type().to_string();
        if ["'loop'", "'while'", "'for'", "'do'", "'until'"].iter().any(|word| message.contains(word)) {
            message.push_str("; scripts have no loops: fold one event at a time, and keep what you need in native aggregates");
        }
        ProgramError::new(error.position(), message)
    }
}

/// A function of the script as a block of its own: the interpreter runs it on a scope that holds the arguments in
/// their order, so that `state` is changed in place.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) ast: AST,
    /// Names the script gives its arguments.
    pub(super) arguments: Vec<Identifier>,
}

/// What a script reads of an event.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Inputs(pub Vec<String>);

/// A compiled calculator.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) on_event: Body,
    pub(super) outputs: Body,
    pub(super) on_timer: Option<Body>,
    pub(super) on_timer_dropped: Option<Body>,
    pub(super) params: Map,
    /// Names of the state fields, ascending.
    pub(super) names: Vec<Identifier>,
    pub(super) initial: Vec<Cell>,
    pub(super) timer: Option<usize>,
    pub(super) inputs: Inputs,
    pub(super) output_names: Vec<Arc<str>>,
    /// Whether a failing call could leave an aggregate half changed.
    pub(super) guarded: bool,
}

impl Program {
    /// The state of a key that nothing was folded for.
    pub fn initial(&self) -> &[Cell] {
        &self.initial
    }

    /// Names of the state fields, in the order of the cells.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(Identifier::as_str)
    }

    /// Which cell holds the timer's deadline, if the script has timers.
    pub fn timer(&self) -> Option<usize> {
        self.timer
    }

    /// The properties and fields the script reads.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Names of the outputs, ascending; `met` and `when` may name these.
    pub fn output_names(&self) -> &[Arc<str>] {
        &self.output_names
    }
}

/// An error of the interpreter, at the place in the script where it happened.
pub(super) fn failed(error: &rhai::EvalAltResult) -> ProgramError {
    let inner = error.unwrap_inner();
    let position = if inner.position().is_none() { error.position() } else { inner.position() };
    let mut plain = inner.to_string();
    if let Some(at) = plain.rfind(" (line ") {
        plain.truncate(at);
    }
    ProgramError::new(position, plain)
}
