//! Operators and functions.

use rhai::{FnCallExpr, Position, Token};

use super::{Lower, Lowered, Result, place, refused};
use crate::{
    calculator::compiled::{
        math::Math,
        tree::{Against, Comparison, Int, Truth},
    },
    model::value::Value,
};

impl Lower<'_> {
    /// Lowers an operator or the call of a function.
    pub(super) fn call(&mut self, call: &FnCallExpr, position: Position) -> Result<Lowered> {
        match (&call.op_token, &call.args[..]) {
            (Some(Token::Bang), [part]) => Ok(Lowered::Truth(match self.truth(part)? {
                Truth::Const(truth) => Truth::Const(!truth),
                Truth::Not(part) => *part,
                truth => Truth::Not(Box::new(truth)),
            })),
            (Some(Token::Minus | Token::UnaryMinus), [part]) => {
                let int = self.int(part)?;
                Ok(Lowered::Int(math(Math::Negate, [int, Int::Const(0)], position)))
            }
            (Some(token), [a, b]) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                match (comparison(token), operator(token), a, b) {
                    (Some(comparison), _, a, b) => compare(comparison, a, b, position),
                    (_, Some(operator), Lowered::Int(a), Lowered::Int(b)) => {
                        Ok(Lowered::Int(math(operator, [a, b], position)))
                    }
                    _ => refused(position, format!("`{}` is compiled for integers only", call.name)),
                }
            }
            _ => self.native(call, position),
        }
    }

    /// Lowers the call of a native function of integers.
    fn native(&mut self, call: &FnCallExpr, position: Position) -> Result<Lowered> {
        let name = call.name.as_str();
        if self.context.functions.iter().any(|function| function == name) {
            return refused(position, format!("the script's own function `{name}` is not compiled"));
        }
        let (function, sides) = match (name, &call.args[..]) {
            ("abs", [a]) => (Math::Abs, [self.int(a)?, Int::Const(0)]),
            ("min", [a, b]) => (Math::Min, [self.int(a)?, self.int(b)?]),
            ("max", [a, b]) => (Math::Max, [self.int(a)?, self.int(b)?]),
            ("to_int", [a]) => return Ok(Lowered::Int(self.int(a)?)),
            _ => return refused(position, format!("the function `{name}` is not compiled here")),
        };
        Ok(Lowered::Int(math(function, sides, position)))
    }
}

/// An operator on integers; a constant if both sides are and it has a result.
pub(super) fn math(operator: Math, sides: [Int; 2], position: Position) -> Int {
    match &sides {
        [Int::Const(a), Int::Const(b)] => match operator.apply(*a, *b) {
            Some(result) => Int::Const(result),
            None => Int::Math(operator, Box::new(sides), place(position)),
        },
        _ => Int::Math(operator, Box::new(sides), place(position)),
    }
}

fn compare(comparison: Comparison, a: Lowered, b: Lowered, position: Position) -> Result<Lowered> {
    // Values of different kinds are unequal, and neither is the greater.
    let unequal = Truth::Const(comparison == Comparison::NE);
    Ok(Lowered::Truth(match (a, b) {
        (Lowered::Int(Int::Const(a)), Lowered::Int(Int::Const(b))) => Truth::Const(comparison.holds(a, b)),
        (Lowered::Int(a), Lowered::Int(b)) => Truth::Compare(comparison, Box::new([a, b])),
        (Lowered::Text(a), Lowered::Text(b)) => Truth::Const(comparison.holds(&a, &b)),
        (Lowered::Unit, Lowered::Unit) => Truth::Const(comparison == Comparison::EQ),
        (Lowered::Input(input), Lowered::Unit) | (Lowered::Unit, Lowered::Input(input)) => match comparison {
            Comparison::NE => Truth::Present(input),
            Comparison::EQ => Truth::Not(Box::new(Truth::Present(input))),
            _ => Truth::Const(false),
        },
        (Lowered::Text(_), Lowered::Unit) | (Lowered::Unit, Lowered::Text(_)) => unequal,
        (Lowered::Int(int), Lowered::Unit | Lowered::Text(_))
        | (Lowered::Unit | Lowered::Text(_), Lowered::Int(int))
            if !int.can_fail() =>
        {
            unequal
        }
        (Lowered::Truth(truth), Lowered::Unit | Lowered::Text(_))
        | (Lowered::Unit | Lowered::Text(_), Lowered::Truth(truth))
            if !truth.can_fail() =>
        {
            unequal
        }
        (Lowered::Input(input), against) => match self::against(against) {
            Some(against) => Truth::CompareInput(comparison, input, against),
            None => return refused(position, "a comparison of a property with this is not compiled"),
        },
        (against, Lowered::Input(input)) => match self::against(against) {
            Some(against) => Truth::CompareInput(comparison.mirrored(), input, against),
            None => return refused(position, "a comparison of a property with this is not compiled"),
        },
        (Lowered::Truth(a), Lowered::Truth(Truth::Const(b))) if comparison == Comparison::EQ => equal(a, b),
        (Lowered::Truth(a), Lowered::Truth(Truth::Const(b))) if comparison == Comparison::NE => equal(a, !b),
        _ => return refused(position, "a comparison of these kinds is not compiled"),
    }))
}

/// What a property can be compared with.
fn against(value: Lowered) -> Option<Against> {
    Some(match value {
        Lowered::Int(int) => Against::Int(int),
        Lowered::Float(float) => Against::Constant(Value::Float(float)),
        Lowered::Text(text) => Against::Constant(Value::Text(text.to_string().into())),
        Lowered::Truth(Truth::Const(truth)) => Against::Constant(Value::Bool(truth)),
        _ => return None,
    })
}

fn equal(truth: Truth, to: bool) -> Truth {
    if to { truth } else { Truth::Not(Box::new(truth)) }
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

/// The operator on integers that a token writes.
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
