//! Results of `outputs`.

use rhai::{Expr, Stmt};

use super::{Lower, Lowered, Result, place, refused, scope::Bound};
use crate::calculator::{
    Cell,
    compiled::tree::{Output, Outputs, Truth},
};

impl Lower<'_> {
    /// Lowers `outputs`: a map literal, or `state.FIELD.figures(now)`.
    pub(super) fn outputs(&mut self, statements: &[Stmt]) -> Result<Outputs> {
        let [Stmt::Expr(expr)] = statements else {
            let place = statements.first().map_or(rhai::Position::NONE, Stmt::position);
            return refused(place, "`outputs` is compiled if it is one map, as in `#{ value: state.value }`");
        };
        let Expr::Map(map, _) = &**expr else { return self.figures(expr) };
        let outputs = map.0.iter().map(|(name, expr)| Ok((name.name.to_string(), self.output(expr)?)));
        Ok(Outputs::Each(outputs.collect::<Result<_>>()?))
    }

    fn figures(&mut self, expr: &Expr) -> Result<Outputs> {
        let position = expr.position();
        let not = || refused(position, "this result of `outputs` is not compiled");
        let Expr::Dot(outer, ..) = expr else { return not() };
        let (Some(Bound::State), Expr::Dot(chain, ..)) = (self.bound(&outer.lhs), &outer.rhs) else {
            return not();
        };
        let (Expr::Property(field, _), Expr::MethodCall(call, position)) = (&chain.lhs, &chain.rhs) else {
            return not();
        };
        let own = self.context.functions.iter().any(|function| function == "figures");
        match (self.slot(&field.2, *position)?, call.name.as_str(), &call.args[..]) {
            ((slot, Cell::Aggregate(aggregate)), "figures", [now])
                if !own && !aggregate.figures().is_empty() && self.bound(now) == Some(Bound::Now) =>
            {
                Ok(Outputs::Figures(slot, aggregate.figures(), place(*position)))
            }
            _ => not(),
        }
    }

    fn output(&mut self, expr: &Expr) -> Result<Output> {
        if let Expr::Stmt(block) = expr {
            return match block.statements() {
                [statement] => self.branch(statement),
                _ => refused(expr.position(), "a block of several statements is not compiled here"),
            };
        }
        match self.value(expr)? {
            Lowered::Int(int) => Ok(Output::Int(int)),
            Lowered::Truth(truth) => Ok(Output::Truth(truth)),
            Lowered::Unit => Ok(Output::Absent),
            _ => refused(expr.position(), "an output of this kind is not compiled"),
        }
    }

    fn branch(&mut self, statement: &Stmt) -> Result<Output> {
        match statement {
            Stmt::Noop(_) => Ok(Output::Absent),
            Stmt::Expr(expr) => self.output(expr),
            Stmt::FnCall(call, position) => match self.call(call, *position)? {
                Lowered::Int(int) => Ok(Output::Int(int)),
                Lowered::Truth(truth) => Ok(Output::Truth(truth)),
                _ => refused(*position, "an output of this kind is not compiled"),
            },
            Stmt::If(parts, _) => {
                let test = self.truth(&parts.expr)?;
                let one = |lower: &mut Self, statements: &[Stmt]| match statements {
                    [] => Ok(Output::Absent),
                    [statement] => lower.branch(statement),
                    [_, other, ..] => refused(other.position(), "several statements are not compiled here"),
                };
                match test {
                    Truth::Const(true) => one(self, parts.body.statements()),
                    Truth::Const(false) => one(self, parts.branch.statements()),
                    test => {
                        let yes = one(self, parts.body.statements())?;
                        let no = one(self, parts.branch.statements())?;
                        Ok(Output::If(test, Box::new([yes, no])))
                    }
                }
            }
            other => refused(other.position(), "this statement is not compiled here"),
        }
    }
}
