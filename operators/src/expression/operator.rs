//! Operators and functions. Results are those of Rhai's operators for the operands that Rhai's take, but for division:
//! `/` is of floats, and what is divided by zero is absent, so that a share of two counts is one.

use std::cmp::Ordering;

use super::operand::{EvalError, Operand};

/// Arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Math {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// Functions of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Min,
    Max,
    Round,
    Floor,
    Ceil,
}

impl Math {
    pub(super) fn name(self) -> &'static str {
        match self {
            Math::Add => "+",
            Math::Subtract => "-",
            Math::Multiply => "*",
            Math::Divide => "/",
            Math::Remainder => "%",
            Math::Power => "**",
        }
    }

    /// Applies the operator; absent if either operand is, and for a division by zero.
    pub(super) fn apply<'o>(self, a: &Operand<'_>, b: &Operand<'_>) -> Result<Operand<'o>, EvalError> {
        match (a, b) {
            (Operand::Absent, _) | (_, Operand::Absent) => Ok(Operand::Absent),
            (Operand::Int(a), Operand::Int(b))
                if self != Math::Divide && !(self == Math::Remainder && *b == 0) =>
            {
                self.integers(*a, *b).map(Operand::Int)
            }
            _ => match (a.float(), b.float()) {
                (Some(_), Some(0.0)) if matches!(self, Math::Divide | Math::Remainder) => Ok(Operand::Absent),
                (Some(a), Some(b)) => Ok(Operand::Float(self.floats(a, b))),
                (None, _) => Err(a.not_a_number(self.name())),
                (_, None) => Err(b.not_a_number(self.name())),
            },
        }
    }

    fn integers(self, a: i64, b: i64) -> Result<i64, EvalError> {
        let result = match self {
            Math::Add => a.checked_add(b),
            Math::Subtract => a.checked_sub(b),
            Math::Multiply => a.checked_mul(b),
            // Of floats, see `apply`.
            Math::Divide => None,
            Math::Remainder => a.checked_rem(b),
            Math::Power if b < 0 => return Err(EvalError::NegativePower),
            Math::Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        };
        result.ok_or(EvalError::Overflow(self.name()))
    }

    fn floats(self, a: f64, b: f64) -> f64 {
        match self {
            Math::Add => a + b,
            Math::Subtract => a - b,
            Math::Multiply => a * b,
            Math::Divide => a / b,
            Math::Remainder => a % b,
            Math::Power => a.powf(b),
        }
    }
}

impl Comparison {
    /// Whether the comparison holds: never with an absent operand, and only `!=` between different kinds.
    pub(super) fn holds(self, a: &Operand<'_>, b: &Operand<'_>) -> bool {
        match (a, b) {
            (Operand::Absent, _) | (_, Operand::Absent) => false,
            (Operand::Int(a), Operand::Int(b)) => self.accepts(a.cmp(b)),
            (Operand::Bool(a), Operand::Bool(b)) => self.accepts(a.cmp(b)),
            (Operand::Text(a), Operand::Text(b)) => self.accepts(a.as_ref().cmp(b.as_ref())),
            _ => match (a.float(), b.float()) {
                (Some(a), Some(b)) => self.floats(a, b),
                _ => self == Comparison::Ne,
            },
        }
    }

    fn accepts(self, order: Ordering) -> bool {
        match self {
            Comparison::Eq => order.is_eq(),
            Comparison::Ne => order.is_ne(),
            Comparison::Gt => order.is_gt(),
            Comparison::Ge => order.is_ge(),
            Comparison::Lt => order.is_lt(),
            Comparison::Le => order.is_le(),
        }
    }

    /// Rhai's comparison of floats: their difference relative to the larger of the two.
    fn floats(self, a: f64, b: f64) -> bool {
        let scale = if a * b == 0.0 { 1.0 } else { a.abs().max(b.abs()) };
        match self {
            // Reached only if an operand is NaN.
            _ if scale == 0.0 => self.accepts(Ordering::Equal),
            Comparison::Eq => (a - b).abs() / scale <= f64::EPSILON,
            Comparison::Ne => (a - b).abs() / scale > f64::EPSILON,
            Comparison::Gt => (a - b) / scale > f64::EPSILON,
            Comparison::Ge => (a - b) / scale > -f64::EPSILON,
            Comparison::Lt => (b - a) / scale > f64::EPSILON,
            Comparison::Le => (b - a) / scale > -f64::EPSILON,
        }
    }
}

impl Function {
    /// The function of that name, and its number of arguments.
    pub(super) fn named(name: &str) -> Option<(Function, usize)> {
        Some(match name {
            "abs" => (Function::Abs, 1),
            "min" => (Function::Min, 2),
            "max" => (Function::Max, 2),
            "round" => (Function::Round, 1),
            "floor" => (Function::Floor, 1),
            "ceil" => (Function::Ceil, 1),
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Function::Abs => "abs",
            Function::Min => "min",
            Function::Max => "max",
            Function::Round => "round",
            Function::Floor => "floor",
            Function::Ceil => "ceil",
        }
    }

    /// Applies the function; `b` is the second argument of `min` and `max`, the others ignore it.
    pub(super) fn apply<'o>(self, a: &Operand<'_>, b: &Operand<'_>) -> Result<Operand<'o>, EvalError> {
        match (self, a, b) {
            (_, Operand::Absent, _) => Ok(Operand::Absent),
            (Function::Min | Function::Max, _, Operand::Absent) => Ok(Operand::Absent),
            (Function::Abs, Operand::Int(i), _) => {
                i.checked_abs().map(Operand::Int).ok_or(EvalError::Overflow("abs"))
            }
            (Function::Min, Operand::Int(a), Operand::Int(b)) => Ok(Operand::Int(*a.min(b))),
            (Function::Max, Operand::Int(a), Operand::Int(b)) => Ok(Operand::Int(*a.max(b))),
            (Function::Round | Function::Floor | Function::Ceil, Operand::Int(i), _) => Ok(Operand::Int(*i)),
            _ => match (a.float(), b.float()) {
                (None, _) => Err(a.not_a_number(self.name())),
                (Some(a), Some(b)) => Ok(Operand::Float(self.floats(a, b))),
                (Some(_), None) => Err(b.not_a_number(self.name())),
            },
        }
    }

    fn floats(self, a: f64, b: f64) -> f64 {
        match self {
            Function::Abs => a.abs(),
            Function::Min => {
                if a <= b {
                    a
                } else {
                    b
                }
            }
            Function::Max => {
                if a >= b {
                    a
                } else {
                    b
                }
            }
            Function::Round => a.round(),
            Function::Floor => a.floor(),
            Function::Ceil => a.ceil(),
        }
    }
}
