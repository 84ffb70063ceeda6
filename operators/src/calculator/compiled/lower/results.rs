//! Results of `outputs`.

use rhai::{Expr, Position, Stmt};

use super::{Lower, Lowered, Result, refused, scope::Bound, values};
use crate::calculator::{
    Cell,
    compiled::tree::{Named, Output, Outputs, Truth},
};

impl Lower<'_> {
    /// Lowers `outputs`: a map literal, or `state.FIELD.figures(now)`.
    pub(super) fn outputs(&mut self, statements: &[Stmt]) -> Result<Outputs> {
        let expr = match statements {
            [Stmt::Expr(expr)] => expr,
            [Stmt::Return(Some(expr), ..)] => expr,
            _ => {
                let place = statements.first().map_or(Position::NONE, Stmt::position);
                return refused(
                    place,
                    "`outputs` is compiled if it is one map, as in `#{ value: state.value }`",
                );
            }
        };
        let mut outputs = Vec::new();
        if let Expr::DynamicConstant(value, position) = &**expr
            && let Ok(map) = value.as_map_ref()
        {
            for (name, value) in &*map {
                let value = self.any(values::constant(value, *position)?, *position)?;
                let (name, value) = (name.to_string(), Output::Value(value));
                outputs.push(Named { name, value, place: self.place(*position) });
            }
            return Ok(Outputs::Each(outputs, self.function(Vec::new())));
        }
        let Expr::Map(map, _) = &**expr else { return self.figures(expr) };
        for (name, expr) in &map.0 {
            let place = self.place(expr.position());
            let value = self.scoped(|lower| lower.output(expr))?;
            outputs.push(Named { name: name.name.to_string(), value, place });
        }
        if self.touched == 0 {
            return refused(expr.position(), "an assignment to the state in `outputs` is not compiled");
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
