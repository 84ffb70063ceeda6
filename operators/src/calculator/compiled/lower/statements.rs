//! Statements.

use rhai::{ASTFlags, BinaryExpr, Expr, FnCallExpr, OpAssignment, Position, Stmt};

use super::{Lower, Lowered, Result, operators, place, refused, scope::Bound};
use crate::calculator::{
    Cell,
    compiled::tree::{Int, Statement, Target, Truth},
};

impl Lower<'_> {
    /// Lowers a block. The value of a `tail` is the function's result.
    pub(super) fn block(&mut self, statements: &[Stmt], tail: bool) -> Result<Vec<Statement>> {
        self.scoped(|lower| {
            let mut all = Vec::new();
            for (i, statement) in statements.iter().enumerate() {
                lower.count_node(statement.position())?;
                lower.statement(statement, tail && i + 1 == statements.len(), &mut all)?;
            }
            Ok(all)
        })
    }

    fn statement(&mut self, statement: &Stmt, tail: bool, to: &mut Vec<Statement>) -> Result<()> {
        match statement {
            Stmt::Noop(_) => {}
            Stmt::Block(block) => to.extend(self.block(block.statements(), tail)?),
            Stmt::Expr(expr) => match &**expr {
                Expr::Stmt(block) => to.extend(self.block(block.statements(), tail)?),
                expr => match self.add(expr)? {
                    Some(add) => to.push(add),
                    None => {
                        let value = self.value(expr)?;
                        self.unused(value, tail, expr.position(), to)?;
                    }
                },
            },
            Stmt::FnCall(call, position) => match self.timer(call, *position)? {
                Some(timer) => to.push(timer),
                None => {
                    let value = self.call(call, *position)?;
                    self.unused(value, tail, *position, to)?;
                }
            },
            Stmt::Return(Some(expr), flags, _) if !flags.contains(ASTFlags::BREAK) => {
                let value = self.value(expr)?;
                self.unused(value, true, expr.position(), to)?;
            }
            Stmt::Return(None, flags, _) if !flags.contains(ASTFlags::BREAK) => {
                to.push(Statement::Return(Truth::Const(false)));
            }
            Stmt::Var(variable, flags, position) => {
                let constant = flags.contains(ASTFlags::CONSTANT);
                to.push(self.declaration(&variable.0.name, &variable.1, constant, *position)?);
            }
            Stmt::Assignment(assignment) => to.push(self.assignment(&assignment.0, &assignment.1)?),
            Stmt::If(parts, _) => match self.truth(&parts.expr)? {
                Truth::Const(true) => to.extend(self.block(parts.body.statements(), tail)?),
                Truth::Const(false) => to.extend(self.block(parts.branch.statements(), tail)?),
                test => {
                    let yes = self.block(parts.body.statements(), tail)?;
                    let no = self.block(parts.branch.statements(), tail)?;
                    to.push(Statement::If(test, yes, no));
                }
            },
            Stmt::Switch(_, position) => return refused(*position, "`switch` is not compiled"),
            other => return refused(other.position(), "this statement is not compiled"),
        }
        Ok(())
    }

    /// A value that is the function's result, or that only could fail. What is not true is false.
    fn unused(
        &mut self,
        value: Lowered,
        result: bool,
        position: Position,
        to: &mut Vec<Statement>,
    ) -> Result<()> {
        match value {
            Lowered::Truth(truth) if result => {
                to.push(Statement::Return(truth));
                return Ok(());
            }
            Lowered::Truth(truth) if truth.can_fail() => return refused(position, "this value is not used"),
            Lowered::Int(int) if int.can_fail() => to.push(Statement::Evaluate(int)),
            _ => {}
        }
        if result {
            to.push(Statement::Return(Truth::Const(false)));
        }
        Ok(())
    }

    /// Lowers `set_timer(state, at)` and `clear_timer(state)`; `None` if the call is another.
    fn timer(&mut self, call: &FnCallExpr, position: Position) -> Result<Option<Statement>> {
        let name = call.name.as_str();
        if !["set_timer", "clear_timer"].contains(&name) {
            return Ok(None);
        }
        let own = self.context.functions.iter().any(|function| function == name);
        let slot = self.context.timer.and_then(|timer| u8::try_from(timer).ok()).filter(|_| !own);
        let state = call.args.first().and_then(|first| self.bound(first)) == Some(Bound::State);
        match (slot.filter(|_| state), name, &call.args[..]) {
            (Some(slot), "set_timer", [_, at]) => {
                Ok(Some(Statement::SetTimer(slot, self.int(at)?, place(position))))
            }
            (Some(slot), "clear_timer", [_]) => {
                Ok(Some(Statement::SetInt(Target::Slot(slot), Int::Const(-1))))
            }
            _ => refused(position, format!("this call of `{name}` is not compiled")),
        }
    }

    fn declaration(
        &mut self,
        name: &str,
        value: &Expr,
        constant: bool,
        position: Position,
    ) -> Result<Statement> {
        match self.value(value)? {
            Lowered::Int(int) => {
                let local = self.declare(name, false, constant);
                Ok(Statement::SetInt(Target::Local(local), int))
            }
            Lowered::Truth(truth) => {
                let local = self.declare(name, true, constant);
                Ok(Statement::SetTruth(Target::Local(local), truth))
            }
            _ => refused(position, format!("`{name}` is not known to be an integer, or true or false")),
        }
    }

    /// Lowers an assignment to a field or a variable, which keeps its kind.
    fn assignment(&mut self, operation: &OpAssignment, sides: &BinaryExpr) -> Result<Statement> {
        let position = operation.position();
        let (target, truth) = self.target(&sides.lhs)?;
        let value = self.value(&sides.rhs)?;
        match (operation.get_op_assignment_info(), value) {
            (None, Lowered::Int(int)) if !truth => Ok(Statement::SetInt(target, int)),
            (None, Lowered::Truth(value)) if truth => Ok(Statement::SetTruth(target, value)),
            (Some((.., token, _)), Lowered::Int(int)) if !truth => {
                let before = match target {
                    Target::Slot(slot) => Int::Slot(slot),
                    Target::Local(local) => Int::Local(local),
                };
                match operators::operator(token) {
                    Some(operator) => {
                        Ok(Statement::SetInt(target, operators::math(operator, [before, int], position)))
                    }
                    None => refused(position, "this assignment is not compiled"),
                }
            }
            _ => refused(position, "an assignment of this kind is not compiled"),
        }
    }

    /// Target of an assignment, and whether it is true or false instead of an integer.
    fn target(&self, expr: &Expr) -> Result<(Target, bool)> {
        let position = expr.position();
        if let Some(variable) = self.variable(expr).filter(|variable| !variable.constant) {
            match variable.bound {
                Bound::Int(local) => return Ok((Target::Local(local), false)),
                Bound::Truth(local) => return Ok((Target::Local(local), true)),
                _ => {}
            }
        }
        if self.context.initial.iter().any(|cell| matches!(cell, Cell::Text(_))) {
            return refused(position, "an assignment beside a field that is a string is not compiled");
        }
        match expr {
            Expr::Dot(chain, ..) if self.bound(&chain.lhs) == Some(Bound::State) => match &chain.rhs {
                Expr::Property(field, _) => match self.slot(&field.2, position)? {
                    (slot, Cell::Int(_)) => Ok((Target::Slot(slot), false)),
                    (slot, Cell::Bool(_)) => Ok((Target::Slot(slot), true)),
                    (_, cell) => {
                        refused(position, format!("a field that is {} is not compiled", cell.kind()))
                    }
                },
                _ => self.unknown(position),
            },
            _ => self.unknown(position),
        }
    }
}
