//! Lowering of Rhai's tree to the typed one. What is not lowered is refused, and interpreted.
//!
//! Rhai's tree may change with every release of Rhai, hence the exact version in the workspace. This folder,
//! `interpreter::script` and `expression::lower` are the only ones that read it.
//!
//! - `scope`: names that a function sees
//! - `statements`, `values`, `operators`: the parts of a function
//! - `fields`: state fields and their methods
//! - `results`: the map that `outputs` gives

mod fields;
mod operators;
mod results;
mod scope;
mod statements;
mod values;

use rhai::{ImmutableString, Map, Position};

use self::scope::Variable;
use super::{
    place::{Place, Refusal},
    tree::{Function, Input, Int, Outputs, Statement, Truth},
};
use crate::calculator::{Cell, Inputs, program::Body};

/// Most nodes of a function, so that no call comes near the interpreter's limit of steps.
const MAX_NODES: usize = 1_000;

/// What a program's functions share.
#[derive(Clone, Copy, Debug)]
pub(in crate::calculator) struct Context<'c> {
    /// Params, whose values are constants.
    pub(in crate::calculator) params: &'c Map,
    /// Names of the state fields, ascending.
    pub(in crate::calculator) names: &'c [rhai::Identifier],
    /// Their first values.
    pub(in crate::calculator) initial: &'c [Cell],
    /// Field of the timer's deadline.
    pub(in crate::calculator) timer: Option<usize>,
    /// Properties that `on_event` reads.
    pub(in crate::calculator) inputs: &'c Inputs,
    /// Names of the script's own functions.
    pub(in crate::calculator) functions: &'c [String],
}

/// A value whose kind is known.
#[derive(Clone, Debug)]
enum Lowered {
    Int(Int),
    Truth(Truth),
    /// A property of the event, of any kind or absent.
    Input(Input),
    Text(ImmutableString),
    /// A constant.
    Float(f64),
    Unit,
}

type Result<T> = std::result::Result<T, Refusal>;

/// Lowering of one function.
struct Lower<'l> {
    context: &'l Context<'l>,
    /// Variables in scope, the innermost last.
    scope: Vec<Variable>,
    /// Numbers of the script's variables in use, and most of them at a time.
    locals: u8,
    most_locals: u8,
    nodes: usize,
}

/// Lowers a function that folds an event or runs a timer.
pub(super) fn function(body: &Body, context: &Context<'_>) -> Result<Function> {
    let mut lower = Lower::new(body, context);
    let statements: Vec<Statement> = lower.block(body.ast.statements(), true)?;
    Ok(Function { body: statements, locals: lower.most_locals })
}

/// Lowers `outputs`.
pub(super) fn outputs(body: &Body, context: &Context<'_>) -> Result<Outputs> {
    Lower::new(body, context).outputs(body.ast.statements())
}

impl<'l> Lower<'l> {
    fn new(body: &Body, context: &'l Context<'l>) -> Self {
        let scope = scope::arguments(body);
        Lower { context, scope, locals: 0, most_locals: 0, nodes: 0 }
    }

    /// Counts a node of the tree.
    fn count_node(&mut self, position: Position) -> Result<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { refused(position, "the function is too long") } else { Ok(()) }
    }
}

fn place(position: Position) -> Place {
    let number = |n: Option<usize>| n.and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
    Place { line: number(position.line()), column: number(position.position()) }
}

fn refused<T>(position: Position, reason: impl Into<String>) -> Result<T> {
    Err(Refusal::new(place(position), reason))
}
