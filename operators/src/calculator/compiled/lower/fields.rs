//! State fields and their methods.

use rhai::{BinaryExpr, Expr, FnCallExpr, Position};

use super::{Lower, Lowered, Result, place, refused, scope::Bound};
use crate::calculator::{
    Aggregate, Cell,
    compiled::tree::{Folded, Int, Slot, Statement, Truth},
};

impl<'l> Lower<'l> {
    /// Position and first value of a field.
    pub(super) fn slot(&self, name: &str, position: Position) -> Result<(Slot, &'l Cell)> {
        let index = self.context.names.iter().position(|field| field.as_str() == name);
        let found = index.and_then(|i| Some((u8::try_from(i).ok()?, self.context.initial.get(i)?)));
        found.map_or_else(|| refused(position, format!("`init` makes no field `{name}`")), Ok)
    }

    /// Lowers the reading of a field.
    pub(super) fn field(&self, name: &str, position: Position) -> Result<Lowered> {
        match self.slot(name, position)? {
            (slot, Cell::Int(_)) => Ok(Lowered::Int(Int::Slot(slot))),
            (slot, Cell::Bool(_)) => Ok(Lowered::Truth(Truth::Slot(slot))),
            (_, cell) => refused(position, format!("a field that is {} is not compiled here", cell.kind())),
        }
    }

    /// Field, call and its position in `state.FIELD.method(..)`, without `state.`.
    fn parts<'e>(&self, chain: &'e BinaryExpr) -> Option<(&'e str, &'e FnCallExpr, Position)> {
        let (Expr::Property(field, _), Expr::MethodCall(call, position)) = (&chain.lhs, &chain.rhs) else {
            return None;
        };
        let own = self.context.functions.iter().any(|function| *function == call.name.as_str());
        (!own).then_some((field.2.as_str(), call, *position))
    }

    /// Lowers `FIELD.at(now)`.
    pub(super) fn method(&mut self, chain: &BinaryExpr, position: Position) -> Result<Lowered> {
        let Some((field, call, position)) = self.parts(chain) else { return self.unknown(position) };
        let (slot, cell) = self.slot(field, position)?;
        let ("at", [now]) = (call.name.as_str(), &call.args[..]) else {
            return refused(position, format!("the value of `.{}` is not compiled", call.name));
        };
        let now = self.int(now)?;
        match cell {
            Cell::Int(_) if !now.can_fail() => Ok(Lowered::Int(Int::Slot(slot))),
            Cell::Aggregate(aggregate) if aggregate.at(0).is_some() => {
                Ok(Lowered::Int(Int::At(slot, Box::new(now))))
            }
            _ => refused(position, "`.at` is not compiled here"),
        }
    }

    /// Lowers `state.FIELD.add(..)`; `None` if the expression is something else.
    pub(super) fn add(&mut self, expr: &Expr) -> Result<Option<Statement>> {
        let Expr::Dot(outer, ..) = expr else { return Ok(None) };
        let (Some(Bound::State), Expr::Dot(chain, ..)) = (self.bound(&outer.lhs), &outer.rhs) else {
            return Ok(None);
        };
        let Some((field, call, position)) = self.parts(chain) else { return Ok(None) };
        if call.name.as_str() != "add" {
            return Ok(None);
        }
        let (slot, cell) = self.slot(field, position)?;
        match (cell, &call.args[..]) {
            (Cell::Int(_), [time, now]) => {
                let times = [self.int(time)?, self.int(now)?];
                if times.iter().any(Int::can_fail) {
                    return refused(position, "the arguments of this `add` are not compiled");
                }
                Ok(Some(Statement::Increment(slot)))
            }
            (Cell::Aggregate(aggregate), [time, now]) if matches!(**aggregate, Aggregate::Count(_)) => {
                Ok(Some(Statement::CountEvent(slot, [self.int(time)?, self.int(now)?])))
            }
            (Cell::Aggregate(aggregate), [value, times @ ..]) => {
                let value = self.folded(value)?;
                let times = self.times(aggregate, times, position)?;
                Ok(Some(Statement::Fold(slot, value, times, place(position))))
            }
            _ => refused(position, "this `add` is not compiled"),
        }
    }

    fn folded(&mut self, value: &Expr) -> Result<Folded> {
        match self.value(value)? {
            Lowered::Input(input) => Ok(Folded::Input(input)),
            Lowered::Int(int) => Ok(Folded::Int(int)),
            _ => refused(value.position(), "a value of this kind is not compiled"),
        }
    }

    /// Time and now of a fold; aggregates of everything need neither.
    fn times(&mut self, aggregate: &Aggregate, times: &[Expr], position: Position) -> Result<[Int; 2]> {
        match (aggregate, times) {
            (Aggregate::Count(_), _) => refused(position, "a count folds no value"),
            (_, [time, now]) => Ok([self.int(time)?, self.int(now)?]),
            (Aggregate::Stats(_) | Aggregate::Top(_) | Aggregate::Distinct(_), []) => {
                Ok([Int::Const(0), Int::Const(0)])
            }
            _ => refused(position, "this aggregate needs the time"),
        }
    }
}
