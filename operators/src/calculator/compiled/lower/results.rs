//! Results of `outputs`.

use rhai::{Dynamic, Expr, Identifier, Position, Stmt};

use super::{Lower, Lowered, Result, blocks::Tail, refused, scope::Bound, values};
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
        match statements {
            [Stmt::Expr(expr)] if !matches!(**expr, Expr::Stmt(_)) => self.one(expr),
            [Stmt::Return(Some(expr), ..)] => self.one(expr),
            _ => {
                self.maps = Some(Vec::new());
                let body = self.block(statements, Tail::Return)?;
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
        if let Expr::Stmt(block) = expr
            && let [Stmt::If(parts, _)] = block.statements()
        {
            let test = self.truth(&parts.expr)?;
            return match test {
                Truth::Const(true) => self.branch(parts.body.statements(), expr),
                Truth::Const(false) => self.branch(parts.branch.statements(), expr),
                test => {
                    let yes = self.branch(parts.body.statements(), expr)?;
                    let no = self.branch(parts.branch.statements(), expr)?;
                    Ok(Output::If(test, Box::new([yes, no])))
                }
            };
        }
        let value = self.value(expr)?;
        Ok(Output::Value(self.any(value, expr.position())?))
    }

    fn branch(&mut self, statements: &[Stmt], expr: &Expr) -> Result<Output> {
        let position = expr.position();
        let value = match statements {
            [] => Lowered::UNIT,
            [Stmt::Expr(expr)] => return self.output(expr),
            statements => self.block_value(statements, statements[0].position())?,
        };
        Ok(Output::Value(self.any(value, position)?))
    }
}
