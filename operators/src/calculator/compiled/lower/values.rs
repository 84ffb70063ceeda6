//! Values: constants, names, params, properties and logic.

use rhai::{ASTFlags, BinaryExpr, Dynamic, Expr, Position};

use super::{Lower, Lowered, Result, refused, scope::Bound};
use crate::calculator::compiled::tree::{Int, Truth};

impl Lower<'_> {
    /// Lowers an expression.
    pub(super) fn value(&mut self, expr: &Expr) -> Result<Lowered> {
        let position = expr.position();
        self.count_node(position)?;
        Ok(match expr {
            Expr::IntegerConstant(int, _) => Lowered::Int(Int::Const(*int)),
            Expr::BoolConstant(truth, _) => Lowered::Truth(Truth::Const(*truth)),
            Expr::StringConstant(text, _) => Lowered::Text(text.clone()),
            Expr::FloatConstant(float, _) => Lowered::Float(**float),
            Expr::Unit(_) => Lowered::Unit,
            Expr::Variable(..) => match self.bound(expr) {
                Some(Bound::Now) => Lowered::Int(Int::Now),
                Some(Bound::Int(local)) => Lowered::Int(Int::Local(local)),
                Some(Bound::Truth(local)) => Lowered::Truth(Truth::Local(local)),
                _ => return self.unknown(position),
            },
            Expr::Dot(chain, flags, _) | Expr::Index(chain, flags, _) => {
                self.access(expr, chain, *flags, position)?
            }
            Expr::And(parts, _) => Lowered::Truth(self.logic(parts, true)?),
            Expr::Or(parts, _) => Lowered::Truth(self.logic(parts, false)?),
            Expr::FnCall(call, position) => self.call(call, *position)?,
            other => return refused(position, format!("{} is not compiled", kind(other))),
        })
    }

    /// Lowers an expression that must be true or false.
    pub(super) fn truth(&mut self, expr: &Expr) -> Result<Truth> {
        match self.value(expr)? {
            Lowered::Truth(truth) => Ok(truth),
            _ => refused(expr.position(), "this is not known to be true or false"),
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

    /// Lowers `state.F`, `state.F.method(..)`, `event.N`, `event["N"]`, `event[params.N]` or `params.N`.
    fn access(
        &mut self,
        expr: &Expr,
        chain: &BinaryExpr,
        flags: ASTFlags,
        position: Position,
    ) -> Result<Lowered> {
        let dotted = matches!(expr, Expr::Dot(..));
        let name = match &chain.rhs {
            Expr::Property(property, _) if dotted => Some(property.2.clone()),
            Expr::StringConstant(text, _) if !dotted => Some(text.clone()),
            Expr::Dot(..) | Expr::Index(..) if !dotted && flags.contains(ASTFlags::BREAK) => {
                match self.value(&chain.rhs)? {
                    Lowered::Text(text) => Some(text),
                    _ => None,
                }
            }
            _ => None,
        };
        match (self.bound(&chain.lhs), name, &chain.rhs) {
            (Some(Bound::Event), Some(name), _) => self.property(&name, position),
            (Some(Bound::Params), Some(name), _) => match self.context.params.get(name.as_str()) {
                Some(value) => constant(value, position),
                None => refused(position, format!("there is no param `{name}`")),
            },
            (Some(Bound::State), Some(name), _) => self.field(&name, position),
            (Some(Bound::State), None, Expr::Dot(method, ..)) if dotted => self.method(method, position),
            _ => self.unknown(position),
        }
    }

    fn property(&self, name: &str, position: Position) -> Result<Lowered> {
        let int = match name {
            "time" => Int::Time,
            "now" => Int::Now,
            "step" => Int::Step,
            name => {
                let input = self.context.inputs.0.iter().position(|input| input == name);
                return match input.and_then(|input| u8::try_from(input).ok()) {
                    Some(input) => Ok(Lowered::Input(input)),
                    None => refused(position, format!("`{name}` is not among the properties read")),
                };
            }
        };
        Ok(Lowered::Int(int))
    }
}

fn constant(value: &Dynamic, position: Position) -> Result<Lowered> {
    if value.is_unit() {
        return Ok(Lowered::Unit);
    }
    if let Ok(int) = value.as_int() {
        return Ok(Lowered::Int(Int::Const(int)));
    }
    if let Ok(truth) = value.as_bool() {
        return Ok(Lowered::Truth(Truth::Const(truth)));
    }
    if let Ok(float) = value.as_float() {
        return Ok(Lowered::Float(float));
    }
    match value.as_immutable_string_ref() {
        Ok(text) => Ok(Lowered::Text(text.clone())),
        Err(kind) => refused(position, format!("a param that is {kind} is not compiled")),
    }
}

fn kind(expr: &Expr) -> &'static str {
    match expr {
        Expr::CharConstant(..) => "a character",
        Expr::InterpolatedString(..) => "an interpolated text",
        Expr::Array(..) => "an array",
        Expr::Map(..) => "a map",
        Expr::Stmt(_) => "a block used as a value",
        Expr::Coalesce(..) => "`??`",
        Expr::ThisPtr(_) => "`this`",
        _ => "this",
    }
}
