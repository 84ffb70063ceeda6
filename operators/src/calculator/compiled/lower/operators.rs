//! Operators.

use rhai::{Expr, FnCallExpr, Position, Token};

use super::{Lower, Lowered, Result, refused};
use crate::calculator::compiled::{
    any::{Any, Call},
    function::Function,
    kind::Kind,
    math::Math,
    place::Place,
    tree::{Comparison, Float, Int, Truth},
};

impl Lower<'_> {
    /// Lowers an operator or the call of a function.
    pub(super) fn call(&mut self, call: &FnCallExpr, position: Position) -> Result<Lowered> {
        match (&call.op_token, &call.args[..]) {
            (Some(Token::Bang), [part]) => self.not(part, position),
            (Some(Token::Minus | Token::UnaryMinus), [part]) => {
                let value = self.value(part)?;
                self.math(Math::Negate, [value, Lowered::Int(Int::Const(0))], false, position)
            }
            (Some(Token::NotIn), [text, part]) => {
                if let Some(own) = self.own(&call.name, 2) {
                    return self.own_call(own, &call.args, position);
                }
                let text = self.value(text)?;
                self.native(&call.name, text, std::slice::from_ref(part), (false, position))
            }
            (Some(token), [a, b]) => {
                let a = self.value(a)?;
                let b = if a.is_constant() {
                    self.value(b)?
                } else {
                    self.apart(position, |lower| lower.value(b))?
                };
                match (comparison(token), operator(token)) {
                    (Some(comparison), _) => self.compare(comparison, a, b, position),
                    (_, Some(operator)) => self.math(operator, [a, b], false, position),
                    _ => refused(position, format!("`{}` is not compiled", call.name)),
                }
            }
            (Some(_), _) => refused(position, format!("`{}` is not compiled here", call.name)),
            (None, _) => self.function_call(call, position),
        }
    }

    /// Lowers `!`.
    fn not(&mut self, part: &Expr, position: Position) -> Result<Lowered> {
        Ok(match self.value(part)? {
            Lowered::Truth(Truth::Const(truth)) => Lowered::Truth(Truth::Const(!truth)),
            Lowered::Truth(Truth::Not(part)) => Lowered::Truth(*part),
            Lowered::Truth(truth) => Lowered::Truth(Truth::Not(Box::new(truth))),
            value => {
                let place = self.place(position);
                if !value.kinds().has(Kind::Bool) {
                    self.faults.without_result("!", &[value.kinds()], place);
                }
                let arguments = [self.any(value, position)?, Any::UNIT];
                let call = Call { function: Function::Not, arguments, lent: false, place };
                Lowered::of(Any::Call(Box::new(call)))
            }
        })
    }

    /// An operator or a function of numbers; a constant if both sides are and it has a result. `assigned` is
    /// whether its result replaces the first operand.
    pub(super) fn math(
        &mut self,
        math: Math,
        sides: [Lowered; 2],
        assigned: bool,
        position: Position,
    ) -> Result<Lowered> {
        let place = self.place(position);
        let [a, b] = sides;
        let kinds = math.kinds(a.kinds(), b.kinds());
        if kinds.is_empty() {
            let operands = [a.kinds(), b.kinds()];
            let number = if math.is_unary() { 1 } else { 2 };
            self.faults.without_result(math.name(), &operands[..number], place);
        }
        Ok(match (a, b) {
            (Lowered::Int(a), Lowered::Int(b)) if !kinds.is_empty() => {
                Lowered::Int(of_ints(math, [a, b], place))
            }
            (Lowered::Float(a), _) if math.is_unary() => {
                Lowered::Float(Float::Math(math, Box::new([a.clone(), a])))
            }
            (a @ (Lowered::Float(_) | Lowered::Int(_)), b @ (Lowered::Float(_) | Lowered::Int(_)))
                if !kinds.is_empty() =>
            {
                Lowered::Float(Float::Math(math, Box::new([float(a), float(b)])))
            }
            (a, b) => {
                let sides = Box::new([self.any(a, position)?, self.any(b, position)?]);
                let any = if assigned { Any::Assign } else { Any::Math };
                Lowered::of(any(math, sides, place))
            }
        })
    }
}

/// An operator on integers; a constant if both are and it has a result.
fn of_ints(math: Math, sides: [Int; 2], place: Place) -> Int {
    let result = match &sides {
        [Int::Const(a), Int::Const(b)] => math.apply(*a, *b),
        _ => None,
    };
    result.map_or_else(|| Int::Math(math, Box::new(sides), place), Int::Const)
}

/// A number as a float.
fn float(value: Lowered) -> Float {
    match value {
        Lowered::Int(Int::Const(int)) => Float::Const(int as f64),
        Lowered::Int(int) => Float::OfInt(Box::new(int)),
        Lowered::Float(float) => float,
        _ => Float::Const(0.0),
    }
}

fn comparison(token: &Token) -> Option<Comparison> {
    Some(match token {
        Token::EqualsTo => Comparison::EQ,
        Token::NotEqualsTo => Comparison::NE,
        Token::GreaterThan => Comparison::GT,
        Token::GreaterThanEqualsTo => Comparison::GE,
        Token::LessThan => Comparison::LT,
        Token::LessThanEqualsTo => Comparison::LE,
        _ => return None,
    })
}

/// The operator that a token writes.
pub(super) fn operator(token: &Token) -> Option<Math> {
    Some(match token {
        Token::Plus => Math::Add,
        Token::Minus => Math::Subtract,
        Token::Multiply => Math::Multiply,
        Token::Divide => Math::Divide,
        Token::Modulo => Math::Remainder,
        Token::PowerOf => Math::Power,
        Token::LeftShift => Math::ShiftLeft,
        Token::RightShift => Math::ShiftRight,
        Token::Ampersand => Math::And,
        Token::Pipe => Math::Or,
        Token::XOr => Math::Xor,
        _ => return None,
    })
}
