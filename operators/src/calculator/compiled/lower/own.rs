//! Calls of the script's own functions, whose statements are put in their place.

use rhai::{Expr, Identifier, Position, Stmt};

use super::{
    Lower, Lowered, Result,
    blocks::Tail,
    inferred::Key,
    refused,
    scope::{Bound, Variable},
};
use crate::calculator::compiled::tree::Statement;

/// Most calls within each other, of the function that the engine calls and of the script's own.
const MAX_CALLS: usize = 4;
/// Most variables that Rhai lets a function have.
const MAX_VARIABLES: usize = 32;

/// A function of a script.
#[derive(Clone, Debug)]
pub(in crate::calculator) struct Own {
    pub(in crate::calculator) name: Identifier,
    /// Names of its parameters.
    pub(in crate::calculator) arguments: Vec<Identifier>,
    pub(in crate::calculator) statements: Vec<Stmt>,
}

impl<'l> Lower<'l> {
    /// The script's own function of a name with a number of parameters.
    pub(super) fn own(&self, name: &str, arguments: usize) -> Option<&'l Own> {
        let found = |own: &&Own| own.name == name && own.arguments.len() == arguments;
        self.context.functions.iter().find(found)
    }

    /// Lowers a call. Recursion ends at Rhai's limit, which is not compiled.
    pub(super) fn own_call(
        &mut self,
        own: &'l Own,
        arguments: &[Expr],
        position: Position,
    ) -> Result<Lowered> {
        if self.calls >= MAX_CALLS || self.scope.len() >= MAX_VARIABLES {
            return refused(position, format!("`{}` is called within too many others", own.name));
        }
        if own.statements.is_empty() {
            return refused(position, format!("`{}` is empty", own.name));
        }
        let result = self.store(Key::Result(Self::at(position)));
        let kept = (self.locals.next, self.held.next);
        let (mut statements, bound) = self.arguments(own, arguments, position)?;
        let (first, calls, returns) = (self.first, self.calls, self.returns);
        let (scope, call, body) = (self.scope.len(), self.call, self.bodies);
        if calls == 0 {
            self.call = Self::at(position);
        }
        self.scope.extend(bound);
        (self.first, self.calls, self.returns) = (scope, calls + 1, Some((body, result)));
        self.bodies = body.saturating_add(1);
        let lowered = self.block(&own.statements, Tail::Give(result));
        (self.first, self.calls, self.returns) = (first, calls, returns);
        (self.call, self.bodies) = (call, body);
        self.scope.truncate(scope);
        (self.locals.next, self.held.next) = kept;
        statements.push(Statement::Body(lowered?));
        self.after(statements, result, position)
    }

    /// Statements that set a function's arguments, and the arguments.
    fn arguments(
        &mut self,
        own: &Own,
        arguments: &[Expr],
        position: Position,
    ) -> Result<(Vec<Statement>, Vec<Variable>)> {
        let (mut statements, mut variables) = (Vec::new(), Vec::new());
        for ((name, expr), number) in own.arguments.iter().zip(arguments).zip(0u8..) {
            let (bound, constant) = match self.bound(expr) {
                Some(Bound::State) => {
                    return refused(expr.position(), "`state` passed to a function is not compiled");
                }
                Some(bound @ (Bound::Event | Bound::Params)) => (bound.clone(), true),
                _ => {
                    let value = self.apart(position, |lower| lower.value(expr))?;
                    match value {
                        Lowered::Data(data) => (Bound::Data(data), true),
                        value => {
                            let stored = self.store(Key::Argument(Self::at(position), number));
                            statements.push(self.give(stored, value, position)?);
                            (Bound::Variable(stored), false)
                        }
                    }
                }
            };
            variables.push(Variable { name: name.to_string(), bound, constant });
        }
        Ok((statements, variables))
    }
}
