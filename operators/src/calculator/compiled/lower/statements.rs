//! Statements.

use rhai::{ASTFlags, Expr, FlowControl, FnCallExpr, Position, Stmt};

use super::{
    Lower, Lowered, Result,
    blocks::Tail,
    inferred::Key,
    refused,
    scope::{Bound, Variable},
};
use crate::calculator::compiled::tree::{Int, Statement, Target, Truth};

impl Lower<'_> {
    pub(super) fn statement(&mut self, statement: &Stmt, tail: Tail, to: &mut Vec<Statement>) -> Result<()> {
        let position = statement.position();
        if let Stmt::Var(variable, flags, position) = statement {
            let constant = flags.contains(ASTFlags::CONSTANT);
            self.declaration(&variable.0.name, &variable.1, constant, *position, to)?;
            return self.end(Lowered::UNIT, tail, *position, to);
        }
        let (locals, held) = (self.locals.next, self.held.next);
        match statement {
            Stmt::Noop(_) => self.end(Lowered::UNIT, tail, position, to)?,
            Stmt::Block(block) => to.extend(self.block(block.statements(), tail)?),
            Stmt::Expr(expr) => self.expression(expr, tail, to)?,
            Stmt::FnCall(call, position) => match self.timer(call, *position)? {
                Some(timer) => {
                    to.push(timer);
                    self.end(Lowered::UNIT, tail, *position, to)?;
                }
                None => {
                    let value = self.call(call, *position)?;
                    self.end(value, tail, *position, to)?;
                }
            },
            Stmt::Return(value, flags, _) if !flags.contains(ASTFlags::BREAK) => {
                self.returned(value.as_deref(), position, to)?;
            }
            Stmt::Assignment(assignment) => {
                self.assignment(&assignment.0, &assignment.1, to)?;
                self.end(Lowered::UNIT, tail, position, to)?;
            }
            Stmt::If(parts, _) => self.branches(parts, tail, to)?,
            Stmt::Switch(switch, position) => self.switch(&switch.0, &switch.1, tail, *position, to)?,
            other => return refused(other.position(), "this statement is not compiled"),
        }
        (self.locals.next, self.held.next) = (locals, held);
        Ok(())
    }

    /// Lowers `if`; a branch that is never taken is not looked at.
    fn branches(&mut self, parts: &FlowControl, tail: Tail, to: &mut Vec<Statement>) -> Result<()> {
        match self.truth(&parts.expr)? {
            Truth::Const(true) => to.extend(self.block(parts.body.statements(), tail)?),
            Truth::Const(false) => to.extend(self.block(parts.branch.statements(), tail)?),
            test => {
                let yes = self.block(parts.body.statements(), tail)?;
                let no = self.block(parts.branch.statements(), tail)?;
                to.push(Statement::If(test, yes, no));
            }
        }
        Ok(())
    }

    /// Lowers an expression that is a statement.
    pub(super) fn expression(&mut self, expr: &Expr, tail: Tail, to: &mut Vec<Statement>) -> Result<()> {
        if let Expr::Stmt(block) = expr {
            to.extend(self.block(block.statements(), tail)?);
            return Ok(());
        }
        if let Tail::Return = tail
            && let Some(map) = self.map(expr)?
        {
            to.push(map);
            return Ok(());
        }
        let done = match expr {
            Expr::FnCall(call, position) => self.timer(call, *position)?,
            expr => self.add(expr)?,
        };
        match done {
            Some(done) => {
                to.push(done);
                self.end(Lowered::UNIT, tail, expr.position(), to)
            }
            None => {
                let value = self.value(expr)?;
                self.end(value, tail, expr.position(), to)
            }
        }
    }

    /// Lowers `set_timer(state, at)` and `clear_timer(state)`; `None` if the call is another.
    fn timer(&mut self, call: &FnCallExpr, position: Position) -> Result<Option<Statement>> {
        let name = call.name.as_str();
        if !is_timer(call) {
            return Ok(None);
        }
        let own = self.own(name, call.args.len()).is_some();
        let slot = self.context.timer.and_then(|timer| u8::try_from(timer).ok()).filter(|_| !own);
        let state = call.args.first().is_some_and(|first| self.is_state(first));
        self.change(0);
        match (slot.filter(|_| state), name, &call.args[..]) {
            (Some(slot), "set_timer", [_, at]) => {
                let at = self.value(at)?;
                Ok(Some(Statement::SetTimer(slot, self.any(at, position)?, self.place(position))))
            }
            (Some(slot), "clear_timer", [_]) => {
                Ok(Some(Statement::SetInt(Target::Slot(slot), Int::Const(-1))))
            }
            _ => refused(position, format!("this call of `{name}` is not compiled")),
        }
    }

    /// Lowers the declaration of a variable; its place outlives what its value needs.
    fn declaration(
        &mut self,
        name: &str,
        value: &Expr,
        constant: bool,
        position: Position,
        to: &mut Vec<Statement>,
    ) -> Result<()> {
        let key = Key::Variable(Self::at(position));
        let before = (self.locals, self.held);
        let stored = self.store(key);
        let (locals, held) = (self.locals.next, self.held.next);
        let value = self.value(value)?;
        if let Some(alias) = self.alias(name, &value, key, constant) {
            (self.locals, self.held) = before;
            self.scope.push(alias);
            return Ok(());
        }
        (self.locals.next, self.held.next) = (locals, held);
        to.push(self.give(stored, value, position)?);
        self.scope.push(Variable { name: name.to_owned(), bound: Bound::Variable(stored), constant });
        Ok(())
    }
}

/// Whether a call sets or clears the timer, and so has no value.
pub(super) fn is_timer(call: &FnCallExpr) -> bool {
    ["set_timer", "clear_timer"].contains(&call.name.as_str())
}
