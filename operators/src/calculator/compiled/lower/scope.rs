//! Names that a function sees: its arguments and its variables.

use rhai::{Expr, Position};

use super::{Lower, Result, refused};
use crate::calculator::compiled::tree::Local;
use crate::calculator::program::Body;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    State,
    Event,
    Params,
    Now,
    Int(Local),
    Truth(Local),
}

/// A name in scope.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    name: String,
    pub(super) bound: Bound,
    pub(super) constant: bool,
}

/// The arguments of a function.
pub(super) fn arguments(body: &Body) -> Vec<Variable> {
    let bound = |name: &str| match name {
        "state" => Some(Bound::State),
        "event" => Some(Bound::Event),
        "params" => Some(Bound::Params),
        "now" => Some(Bound::Now),
        _ => None,
    };
    let variable = |name: &str| Some(Variable { name: name.to_owned(), bound: bound(name)?, constant: true });
    body.arguments.iter().filter_map(|name| variable(name)).collect()
}

impl Lower<'_> {
    /// The variable that an expression names, if it is a name.
    pub(super) fn variable(&self, expr: &Expr) -> Option<&Variable> {
        let Expr::Variable(variable, ..) = expr else { return None };
        self.scope.iter().rev().find(|v| v.name == variable.1.as_str())
    }

    /// What an expression names, if it is a name.
    pub(super) fn bound(&self, expr: &Expr) -> Option<Bound> {
        self.variable(expr).map(|variable| variable.bound)
    }

    /// Declares a variable of the script.
    pub(super) fn declare(&mut self, name: &str, truth: bool, constant: bool) -> Local {
        let local = self.locals;
        self.locals = self.locals.saturating_add(1);
        self.most_locals = self.most_locals.max(self.locals);
        let bound = if truth { Bound::Truth(local) } else { Bound::Int(local) };
        self.scope.push(Variable { name: name.to_owned(), bound, constant });
        local
    }

    /// Runs `part` in a scope of its own.
    pub(super) fn scoped<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let (names, locals) = (self.scope.len(), self.locals);
        let done = part(self);
        self.scope.truncate(names);
        self.locals = locals;
        done
    }

    pub(super) fn unknown<T>(&self, position: Position) -> Result<T> {
        refused(position, "this name is used in a way that is not compiled")
    }
}
