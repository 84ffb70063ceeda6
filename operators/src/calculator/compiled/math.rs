//! Operators and functions of numbers: results and messages are those of Rhai and of the native functions.

use super::kind::{Kind, Kinds};

/// An operator or function of numbers; some operators also take texts or truths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Math {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    ShiftLeft,
    ShiftRight,
    And,
    Or,
    Xor,
    /// Of the first operand.
    Negate,
    /// Of the first operand.
    Abs,
    Min,
    Max,
    /// Of the first operand, a float.
    Floor,
    /// Of the first operand, a float.
    Ceil,
    /// Of the first operand, a float.
    Round,
}

impl Math {
    /// Its name in scripts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Math::Add => "+",
            Math::Subtract | Math::Negate => "-",
            Math::Multiply => "*",
            Math::Divide => "/",
            Math::Remainder => "%",
            Math::Power => "**",
            Math::ShiftLeft => "<<",
            Math::ShiftRight => ">>",
            Math::And => "&",
            Math::Or => "|",
            Math::Xor => "^",
            Math::Abs => "abs",
            Math::Min => "min",
            Math::Max => "max",
            Math::Floor => "floor",
            Math::Ceil => "ceil",
            Math::Round => "round",
        }
    }

    /// Whether it has a single operand; the second one is then of no meaning.
    pub(super) fn is_unary(self) -> bool {
        matches!(self, Math::Negate | Math::Abs | Math::Floor | Math::Ceil | Math::Round)
    }

    /// Whether an integer beside a float becomes a float.
    fn mixes(self) -> bool {
        matches!(
            self,
            Math::Add | Math::Subtract | Math::Multiply | Math::Divide | Math::Remainder | Math::Power
        )
    }

    /// Kind of the result for operands of two kinds; `None` if it takes no such operands.
    pub(super) fn kind(self, a: Kind, b: Kind) -> Option<Kind> {
        match (self, a, b) {
            (Math::Floor | Math::Ceil | Math::Round, ..) => (a == Kind::Float).then_some(Kind::Float),
            (Math::Negate | Math::Abs, Kind::Int | Kind::Float, _) => Some(a),
            (Math::Negate | Math::Abs, ..) => None,
            (_, Kind::Int, Kind::Int) => Some(Kind::Int),
            (Math::Min | Math::Max, Kind::Float, Kind::Float) => Some(Kind::Float),
            (_, Kind::Int | Kind::Float, Kind::Int | Kind::Float) => self.mixes().then_some(Kind::Float),
            (Math::And | Math::Or | Math::Xor, Kind::Bool, Kind::Bool) => Some(Kind::Bool),
            (Math::Add, Kind::Text | Kind::Char, Kind::Text | Kind::Char) => Some(Kind::Text),
            (Math::Add, Kind::Unit, Kind::Text) | (Math::Add, Kind::Text, Kind::Unit) => Some(Kind::Text),
            (Math::Subtract, Kind::Text, Kind::Text | Kind::Char) => Some(Kind::Text),
            _ => None,
        }
    }

    /// Kinds that results can have; none if it fails for all operands of these kinds.
    pub(super) fn kinds(self, a: Kinds, b: Kinds) -> Kinds {
        if self.is_unary() {
            return a.iter().filter_map(|a| self.kind(a, a)).collect();
        }
        a.iter().flat_map(|a| b.iter().filter_map(move |b| self.kind(a, b))).collect()
    }

    /// Applies the operator to floats; `None` if it takes none.
    pub(super) fn on_floats(self, a: f64, b: f64) -> Option<f64> {
        Some(match self {
            Math::Add => a + b,
            Math::Subtract => a - b,
            Math::Multiply => a * b,
            Math::Divide => a / b,
            Math::Remainder => a % b,
            Math::Power => a.powf(b),
            Math::Negate => -a,
            Math::Abs => a.abs(),
            Math::Min => a.min(b),
            Math::Max => a.max(b),
            Math::Floor => a.floor(),
            Math::Ceil => a.ceil(),
            Math::Round => a.round(),
            Math::ShiftLeft | Math::ShiftRight | Math::And | Math::Or | Math::Xor => return None,
        })
    }

    /// Applies the operator to integers; `None` if it fails.
    pub(super) fn apply(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Math::Add => a.checked_add(b),
            Math::Subtract => a.checked_sub(b),
            Math::Multiply => a.checked_mul(b),
            Math::Divide => a.checked_div(b),
            Math::Remainder => a.checked_rem(b),
            Math::Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
            Math::ShiftLeft => Some(shift_left(a, b)),
            Math::ShiftRight => Some(shift_right(a, b)),
            Math::And => Some(a & b),
            Math::Or => Some(a | b),
            Math::Xor => Some(a ^ b),
            Math::Negate => a.checked_neg(),
            Math::Abs => a.checked_abs(),
            Math::Min => Some(a.min(b)),
            Math::Max => Some(a.max(b)),
            Math::Floor | Math::Ceil | Math::Round => None,
        }
    }

    /// Whether some integers have no result.
    pub(super) fn can_fail(self) -> bool {
        !matches!(
            self,
            Math::ShiftLeft | Math::ShiftRight | Math::And | Math::Or | Math::Xor | Math::Min | Math::Max
        )
    }

    /// Message for integers that have no result.
    #[cold]
    pub(super) fn failure(self, a: i64, b: i64) -> String {
        match self {
            Math::Add => format!("Addition overflow: {a} + {b}"),
            Math::Subtract => format!("Subtraction overflow: {a} - {b}"),
            Math::Multiply => format!("Multiplication overflow: {a} * {b}"),
            Math::Divide if b == 0 => format!("Division by zero: {a} / {b}"),
            Math::Divide => format!("Division overflow: {a} / {b}"),
            Math::Remainder => format!("Modulo division by zero or overflow: {a} % {b}"),
            Math::Power if b < 0 => format!("Integer raised to a negative power: {a} ** {b}"),
            Math::Power => format!("Exponential overflow: {a} ** {b}"),
            Math::Abs => "Runtime error: abs overflows".to_owned(),
            _ => "integer overflow".to_owned(),
        }
    }
}

fn shift_left(a: i64, b: i64) -> i64 {
    match u32::try_from(b) {
        Ok(b) => a.checked_shl(b).unwrap_or(0),
        Err(_) if b > 0 => 0,
        Err(_) => shift_right(a, b.checked_abs().unwrap_or(i64::MAX)),
    }
}

fn shift_right(a: i64, b: i64) -> i64 {
    match u32::try_from(b) {
        Ok(b) => a.checked_shr(b).unwrap_or_else(|| a.wrapping_shr(u32::MAX)),
        Err(_) if b > 0 => a.wrapping_shr(u32::MAX),
        Err(_) => shift_left(a, b.checked_abs().unwrap_or(i64::MAX)),
    }
}
