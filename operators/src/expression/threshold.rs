//! Thresholds: expressions that compare a slot with a literal, as `value >= 10` does. Most `met` are such.

use super::{eval::Node, operand::Operand, operator::Comparison};

/// Comparison of a slot with a literal.
#[derive(Clone, Debug)]
pub struct Threshold {
    slot: usize,
    comparison: Comparison,
    literal: Operand<'static>,
}

impl Threshold {
    pub(super) fn of(node: &Node) -> Option<Threshold> {
        let Node::Compare(comparison, sides) = node else { return None };
        let [Node::Slot(slot), literal] = &**sides else { return None };
        let literal = match literal {
            Node::Bool(b) => Operand::Bool(*b),
            Node::Int(i) => Operand::Int(*i),
            Node::Float(f) => Operand::Float(*f),
            _ => return None,
        };
        Some(Threshold { slot: *slot, comparison: *comparison, literal })
    }

    /// The slot.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Whether an integer for which the expression does not hold has to grow for it to hold.
    pub fn is_least(&self) -> bool {
        matches!((self.comparison, &self.literal), (Comparison::Gt | Comparison::Ge, Operand::Int(_)))
    }

    /// Whether the expression holds for a value of the slot.
    #[inline]
    pub fn holds(&self, value: &Operand<'_>) -> bool {
        self.comparison.holds(value, &self.literal)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::expression::{Expression, Operand};

    fn compiled(text: &str) -> Expression {
        Expression::compile(text, &mut |name, _| name[1..].parse().map_err(|_| "no slot".to_owned())).unwrap()
    }

    #[test]
    fn a_threshold_holds_as_its_expression_does() {
        let values = [
            Operand::Absent,
            Operand::Bool(true),
            Operand::Int(9),
            Operand::Int(10),
            Operand::Float(10.0),
            Operand::Float(f64::NAN),
            Operand::Text("10".into()),
        ];
        for comparison in ["==", "!=", "<", "<=", ">", ">="] {
            for literal in ["10", "9.999999999999999999", "true"] {
                let expression = compiled(&format!("s7 {comparison} {literal}"));
                let threshold = expression.threshold().unwrap();
                assert_eq!(threshold.slot(), 7);
                assert_eq!(threshold.is_least(), comparison.starts_with('>') && literal == "10");
                for value in &values {
                    let holds = expression.holds(&mut |_| value.clone()).unwrap();
                    assert_eq!(threshold.holds(value), holds, "{value:?} {comparison} {literal}");
                }
            }
        }
        for other in ["10 < s7", "s7 > s8", "s7 > 1 && s8 > 1", "!(s7 > 1)", "s7 > 1 + 1", "s7"] {
            assert!(compiled(other).threshold().is_none(), "{other}");
        }
    }
}
