//! Assignments.

use rhai::{BinaryExpr, Expr, OpAssignment, Position};

use super::{
    Lower, Lowered, Result,
    inferred::Key,
    operators, refused,
    scope::{Bound, Stored, Variable},
};
use crate::calculator::{
    Cell,
    compiled::{
        any::Any,
        kind::Kind,
        tree::{Slot, Statement, Target},
    },
};

/// Target of an assignment.
#[derive(Clone, Copy, Debug)]
enum To {
    Variable(Stored),
    Field(Slot, Kind),
}

impl Lower<'_> {
    /// Lowers an assignment to a field or a variable.
    pub(super) fn assignment(
        &mut self,
        operation: &OpAssignment,
        sides: &BinaryExpr,
        to: &mut Vec<Statement>,
    ) -> Result<()> {
        let position = operation.position();
        if let Some(Variable { bound: Bound::Alias(alias), constant: false, .. }) =
            self.variable(&sides.lhs).map(|at| &self.scope[at])
        {
            self.inferred.store(alias.key);
            return Ok(());
        }
        let value = match operation.get_op_assignment_info() {
            None => self.value(&sides.rhs)?,
            Some((.., token, _)) => {
                let by = self.apart(position, |lower| lower.value(&sides.rhs))?;
                let target = self.target(&sides.lhs)?;
                let Some(math) = operators::operator(token) else {
                    return refused(position, "this assignment is not compiled");
                };
                let before = self.before(target)?;
                self.math(math, [before, by], true, position)?
            }
        };
        match self.target(&sides.lhs)? {
            To::Variable(stored) => {
                self.change(self.variable(&sides.lhs).unwrap_or(0));
                to.push(self.give(stored, value, position)?);
            }
            To::Field(slot, kind) => {
                self.change(0);
                let texts = value.kinds().has(Kind::Text);
                to.push(self.set_field(slot, kind, value, position)?);
                if texts {
                    to.push(Statement::CheckLengths(self.place(position)));
                }
            }
        }
        Ok(())
    }

    fn before(&mut self, target: To) -> Result<Lowered> {
        match target {
            To::Variable(stored) => Ok(self.stored(stored)),
            To::Field(slot, kind) => Ok(self.field_value(slot, kind)),
        }
    }

    fn set_field(&mut self, slot: Slot, kind: Kind, value: Lowered, position: Position) -> Result<Statement> {
        let kinds = value.kinds();
        let name = self.context.names.get(usize::from(slot)).map_or("", |name| name.as_str());
        self.faults.assignment(slot, name, (kind, kinds), self.place(position));
        let key = Key::Field(slot);
        if kind == Kind::Text || kinds != kind.into() || self.inferred.has(key) {
            self.inferred.add(key, kinds);
            let variable = self.shadow(slot).unwrap_or(0);
            return Ok(Statement::Put(variable, self.any(value, position)?));
        }
        let target = Target::Slot(slot);
        Ok(match value {
            Lowered::Int(int) => Statement::SetInt(target, int),
            Lowered::Float(float) => Statement::SetFloat(target, float),
            Lowered::Truth(truth) => Statement::SetTruth(target, truth),
            value => Statement::Evaluate(self.any(value, position)?),
        })
    }

    /// Target of an assignment.
    fn target(&self, expr: &Expr) -> Result<To> {
        let position = expr.position();
        if let Some(at) = self.variable(expr) {
            return match &self.scope[at] {
                variable if variable.constant => self.unknown(position),
                variable => match variable.bound {
                    Bound::Variable(stored) => Ok(To::Variable(stored)),
                    _ => self.unknown(position),
                },
            };
        }
        match expr {
            Expr::Dot(chain, ..) if self.is_state(&chain.lhs) => match &chain.rhs {
                Expr::Property(field, _) => match self.slot(&field.2, position)? {
                    (_, Cell::Aggregate(_)) => {
                        refused(position, "a field that is a native aggregate is not compiled here")
                    }
                    (slot, cell) => Kind::of_cell(cell)
                        .map_or_else(|| self.unknown(position), |kind| Ok(To::Field(slot, kind))),
                },
                _ => self.unknown(position),
            },
            _ => self.unknown(position),
        }
    }

    /// Where the texts of the state are.
    pub(super) fn texts(&self) -> Vec<Any> {
        let cells = self.context.initial.iter().zip(0u8..);
        let text = |(cell, slot): (&Cell, Slot)| match (self.shadow(slot), cell) {
            (Some(variable), _) => Some(Any::Local(variable, Kind::Text.into())),
            (None, Cell::Text(_)) => Some(Any::Text(slot)),
            (None, _) => None,
        };
        cells.filter_map(text).collect()
    }
}
