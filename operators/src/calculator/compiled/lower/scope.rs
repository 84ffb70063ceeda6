//! Names that a function sees: its arguments and its variables.

use rhai::{Expr, Position};

use super::{Lower, Lowered, Result, aliases::Alias, inferred::Key, place, refused};
use crate::calculator::{
    compiled::{
        any::Any,
        kind::{Kind, Kinds},
        tree::{Float, Int, Local, Statement, Target, Truth, Variable as Held},
    },
    program::Body,
};

/// Meaning of a name.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    State,
    Event,
    Params,
    Now,
    Variable(Stored),
    Alias(Alias),
}

/// Where values of a variable, of a block or of a call are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) key: Key,
    storage: Storage,
}

#[derive(Clone, Copy, Debug)]
enum Storage {
    Word(Local),
    Held(Held),
}

/// A name in scope.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) bound: Bound,
    pub(super) constant: bool,
}

/// The arguments of a function that the engine calls.
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
    /// Position of the variable that an expression names, if it is a name.
    pub(super) fn variable(&self, expr: &Expr) -> Option<usize> {
        let Expr::Variable(variable, ..) = expr else { return None };
        let found = self.scope[self.first..].iter().rposition(|v| v.name == variable.1.as_str());
        found.map(|at| at + self.first)
    }

    /// Meaning of an expression that is a name.
    pub(super) fn bound(&self, expr: &Expr) -> Option<&Bound> {
        self.variable(expr).map(|at| &self.scope[at].bound)
    }

    pub(super) fn is_state(&self, expr: &Expr) -> bool {
        matches!(self.bound(expr), Some(Bound::State))
    }

    /// Finds a place for the values of a key: a register if they are of one kind that a word can be.
    pub(super) fn store(&mut self, key: Key) -> Stored {
        let kinds = self.inferred.kinds(key);
        let word = kinds.is_empty() || matches!(kinds.only(), Some(Kind::Int | Kind::Float | Kind::Bool));
        let storage = if word && self.locals.next < self.registers {
            Storage::Word(self.locals.take())
        } else {
            Storage::Held(self.held.take())
        };
        Stored { key, storage }
    }

    /// The value at a place.
    pub(super) fn stored(&self, stored: Stored) -> Lowered {
        let kinds = self.inferred.kinds(stored.key);
        match (stored.storage, kinds.only()) {
            (Storage::Word(local), Some(Kind::Int)) => Lowered::Int(Int::Local(local)),
            (Storage::Word(local), Some(Kind::Float)) => Lowered::Float(Float::Local(local)),
            (Storage::Word(local), Some(Kind::Bool)) => Lowered::Truth(Truth::Local(local)),
            (Storage::Word(_), _) => Lowered::Any(Any::Local(0, kinds)),
            (Storage::Held(variable), _) => Lowered::of(Any::Local(variable, kinds)),
        }
    }

    /// Sets the value at a place.
    pub(super) fn give(&mut self, stored: Stored, value: Lowered, position: Position) -> Result<Statement> {
        let kinds = value.kinds();
        self.inferred.add(stored.key, kinds);
        let Storage::Word(local) = stored.storage else {
            let Storage::Held(variable) = stored.storage else { return self.unknown(position) };
            return Ok(Statement::Put(variable, self.any(value, position)?));
        };
        let target = Target::Local(local);
        Ok(match value {
            Lowered::Int(int) => Statement::SetInt(target, int),
            Lowered::Float(float) => Statement::SetFloat(target, float),
            Lowered::Truth(truth) => Statement::SetTruth(target, truth),
            // The kinds have changed, so this is lowered again.
            value => Statement::Evaluate(self.any(value, position)?),
        })
    }

    /// The value as one of any kind.
    pub(super) fn any(&self, value: Lowered, position: Position) -> Result<Any> {
        match value.any() {
            Some(any) => Ok(any),
            None => refused(position, "an array or a map is not compiled here"),
        }
    }

    /// Key of what is declared or called at a position.
    pub(super) fn at(position: Position) -> [u16; 2] {
        let place = place(position);
        [place.line, place.column]
    }

    /// Runs `part` in a scope of its own.
    pub(super) fn scoped<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let (names, locals, held) = (self.scope.len(), self.locals.next, self.held.next);
        let done = part(self);
        self.scope.truncate(names);
        (self.locals.next, self.held.next) = (locals, held);
        done
    }

    pub(super) fn unknown<T>(&self, position: Position) -> Result<T> {
        refused(position, "this name is used in a way that is not compiled")
    }
}

impl Lowered {
    /// Kinds that its values can have; none for arrays and maps.
    pub(super) fn kinds(&self) -> Kinds {
        match self {
            Lowered::Int(_) => Kind::Int.into(),
            Lowered::Float(_) => Kind::Float.into(),
            Lowered::Truth(_) => Kind::Bool.into(),
            Lowered::Any(any) => any.kinds(),
            Lowered::Data(_) => Kinds::default(),
        }
    }
}
