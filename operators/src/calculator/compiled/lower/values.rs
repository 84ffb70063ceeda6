//! Values: constants, names, logic, and texts with values in them.

use rhai::{Dynamic, Expr, Position};

use super::{Lower, Lowered, Result, inferred::Key, refused, scope::Bound};
use crate::calculator::compiled::{
    any::Any,
    compare,
    held::{Held, View},
    kind::Kind,
    tree::{Comparison, Float, Int, Statement, Truth},
};

impl Lower<'_> {
    /// Lowers an expression.
    pub(super) fn value(&mut self, expr: &Expr) -> Result<Lowered> {
        let position = expr.position();
        self.count_node(position)?;
        Ok(match expr {
            Expr::IntegerConstant(int, _) => Lowered::Int(Int::Const(*int)),
            Expr::BoolConstant(truth, _) => Lowered::Truth(Truth::Const(*truth)),
            Expr::FloatConstant(float, _) => Lowered::Float(Float::Const(**float)),
            Expr::StringConstant(text, _) => text_constant(text),
            Expr::CharConstant(character, _) => Lowered::Any(Any::Const(Held::Char(*character))),
            Expr::DynamicConstant(value, _) => constant(value, position)?,
            Expr::Unit(_) => Lowered::UNIT,
            Expr::Variable(..) => self.name(expr)?,
            Expr::Dot(..) | Expr::Index(..) => self.access(expr)?,
            Expr::And(parts, _) => Lowered::Truth(self.logic(parts, true)?),
            Expr::Or(parts, _) => Lowered::Truth(self.logic(parts, false)?),
            Expr::Coalesce(parts, _) => self.coalesce(parts, position)?,
            Expr::FnCall(call, position) => self.call(call, *position)?,
            Expr::InterpolatedString(parts, _) => self.join(parts)?,
            Expr::Stmt(block) => self.block_value(block.statements(), position)?,
            other => return refused(position, format!("{} is not compiled", kind(other))),
        })
    }

    fn name(&mut self, expr: &Expr) -> Result<Lowered> {
        if let Some(value) = self.variable(expr).and_then(|at| self.aliased(at)) {
            return Ok(value);
        }
        match self.bound(expr) {
            Some(Bound::Now) => Ok(Lowered::Int(Int::Now)),
            Some(Bound::Variable(stored)) => Ok(self.stored(*stored)),
            _ => self.unknown(expr.position()),
        }
    }

    /// Lowers an expression that must be true or false.
    pub(super) fn truth(&mut self, expr: &Expr) -> Result<Truth> {
        let position = expr.position();
        match self.value(expr)? {
            Lowered::Truth(truth) => Ok(truth),
            value => Ok(Truth::Of(Box::new(self.any(value, position)?), self.place(position))),
        }
    }

    /// Lowers an expression that must be an integer.
    pub(super) fn int(&mut self, expr: &Expr) -> Result<Int> {
        match self.value(expr)? {
            Lowered::Int(int) => Ok(int),
            _ => refused(expr.position(), "this is not known to be an integer"),
        }
    }

    /// Lowers `&&` (`all`) or `||`. Parts behind a constant that decides are not looked at.
    fn logic(&mut self, parts: &[Expr], all: bool) -> Result<Truth> {
        let mut kept = Vec::new();
        for part in parts {
            match self.truth(part)? {
                Truth::Const(truth) if truth == all => {}
                Truth::Const(truth) => {
                    if !kept.iter().any(Truth::can_fail) {
                        return Ok(Truth::Const(truth));
                    }
                    kept.push(Truth::Const(truth));
                    break;
                }
                truth => kept.push(truth),
            }
        }
        Ok(match (kept.len(), all) {
            (0, _) => Truth::Const(all),
            (1, _) => kept.remove(0),
            (_, true) => Truth::All(kept),
            (_, false) => Truth::Any(kept),
        })
    }

    /// Lowers `??`: the first part that is not `()`, or the last.
    fn coalesce(&mut self, parts: &[Expr], position: Position) -> Result<Lowered> {
        let Some((last, others)) = parts.split_last() else { return self.unknown(position) };
        let result = self.store(Key::Result(Self::at(position)));
        let body = self.bodies;
        self.bodies = self.bodies.saturating_add(1);
        let mut statements = Vec::new();
        for part in others {
            let value = self.value(part)?;
            statements.push(self.give(result, value, position)?);
            let value = self.stored(result);
            let present = self.compare(Comparison::NE, value, Lowered::UNIT, position)?;
            let Lowered::Truth(present) = present else { return self.unknown(position) };
            statements.push(Statement::If(present, vec![Statement::Leave(body)], Vec::new()));
        }
        let value = self.value(last)?;
        statements.push(self.give(result, value, position)?);
        self.bodies = body;
        self.after(vec![Statement::Body(statements)], self.stored(result), position)
    }

    /// Lowers a text with values in it.
    fn join(&mut self, parts: &[Expr]) -> Result<Lowered> {
        let part = |part: &Expr| {
            let value = self.value(part)?;
            Ok((self.any(value, part.position())?, self.place(part.position())))
        };
        Ok(Lowered::Any(Any::Join(parts.iter().map(part).collect::<Result<_>>()?)))
    }

    /// Lowers a comparison, which holds between values of different kinds only if it is `!=`.
    pub(super) fn compare(
        &mut self,
        comparison: Comparison,
        a: Lowered,
        b: Lowered,
        position: Position,
    ) -> Result<Lowered> {
        let truth = match (a, b) {
            (Lowered::Int(Int::Const(a)), Lowered::Int(Int::Const(b))) => {
                Truth::Const(comparison.holds(a, b))
            }
            (Lowered::Int(a), Lowered::Int(b)) => Truth::Compare(comparison, Box::new([a, b])),
            (Lowered::Float(a), Lowered::Float(b)) => Truth::CompareFloats(comparison, Box::new([a, b])),
            (Lowered::Float(a), Lowered::Int(b)) => {
                Truth::CompareFloats(comparison, Box::new([a, Float::OfInt(Box::new(b))]))
            }
            (Lowered::Int(a), Lowered::Float(b)) => {
                Truth::CompareFloats(comparison, Box::new([Float::OfInt(Box::new(a)), b]))
            }
            (Lowered::Truth(a), Lowered::Truth(Truth::Const(b))) if comparison == Comparison::EQ => {
                equal(a, b)
            }
            (Lowered::Truth(a), Lowered::Truth(Truth::Const(b))) if comparison == Comparison::NE => {
                equal(a, !b)
            }
            (a, b) => compare_any(comparison, self.any(a, position)?, self.any(b, position)?),
        };
        Ok(Lowered::Truth(truth))
    }
}

fn equal(truth: Truth, to: bool) -> Truth {
    if to { truth } else { Truth::Not(Box::new(truth)) }
}

fn compare_any(comparison: Comparison, a: Any, b: Any) -> Truth {
    let comparable = |a: Kind, b: Kind| {
        let texts = |kind: Kind| matches!(kind, Kind::Text | Kind::Char);
        a == b || a.is_number() && b.is_number() || texts(a) && texts(b)
    };
    match (&a, &b) {
        (Any::Const(a), Any::Const(b)) => Truth::Const(compare::holds(comparison, a.view(), b.view())),
        _ if [&a, &b].iter().all(|side| side.kinds() == Kind::Unit.into() && !side.can_fail()) => {
            Truth::Const(comparison == Comparison::EQ)
        }
        (Any::Input(input), Any::Const(Held::Unit)) | (Any::Const(Held::Unit), Any::Input(input)) => {
            match comparison {
                Comparison::NE => Truth::Present(*input),
                Comparison::EQ => Truth::Not(Box::new(Truth::Present(*input))),
                _ => Truth::Const(false),
            }
        }
        _ if !a.can_fail()
            && !b.can_fail()
            && !a.kinds().iter().any(|a| b.kinds().iter().any(|b| comparable(a, b))) =>
        {
            Truth::Const(comparison == Comparison::NE)
        }
        _ => Truth::CompareAny(comparison, Box::new([a, b])),
    }
}

pub(super) fn text_constant(text: &str) -> Lowered {
    Lowered::Any(Any::Const(text.to_owned().into()))
}

/// A constant of Rhai's.
pub(super) fn constant(value: &Dynamic, position: Position) -> Result<Lowered> {
    if value.is_array() || value.is_map() {
        return Ok(Lowered::Data(value.clone()));
    }
    match scalar(value) {
        Some(held) => Ok(match held.view() {
            View::Int(int) => Lowered::Int(Int::Const(int)),
            View::Float(float) => Lowered::Float(Float::Const(float)),
            View::Bool(truth) => Lowered::Truth(Truth::Const(truth)),
            _ => Lowered::Any(Any::Const(held)),
        }),
        None => refused(position, format!("a constant that is {} is not compiled", value.type_name())),
    }
}

/// A constant scalar of Rhai's; `None` for anything else.
pub(super) fn scalar(value: &Dynamic) -> Option<Held<'static>> {
    if value.is_unit() {
        return Some(Held::Unit);
    }
    let number = value.as_int().map(Held::Int).or_else(|_| value.as_float().map(Held::Float));
    let word =
        number.or_else(|_| value.as_bool().map(Held::Bool)).or_else(|_| value.as_char().map(Held::Char));
    word.ok().or_else(|| Some(value.as_immutable_string_ref().ok()?.to_string().into()))
}

fn kind(expr: &Expr) -> &'static str {
    match expr {
        Expr::Array(..) => "an array",
        Expr::Map(..) => "a map",
        Expr::ThisPtr(_) => "`this`",
        _ => "this",
    }
}
