//! Calls of the script's own functions, whose statements are put in their place.

use rhai::{ASTFlags, ASTNode, Expr, FnCallExpr, Identifier, Position, Stmt};

use super::{
    Lower, Lowered, Result,
    blocks::Tail,
    inferred::Key,
    refused,
    scope::{Bound, Variable},
};
use crate::calculator::compiled::tree::{Output, Statement};

/// Most calls within each other, of the function that the engine calls and of the script's own.
const MAX_CALLS: usize = 4;
/// Most variables that Rhai lets a function have.
const MAX_VARIABLES: usize = 32;

/// A function of a script.
#[derive(Clone, Debug)]
pub(in crate::calculator) struct Own {
    name: Identifier,
    /// Names of its parameters.
    arguments: Vec<Identifier>,
    /// Statements, the last of which has the value.
    statements: Vec<Stmt>,
    /// Whether it returns anywhere else than at its end.
    returns_early: bool,
}

impl Own {
    /// The function of a name, with the names of its parameters.
    pub(in crate::calculator) fn new(
        name: Identifier,
        arguments: Vec<Identifier>,
        mut statements: Vec<Stmt>,
    ) -> Self {
        if let Some(last) = statements.last_mut()
            && let Stmt::Return(Some(value), flags, _) = last
            && !flags.contains(ASTFlags::BREAK)
        {
            *last = Stmt::Expr(value.clone());
        }
        let returns = |path: &[ASTNode<'_>]| matches!(path.last(), Some(ASTNode::Stmt(Stmt::Return(..))));
        let returns_early =
            statements.iter().any(|statement| !statement.walk(&mut Vec::new(), &mut |path| !returns(path)));
        Own { name, arguments, statements, returns_early }
    }
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
        if !own.returns_early {
            let part = |lower: &mut Self, to: &mut Vec<_>| lower.value_after(&own.statements, to);
            let (statements, value) = self.called(own, arguments, position, part)?;
            return self.after(statements, value, position);
        }
        let result = self.store(Key::Result(Self::at(position)));
        let kept = (self.locals.next, self.held.next);
        let (mut statements, lowered) = self.called(own, arguments, position, |lower, _| {
            let body = lower.bodies;
            lower.returns = Some((body, result));
            lower.bodies = body.saturating_add(1);
            let lowered = lower.block(&own.statements, Tail::Give(result));
            lower.bodies = body;
            lowered
        })?;
        (self.locals.next, self.held.next) = kept;
        statements.push(Statement::Body(lowered));
        self.after(statements, self.stored(result), position)
    }

    /// Lowers a part of a function where its parameters are known. Returns the statements that set them, to
    /// which the part may append, besides what it makes.
    fn called<T>(
        &mut self,
        own: &'l Own,
        arguments: &[Expr],
        position: Position,
        part: impl FnOnce(&mut Self, &mut Vec<Statement>) -> Result<T>,
    ) -> Result<(Vec<Statement>, T)> {
        if self.calls >= MAX_CALLS || self.scope.len() >= MAX_VARIABLES {
            return refused(position, format!("`{}` is called within too many others", own.name));
        }
        if own.statements.is_empty() {
            return refused(position, format!("`{}` is empty", own.name));
        }
        let (mut statements, bound) = self.arguments(own, arguments, position)?;
        let (first, calls, returns) = (self.first, self.calls, self.returns);
        let (scope, call) = (self.scope.len(), self.call);
        if calls == 0 {
            self.call = Self::at(position);
        }
        self.scope.extend(bound);
        (self.first, self.calls, self.returns) = (scope, calls + 1, None);
        let done = part(self, &mut statements);
        (self.first, self.calls, self.returns) = (first, calls, returns);
        self.call = call;
        self.scope.truncate(scope);
        Ok((statements, done?))
    }

    /// Lowers a call that is an output.
    pub(super) fn own_output(&mut self, call: &FnCallExpr, position: Position) -> Result<Option<Output>> {
        let own = self.own(&call.name, call.args.len()).filter(|own| !own.returns_early);
        let Some(own) = own.filter(|_| call.op_token.is_none()) else { return Ok(None) };
        self.count_node(position)?;
        let part = |lower: &mut Self, to: &mut Vec<_>| lower.output_after(&own.statements, position, to);
        let (statements, output) = self.called(own, &call.args, position, part)?;
        Ok(Some(output.after(statements)))
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
                    let key = Key::Argument(Self::at(position), number);
                    if let Some(alias) = self.alias(name, &value, key, false) {
                        variables.push(alias);
                        continue;
                    }
                    let stored = self.store(key);
                    statements.push(self.give(stored, value, position)?);
                    (Bound::Variable(stored), false)
                }
            };
            variables.push(Variable { name: name.to_string(), bound, constant });
        }
        Ok((statements, variables))
    }
}
