//! Compiled calculators.

use std::sync::Arc;

use rhai::{AST, Identifier, Map, ParseError, Position};

use super::{
    CallError, Cell, FoldInput, Shape,
    compiled::{Code, Direct, Place, Precondition, Refusal, Results, Slots},
};
use crate::{expression::Operand, model::value::Value};

/// Error of compiling or running a script, with its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(*.line, *.column))]
pub struct ProgramError {
    /// Line in the script, from 1; 0 if the error has no position.
    pub line: usize,
    /// Column, from 1; 0 if the error has no position.
    pub column: usize,
    /// Fault and remedy, at most 400 characters.
    pub message: String,
}

fn place(line: usize, column: usize) -> String {
    if line == 0 { String::new() } else { format!("line {line}, column {column}: ") }
}

impl ProgramError {
    pub(super) fn new(position: Position, message: impl Into<String>) -> Self {
        let (line, column) = (position.line().unwrap_or(0), position.position().unwrap_or(0));
        ProgramError { line, column, message: shortened(message.into()) }
    }

    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        let (line, column) = (place.line.into(), place.column.into());
        ProgramError { line, column, message: shortened(message.into()) }
    }
}

fn shortened(message: String) -> String {
    if message.len() <= 400 {
        return message;
    }
    format!("{}..", message.chars().take(400).collect::<String>())
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

/// The body of one of the script's functions. The interpreter runs it on a scope that holds the arguments in
/// order, so `state` is changed in place.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) ast: AST,
    /// Names that the script gives the function's parameters.
    pub(super) arguments: Vec<Identifier>,
}

/// A function of a script: compiled, or its tree for the interpreter.
#[derive(Clone, Debug)]
pub(super) enum Function<C> {
    /// Compiled.
    Compiled(C),
    /// Interpreted, for a reason.
    Interpreted(Body, Refusal),
}

impl<C> Function<C> {
    /// Compiles a function, or keeps its body.
    pub(super) fn new(body: Body, compile: impl FnOnce(&Body) -> Result<C, Refusal>) -> Self {
        match compile(&body) {
            Ok(compiled) => Function::Compiled(compiled),
            Err(refusal) => Function::Interpreted(body, refusal),
        }
    }

    /// The body if it is interpreted.
    pub(super) fn body(&self) -> Option<&Body> {
        match self {
            Function::Compiled(_) => None,
            Function::Interpreted(body, _) => Some(body),
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        match self {
            Function::Compiled(_) => None,
            Function::Interpreted(_, refusal) => Some(refusal),
        }
    }
}

/// How the functions of a script run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Execution {
    /// Compiled where possible.
    #[default]
    Compiled,
    /// By the interpreter, to compare or to work around a fault of the compiler.
    Interpreted,
}

/// Names of the properties and fields that a script reads of an event, ascending.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Inputs(pub Vec<String>);

/// A script compiled with its params. Immutable; shared by workers.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) on_event: Function<Code>,
    pub(super) outputs: Function<Results>,
    pub(super) on_timer: Option<Function<Code>>,
    pub(super) on_timer_dropped: Option<Function<Code>>,
    pub(super) params: Map,
    /// Names of the state fields, ascending.
    pub(super) names: Vec<Identifier>,
    /// Kinds and first values of the state fields.
    pub(super) shape: Arc<Shape>,
    pub(super) timer: Option<usize>,
    pub(super) inputs: Inputs,
    pub(super) output_names: Vec<Arc<str>>,
    /// Faults: statements that fail whenever they are reached.
    pub(super) faults: Vec<ProgramError>,
}

impl Program {
    /// State of a key for which nothing has been folded.
    pub fn initial(&self) -> &[Cell] {
        self.shape.initial()
    }

    /// Kinds and first values of the state fields.
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Names of the state fields, in the order of the cells.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(Identifier::as_str)
    }

    /// Position of the cell that holds the timer's deadline; `None` if the script has no `on_timer`.
    pub fn timer(&self) -> Option<usize> {
        self.timer
    }

    /// Properties and fields that the script reads.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Functions that are interpreted, each with the reason. They cost some 100 times more than compiled
    /// ones.
    pub fn interpreted(&self) -> impl Iterator<Item = (&'static str, &Refusal)> {
        [
            ("on_event", self.on_event.refusal()),
            ("outputs", self.outputs.refusal()),
            ("on_timer", self.on_timer.as_ref().and_then(Function::refusal)),
            ("on_timer_dropped", self.on_timer_dropped.as_ref().and_then(Function::refusal)),
        ]
        .into_iter()
        .filter_map(|(function, refusal)| Some((function, refusal?)))
    }

    /// Whether events are folded by compiled code.
    pub fn folds_compiled(&self) -> bool {
        matches!(self.on_event, Function::Compiled(_))
    }

    /// Folds one event as [`Runner::on_event`](super::Runner::on_event) does, by compiled code; `None` if the
    /// function is interpreted.
    ///
    /// # Errors
    /// If the script failed or refused the value; the fields are unchanged.
    #[inline(always)]
    pub fn fold<'v, S: Slots + ?Sized>(
        &'v self,
        fields: &mut S,
        input: FoldInput,
        value: impl Fn(usize) -> Option<&'v Value<'v>>,
    ) -> Option<Result<bool, Box<CallError>>> {
        let Function::Compiled(code) = &self.on_event else { return None };
        Some(code.fold(fields, input, value))
    }

    /// What folding an event of a step tests first, if that is known.
    pub fn precondition(&self, step: u16) -> Option<Precondition> {
        match &self.on_event {
            Function::Compiled(code) => code.precondition(step.into()),
            Function::Interpreted(..) => None,
        }
    }

    /// Position of an output that may be [read](Program::output) without the others; `None` if the outputs
    /// can only be computed together, or there is none of that name.
    pub fn output_position(&self, name: &str) -> Option<usize> {
        match &self.outputs {
            Function::Compiled(results) => results.position(name),
            Function::Interpreted(..) => None,
        }
    }

    /// The output at a [position](Program::output_position) at `now`, unix ms. The fields are lent, and come
    /// back unchanged.
    ///
    /// # Errors
    /// If computing the outputs fails.
    pub fn output<'s, S: Slots + ?Sized>(
        &self,
        fields: &'s mut S,
        now: i64,
        position: usize,
    ) -> Result<Operand<'s>, CallError> {
        match &self.outputs {
            Function::Compiled(results) => {
                Ok(results.one(fields, now, position)?.map_or(Operand::Absent, Operand::from))
            }
            Function::Interpreted(..) => Ok(Operand::Absent),
        }
    }

    /// Where the output at a [position](Program::output_position) is read, if no code has to run for it; then
    /// no output can fail.
    pub fn direct(&self, position: usize) -> Option<Direct> {
        match &self.outputs {
            Function::Compiled(results) => results.direct(self.initial(), position),
            Function::Interpreted(..) => None,
        }
    }

    /// Whether computing the outputs can fail.
    pub fn outputs_can_fail(&self) -> bool {
        match &self.outputs {
            Function::Compiled(results) => results.can_fail(self.initial()),
            Function::Interpreted(..) => true,
        }
    }

    /// Names of the outputs, ascending; those `met` and `when` may use.
    pub fn output_names(&self) -> &[Arc<str>] {
        &self.output_names
    }
}

/// Converts an error of the interpreter, keeping its innermost position in the script.
pub(super) fn script_error(error: &rhai::EvalAltResult) -> ProgramError {
    let inner = error.unwrap_inner();
    let position = if inner.position().is_none() { error.position() } else { inner.position() };
    let mut plain = inner.to_string();
    if let Some(at) = plain.rfind(" (line ") {
        plain.truncate(at);
    }
    ProgramError::new(position, plain)
}
