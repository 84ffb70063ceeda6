//! Results of `outputs`.

use rhai::{Dynamic, Expr, FlowControl, Identifier, Position, Stmt, StmtBlock};

use super::{Lower, Result, blocks::Tail, refused, scope::Bound, values};
use crate::calculator::{
    Cell,
    compiled::{
        any::Any,
        tree::{Named, Output, Outputs, Statement, Truth},
    },
};

impl Lower<'_> {
    /// Lowers `outputs`: a map literal, `state.FIELD.figures(now)`, or statements that give maps.
    pub(super) fn outputs(&mut self, statements: &[Stmt]) -> Result<Outputs> {
        self.maps = Some(Vec::new());
        let others = statements.iter().position(|statement| !matches!(statement, Stmt::Var(..)));
        let (declarations, others) = statements.split_at(others.unwrap_or(statements.len()));
        let mut body = Vec::new();
        for declaration in declarations {
            self.count_node(declaration.position())?;
            self.statement(declaration, Tail::Unused, &mut body)?;
        }
        match others {
            [Stmt::Expr(expr)] if body.is_empty() && !matches!(**expr, Expr::Stmt(_)) => self.one(expr),
            [Stmt::Return(Some(expr), ..)] if body.is_empty() => self.one(expr),
            others => {
                self.statements(others, Tail::Return, &mut body)?;
                self.unchanged(Position::NONE)?;
                let function = self.function(body);
                Ok(Outputs::Script(function, self.maps.take().unwrap_or_default()))
            }
        }
    }

    /// A map that is given amid statements; `None` if the expression is none.
    pub(super) fn map(&mut self, expr: &Expr) -> Result<Option<Statement>> {
        let position = expr.position();
        let Some(maps) = &self.maps else { return Ok(None) };
        let Ok(number) = u8::try_from(maps.len()) else { return self.unknown(position) };
        let first = self.held.next;
        let (mut names, mut values) = (Vec::new(), Vec::new());
        if let Some(constants) = self.constants(expr)? {
            for (name, value) in constants {
                self.held.take();
                names.push(name);
                values.push((value, self.place(position)));
            }
        } else {
            let Expr::Map(map, _) = expr else { return Ok(None) };
            map.0.iter().for_each(|_| {
                self.held.take();
            });
            for (name, expr) in &map.0 {
                let place = self.place(expr.position());
                let value = self.value(expr)?;
                names.push(name.name.to_string());
                values.push((self.any(value, expr.position())?, place));
            }
        }
        self.maps.iter_mut().for_each(|maps| maps.push(names.clone()));
        Ok(Some(Statement::GiveMap(number, values, first)))
    }

    /// Names and values of a constant map; `None` if the expression is none.
    fn constants(&self, expr: &Expr) -> Result<Option<Vec<(String, Any)>>> {
        let Expr::DynamicConstant(value, position) = expr else { return Ok(None) };
        let Ok(map) = value.as_map_ref() else { return Ok(None) };
        let entry = |(name, value): (&Identifier, &Dynamic)| {
            Ok((name.to_string(), self.any(values::constant(value, *position)?, *position)?))
        };
        map.iter().map(entry).collect::<Result<_>>().map(Some)
    }

    /// Refuses changes of the state, which `outputs` may make on a copy only.
    fn unchanged(&self, position: Position) -> Result<()> {
        if self.touched == 0 {
            return refused(position, "an assignment to the state in `outputs` is not compiled");
        }
        Ok(())
    }

    /// Lowers `outputs` that is one expression.
    fn one(&mut self, expr: &Expr) -> Result<Outputs> {
        let mut outputs = Vec::new();
        if let Some(constants) = self.constants(expr)? {
            for (name, value) in constants {
                let place = self.place(expr.position());
                outputs.push(Named { name, value: Output::Value(value), place });
            }
            return Ok(Outputs::Each(outputs, self.function(Vec::new())));
        }
        let Expr::Map(map, _) = expr else { return self.figures(expr) };
        for (name, expr) in &map.0 {
            let place = self.place(expr.position());
            let value = self.scoped(|lower| lower.output(expr))?;
            outputs.push(Named { name: name.name.to_string(), value, place });
        }
        self.unchanged(expr.position())?;
        if self.maps.as_ref().is_some_and(|maps| !maps.is_empty()) {
            return refused(expr.position(), "`return` amid the outputs is not compiled");
        }
        Ok(Outputs::Each(outputs, self.function(Vec::new())))
    }

    fn figures(&mut self, expr: &Expr) -> Result<Outputs> {
        let position = expr.position();
        let not = || refused(position, "this result of `outputs` is not compiled");
        let Expr::Dot(outer, ..) = expr else { return not() };
        let (true, Expr::Dot(chain, ..)) = (self.is_state(&outer.lhs), &outer.rhs) else {
            return not();
        };
        let (Expr::Property(field, _), Expr::MethodCall(call, position)) = (&chain.lhs, &chain.rhs) else {
            return not();
        };
        let own = self.own("figures", 1).is_some();
        match (self.slot(&field.2, *position)?, call.name.as_str(), &call.args[..]) {
            ((slot, Cell::Aggregate(aggregate)), "figures", [now])
                if !own && !aggregate.figures().is_empty() && matches!(self.bound(now), Some(Bound::Now)) =>
            {
                Ok(Outputs::Figures(slot, aggregate.figures(), self.place(*position)))
            }
            _ => not(),
        }
    }

    fn output(&mut self, expr: &Expr) -> Result<Output> {
        let position = expr.position();
        let of_call = match expr {
            Expr::Stmt(block) => {
                let mut before = Vec::new();
                let output = self.output_after(block.statements(), position, &mut before)?;
                return Ok(output.after(before));
            }
            Expr::FnCall(call, position) => self.own_output(call, *position)?,
            _ => None,
        };
        match of_call {
            Some(output) => Ok(output),
            None => {
                let value = self.value(expr)?;
                Ok(Output::Value(self.any(value, position)?))
            }
        }
    }

    /// Lowers the statements of a block up to its value, which is an output.
    pub(super) fn output_after(
        &mut self,
        statements: &[Stmt],
        position: Position,
        to: &mut Vec<Statement>,
    ) -> Result<Output> {
        let names = self.scope.len();
        let Some((last, others)) = statements.split_last() else { return Ok(Output::Value(Any::UNIT)) };
        for statement in others {
            self.count_node(statement.position())?;
            self.statement(statement, Tail::Unused, to)?;
        }
        self.count_node(last.position())?;
        let output = match last {
            Stmt::Expr(expr) => self.output(expr)?,
            Stmt::If(parts, _) => self.output_of_branches(parts, position)?,
            last => {
                let value = self.last_value(last, to)?;
                Output::Value(self.any(value, position)?)
            }
        };
        self.scope.truncate(names);
        Ok(output)
    }

    fn output_of_branches(&mut self, parts: &FlowControl, position: Position) -> Result<Output> {
        let branch = |lower: &mut Self, block: &StmtBlock| {
            let mut before = Vec::new();
            let output = lower.output_after(block.statements(), position, &mut before)?;
            Ok(output.after(before))
        };
        match self.truth(&parts.expr)? {
            Truth::Const(true) => branch(self, &parts.body),
            Truth::Const(false) => branch(self, &parts.branch),
            test => {
                Ok(Output::If(test, Box::new([branch(self, &parts.body)?, branch(self, &parts.branch)?])))
            }
        }
    }
}
