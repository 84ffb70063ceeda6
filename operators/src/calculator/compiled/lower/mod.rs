//! Lowering of Rhai's tree to the typed one. What is not lowered is refused, and interpreted.
//!
//! The kinds of variables depend on all assignments to them, so a function is lowered until they change no
//! more.
//!
//! Rhai's tree may change with every release of Rhai, hence the exact version in the workspace. This folder,
//! `interpreter::script` and `expression::lower` are the only ones that read it.
//!
//! - `scope`: names that a function sees; `aliases`: names that need no place; `inferred`: kinds of variables
//! - `statements`, `assignments`, `blocks`, `switch`: statements, and blocks whose value is used
//! - `values`, `access`, `operators`, `functions`: the parts of an expression
//! - `own`: calls of the script's own functions
//! - `fields`: state fields and their methods
//! - `results`: the map that `outputs` gives
//! - `faults`: what can never work

mod access;
mod aliases;
mod assignments;
mod blocks;
mod faults;
mod fields;
mod functions;
mod inferred;
mod operators;
mod own;
mod results;
mod scope;
mod statements;
mod switch;
mod values;

use std::cell::RefCell;

use rhai::{Dynamic, Map, Position};

pub(in crate::calculator) use self::own::Own;
use self::{
    blocks::Tail,
    faults::Faults,
    inferred::Inferred,
    scope::{Stored, Variable},
};
use super::{
    any::Any,
    kind::{Kind, Kinds},
    place::{Place, Refusal},
    tree::{Float, Function, Int, Outputs, Statement, Truth},
};
use crate::calculator::{Cell, Inputs, ProgramError, program::Body};

/// Most nodes of a function, so that no call comes near the interpreter's limit of steps.
const MAX_NODES: usize = 1_000;
/// Most times that a function is lowered.
const MAX_PASSES: usize = 24;

/// Knowledge that a program's functions share.
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
    /// The script's own functions.
    pub(in crate::calculator) functions: &'c [Own],
    /// Statements found to fail whenever they are reached.
    pub(in crate::calculator) faults: &'c RefCell<Vec<ProgramError>>,
}

/// A value, in the form that suits its kind best.
#[derive(Clone, Debug)]
enum Lowered {
    Int(Int),
    Float(Float),
    Truth(Truth),
    /// A value of any other kind, or of several.
    Any(Any),
    /// A constant array or map.
    Data(Dynamic),
}

type Result<T> = std::result::Result<T, Refusal>;

/// Lowering of one function.
struct Lower<'l> {
    context: &'l Context<'l>,
    /// Variables in scope, the innermost last.
    scope: Vec<Variable>,
    /// First variable that the function sees; those before belong to its callers.
    first: usize,
    inferred: Inferred,
    /// Most variables that get a register.
    registers: u8,
    locals: Numbers,
    held: Numbers,
    nodes: usize,
    /// Bodies around, and of the innermost own function the one that `return` leaves, with its result.
    bodies: u8,
    returns: Option<(u8, Stored)>,
    /// Calls of own functions around, and where the outermost of them is.
    calls: usize,
    call: [u16; 2],
    /// Names of the maps that `outputs` gives; `None` in other functions.
    maps: Option<Vec<Vec<String>>>,
    /// Statements that fail whenever they are reached, and the only assignments to fields so far.
    faults: Faults,
    /// Outermost variable that was assigned to, 0 for the state.
    touched: usize,
    /// Number of changes of variables and of the state so far.
    changes: usize,
}

/// Numbers of variables: those in use are below the next one.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    next: u8,
    /// Most in use at a time.
    most: u8,
}

impl Numbers {
    fn take(&mut self) -> u8 {
        let taken = self.next;
        self.next = self.next.saturating_add(1);
        self.most = self.most.max(self.next);
        taken
    }
}

/// Lowers a function that folds an event or runs a timer. At most so many variables as `registers` get one.
pub(super) fn function(body: &Body, context: &Context<'_>, registers: u8) -> Result<Function> {
    lowered(body, context, registers, |lower| {
        let body = lower.block(body.ast.statements(), Tail::Return)?;
        Ok(lower.function(body))
    })
}

/// Lowers `outputs`.
pub(super) fn outputs(body: &Body, context: &Context<'_>, registers: u8) -> Result<Outputs> {
    lowered(body, context, registers, |lower| lower.outputs(body.ast.statements()))
}

/// Lowers until the kinds of variables change no more.
fn lowered<T>(
    body: &Body,
    context: &Context<'_>,
    registers: u8,
    part: impl Fn(&mut Lower<'_>) -> Result<T>,
) -> Result<T> {
    let mut inferred = Inferred::default();
    for _ in 0..MAX_PASSES {
        let mut lower = Lower::new(body, context, inferred, registers);
        let done = part(&mut lower);
        inferred = lower.inferred;
        if !inferred.is_changed() {
            if done.is_ok() {
                context.faults.borrow_mut().extend(lower.faults.told());
            }
            return done;
        }
    }
    refused(Position::NONE, "the kinds of its variables are not found out")
}

impl<'l> Lower<'l> {
    fn new(body: &Body, context: &'l Context<'l>, inferred: Inferred, registers: u8) -> Self {
        let fields = inferred.fields().count();
        let fields = u8::try_from(fields).unwrap_or(u8::MAX);
        Lower {
            context,
            scope: scope::arguments(body),
            first: 0,
            inferred,
            registers,
            locals: Numbers::default(),
            held: Numbers { next: fields, most: fields },
            nodes: 0,
            bodies: 0,
            returns: None,
            calls: 0,
            call: [0; 2],
            maps: None,
            faults: Faults::default(),
            touched: usize::MAX,
            changes: 0,
        }
    }

    /// The function that has these statements.
    fn function(&self, body: Vec<Statement>) -> Function {
        let shadows = self.shadows();
        let texts = self.texts();
        Function { body, locals: self.locals.most, held: self.held.most, shadows, texts }
    }

    /// Counts a node of the tree.
    fn count_node(&mut self, position: Position) -> Result<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { refused(position, "the function is too long") } else { Ok(()) }
    }

    /// Lowers a part that comes after another one whose value is still needed, so it must change nothing that
    /// this one could have read.
    fn apart<T>(&mut self, position: Position, part: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let (before, here) = (std::mem::replace(&mut self.touched, usize::MAX), self.scope.len());
        let done = part(self)?;
        let touched = self.touched;
        self.touched = touched.min(before);
        if touched < here {
            refused(position, "an assignment amid an expression is not compiled")
        } else {
            Ok(done)
        }
    }

    /// A position in the script, with the call of an own function that leads there.
    fn place(&self, position: Position) -> Place {
        Place { call: self.call, ..place(position) }
    }
}

impl Lowered {
    const UNIT: Lowered = Lowered::Any(Any::UNIT);
    /// A value that is never reached.
    const NEVER: Lowered = Lowered::Any(Any::Local(0, Kinds::NONE));

    /// Value of any kind, in the form that suits its kind best.
    fn of(any: Any) -> Lowered {
        match (any.kinds().only(), any) {
            (_, Any::Int(int)) => Lowered::Int(int),
            (_, Any::Float(float)) => Lowered::Float(float),
            (_, Any::Truth(truth)) => Lowered::Truth(truth),
            (Some(Kind::Int), any) => Lowered::Int(Int::Of(Box::new(any))),
            (Some(Kind::Float), any) => Lowered::Float(Float::Of(Box::new(any))),
            (Some(Kind::Bool), any) => Lowered::Truth(Truth::Of(Box::new(any), Place::default())),
            (_, any) => Lowered::Any(any),
        }
    }

    /// The value as one of any kind; `None` for arrays and maps.
    fn any(self) -> Option<Any> {
        match self {
            Lowered::Int(Int::Of(any)) | Lowered::Float(Float::Of(any)) => Some(*any),
            Lowered::Truth(Truth::Of(any, _)) => Some(*any),
            Lowered::Int(int) => Some(Any::Int(int)),
            Lowered::Float(float) => Some(Any::Float(float)),
            Lowered::Truth(truth) => Some(Any::Truth(truth)),
            Lowered::Any(any) => Some(any),
            Lowered::Data(_) => None,
        }
    }
}

fn place(position: Position) -> Place {
    let number = |n: Option<usize>| n.and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
    Place { line: number(position.line()), column: number(position.position()), call: [0; 2] }
}

fn refused<T>(position: Position, reason: impl Into<String>) -> Result<T> {
    Err(Refusal::new(place(position), reason))
}
