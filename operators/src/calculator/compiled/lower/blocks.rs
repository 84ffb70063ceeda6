//! Blocks: what becomes of the value at their end.

use rhai::{Expr, Position, Stmt};

use super::{
    Lower, Lowered, Result,
    access::{Link, Part, chain},
    inferred::Key,
    refused,
    scope::Stored,
    statements::is_timer,
};
use crate::calculator::compiled::{
    any::Any,
    kind::Kind,
    tree::{Statement, Truth, ends},
};

/// Use of the value at the end of a block.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tail {
    Unused,
    /// It is the function's result.
    Return,
    Give(Stored),
}

impl Lower<'_> {
    /// Lowers a block, up to where it is certainly left.
    pub(super) fn block(&mut self, statements: &[Stmt], tail: Tail) -> Result<Vec<Statement>> {
        self.scoped(|lower| {
            let mut all = Vec::new();
            lower.statements(statements, tail, &mut all)?;
            Ok(all)
        })
    }

    /// Lowers the statements of a block, up to where it is certainly left.
    pub(super) fn statements(
        &mut self,
        statements: &[Stmt],
        tail: Tail,
        to: &mut Vec<Statement>,
    ) -> Result<()> {
        let Some((last, others)) = statements.split_last() else {
            return self.end(Lowered::UNIT, tail, Position::NONE, to);
        };
        for statement in others {
            self.count_node(statement.position())?;
            self.statement(statement, Tail::Unused, to)?;
            if ends(to) {
                return Ok(());
            }
        }
        self.count_node(last.position())?;
        self.statement(last, tail, to)
    }

    /// Lowers a block whose value is used.
    pub(super) fn block_value(&mut self, statements: &[Stmt], position: Position) -> Result<Lowered> {
        let mut before = Vec::new();
        let value = self.value_after(statements, &mut before)?;
        self.after(before, value, position)
    }

    /// Lowers the statements of a block up to its value, which is returned. The places of the block's variables
    /// stay taken, as the value may be one of them.
    pub(super) fn value_after(&mut self, statements: &[Stmt], to: &mut Vec<Statement>) -> Result<Lowered> {
        let Some((last, others)) = statements.split_last() else { return Ok(Lowered::UNIT) };
        let names = self.scope.len();
        for statement in others {
            self.count_node(statement.position())?;
            self.statement(statement, Tail::Unused, to)?;
            if ends(to) {
                self.scope.truncate(names);
                return Ok(Lowered::NEVER);
            }
        }
        self.count_node(last.position())?;
        let value = self.last_value(last, to);
        self.scope.truncate(names);
        value
    }

    /// Lowers the last statement of a block whose value is used.
    pub(super) fn last_value(&mut self, last: &Stmt, to: &mut Vec<Statement>) -> Result<Lowered> {
        match last {
            Stmt::Expr(expr) if !self.is_change(expr) => return self.value(expr),
            Stmt::FnCall(call, position) if !is_timer(call) => return self.call(call, *position),
            Stmt::Block(block) => return self.value_after(block.statements(), to),
            Stmt::If(parts, _) => match self.truth(&parts.expr)? {
                Truth::Const(true) => return self.value_after(parts.body.statements(), to),
                Truth::Const(false) => return self.value_after(parts.branch.statements(), to),
                _ => {}
            },
            _ => {}
        }
        let result = self.store(Key::Result(Self::at(last.position())));
        self.statement(last, Tail::Give(result), to)?;
        Ok(self.stored(result))
    }

    /// Whether an expression folds into an aggregate, or sets or clears the timer, and so has no value.
    fn is_change(&self, expr: &Expr) -> bool {
        if let Expr::FnCall(call, _) = expr {
            return is_timer(call);
        }
        let method = |link: &Link<'_>| matches!(link.part, Part::Method(call) if call.name == "add");
        chain(expr).is_some_and(|(root, links)| self.is_state(root) && links.iter().any(method))
    }

    /// A value after some statements.
    pub(super) fn after(
        &self,
        statements: Vec<Statement>,
        value: Lowered,
        position: Position,
    ) -> Result<Lowered> {
        if statements.is_empty() {
            return Ok(value);
        }
        let value = self.any(value, position)?;
        Ok(Lowered::of(Any::After(statements, Box::new(value))))
    }

    /// Ends a block with a value.
    pub(super) fn end(
        &mut self,
        value: Lowered,
        tail: Tail,
        position: Position,
        to: &mut Vec<Statement>,
    ) -> Result<()> {
        match tail {
            Tail::Return => to.push(self.result(value, position)?),
            Tail::Give(stored) => to.push(self.give(stored, value, position)?),
            Tail::Unused => match value {
                Lowered::Data(_) => {}
                value => {
                    let any = self.any(value, position)?;
                    if any.can_fail() {
                        to.push(Statement::Evaluate(any));
                    }
                }
            },
        }
        Ok(())
    }

    /// The function's result.
    fn result(&self, value: Lowered, position: Position) -> Result<Statement> {
        if self.maps.is_some() {
            return refused(
                position,
                "`outputs` is compiled if it gives a map, as in `#{ value: state.value }`",
            );
        }
        Ok(match value {
            Lowered::Truth(truth) => Statement::Return(truth),
            Lowered::Data(_) => Statement::Return(Truth::Const(false)),
            value => {
                let any = self.any(value, position)?;
                if any.can_fail() || any.kinds().has(Kind::Bool) {
                    Statement::Give(any)
                } else {
                    Statement::Return(Truth::Const(false))
                }
            }
        })
    }

    /// `return` with a value.
    pub(super) fn returned(
        &mut self,
        value: Option<&Expr>,
        position: Position,
        to: &mut Vec<Statement>,
    ) -> Result<()> {
        if let (Some(expr), None) = (value, self.returns)
            && let Some(map) = self.map(expr)?
        {
            to.push(map);
            return Ok(());
        }
        let value = value.map_or(Ok(Lowered::UNIT), |expr| self.value(expr))?;
        match self.returns {
            None => self.end(value, Tail::Return, position, to),
            Some((body, result)) => {
                self.end(value, Tail::Give(result), position, to)?;
                to.push(Statement::Leave(body));
                Ok(())
            }
        }
    }
}
