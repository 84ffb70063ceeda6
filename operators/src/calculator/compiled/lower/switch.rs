//! `switch`.

use rhai::{BinaryExpr, Expr, Position, RangeCase, SwitchCasesCollection};

use super::{Lower, Lowered, Result, blocks::Tail, inferred::Key};
use crate::calculator::compiled::{
    any::Any,
    held::View,
    switch::hash,
    tree::{Comparison, Float, Int, Range, Statement, Truth, ends},
};

impl Lower<'_> {
    /// Lowers a `switch`: cases by their hashes, then ranges, then the default. Each case leaves the body.
    pub(super) fn switch(
        &mut self,
        expr: &Expr,
        cases: &SwitchCasesCollection,
        tail: Tail,
        position: Position,
        to: &mut Vec<Statement>,
    ) -> Result<()> {
        let mut value = self.value(expr)?;
        if !value.is_constant() {
            let stored = self.store(Key::Variable(Self::at(position)));
            to.push(self.give(stored, value, position)?);
            value = self.stored(stored);
        }
        let value = self.any(value, position)?;
        let body = self.bodies;
        self.bodies = body.saturating_add(1);
        let lowered = self.cases(value, cases, tail, body);
        self.bodies = body;
        to.push(Statement::Body(lowered?));
        Ok(())
    }

    fn cases(
        &mut self,
        value: Any,
        cases: &SwitchCasesCollection,
        tail: Tail,
        body: u8,
    ) -> Result<Vec<Statement>> {
        let mut all = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "they are sorted next")]
        let mut hashed: Vec<_> = cases.cases.iter().collect();
        hashed.sort_unstable_by_key(|(_, case)| case.blocks.iter().min().copied());
        for (hash, case) in hashed {
            let test = self.has_hash(&value, hash.cast_signed());
            let mut blocks = Vec::new();
            for block in case.blocks.iter().filter(|_| test != Truth::Const(false)) {
                self.case(&cases.expressions[*block], tail, body, &mut blocks)?;
            }
            match test {
                Truth::Const(false) => {}
                Truth::Const(true) => {
                    all.extend(blocks);
                    if ends(&all) {
                        return Ok(all);
                    }
                }
                test => all.push(Statement::If(test, blocks, Vec::new())),
            }
        }
        for range in &cases.ranges {
            let (start, end) = match range {
                RangeCase::ExclusiveInt(range, _) => (range.start, range.end),
                RangeCase::InclusiveInt(range, _) => (*range.start(), *range.end()),
            };
            let within = Range { start, end, inclusive: range.is_inclusive() };
            let mut blocks = Vec::new();
            self.case(&cases.expressions[range.index()], tail, body, &mut blocks)?;
            all.push(Statement::If(Truth::Within(Box::new(value.clone()), within), blocks, Vec::new()));
        }
        match cases.def_case {
            Some(default) => {
                let expr = &cases.expressions[default].rhs;
                self.case_value(expr, tail, &mut all)?;
            }
            None => self.end(Lowered::UNIT, tail, Position::NONE, &mut all)?,
        }
        Ok(all)
    }

    /// Whether a value has Rhai's hash of a literal; known of a constant.
    fn has_hash(&self, value: &Any, literal: i64) -> Truth {
        let known = match value {
            Any::Const(held) => Some(hash(held.view())),
            Any::Int(Int::Const(int)) => Some(hash(View::Int(*int))),
            Any::Float(Float::Const(float)) => Some(hash(View::Float(*float))),
            Any::Truth(Truth::Const(truth)) => Some(hash(View::Bool(*truth))),
            _ => None,
        };
        match known {
            Some(hash) => Truth::Const(hash == literal),
            None => {
                let sides = [Int::Hash(Box::new(value.clone())), Int::Const(literal)];
                Truth::Compare(Comparison::EQ, Box::new(sides))
            }
        }
    }

    /// A case, if its guard holds.
    fn case(&mut self, case: &BinaryExpr, tail: Tail, body: u8, to: &mut Vec<Statement>) -> Result<()> {
        let guard = self.truth(&case.lhs)?;
        let mut statements = Vec::new();
        self.case_value(&case.rhs, tail, &mut statements)?;
        statements.push(Statement::Leave(body));
        match guard {
            Truth::Const(true) => to.extend(statements),
            guard => to.push(Statement::If(guard, statements, Vec::new())),
        }
        Ok(())
    }

    fn case_value(&mut self, expr: &Expr, tail: Tail, to: &mut Vec<Statement>) -> Result<()> {
        let (locals, held) = (self.locals.next, self.held.next);
        self.expression(expr, tail, to)?;
        (self.locals.next, self.held.next) = (locals, held);
        Ok(())
    }
}
