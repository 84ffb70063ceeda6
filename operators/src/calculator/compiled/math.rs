//! Arithmetic on integers: results and messages are those of Rhai's operators and of the native functions.

/// An operator or function of integers.
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
}

impl Math {
    /// Applies the operator; `None` if it fails.
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
        }
    }

    /// Whether some operands have no result.
    pub(super) fn can_fail(self) -> bool {
        !matches!(
            self,
            Math::ShiftLeft | Math::ShiftRight | Math::And | Math::Or | Math::Xor | Math::Min | Math::Max
        )
    }

    /// Message for operands that have no result.
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
