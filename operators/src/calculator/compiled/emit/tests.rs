//! Emission of tests: code that goes on if a truth holds, and jumps if not.

use super::Emitter;
use crate::calculator::compiled::{
    any::Any,
    code::{LOCALS, Op},
    kind::Kind,
    tree::{Comparison, Int, Truth},
};

impl Emitter {
    /// Emits a test. Returns the jumps that are taken unless it holds, to be [landed](Emitter::land).
    pub(super) fn test(&mut self, truth: &Truth) -> Vec<usize> {
        match truth {
            Truth::Const(true) => Vec::new(),
            Truth::Const(false) => vec![self.push(Op::Jump(0))],
            Truth::Slot(slot) => vec![self.push(Op::UnlessSlotConst(Comparison::NE, *slot, 0, 0))],
            Truth::Local(local) => vec![self.push(Op::UnlessConst(Comparison::NE, LOCALS + local, 0, 0))],
            Truth::Present(input) => vec![self.push(Op::UnlessPresent(*input, 0))],
            Truth::Compare(comparison, sides) => vec![self.compare(*comparison, sides)],
            Truth::Not(part) => self.test_not(part),
            Truth::All(parts) => parts.iter().flat_map(|part| self.test_part(part)).collect(),
            Truth::Any(parts) => self.test_any(parts),
            Truth::Of(any, _) if any.kinds() == Kind::Bool.into() && !matches!(**any, Any::Local(..)) => {
                self.test_word(any)
            }
            Truth::CompareFloats(..) | Truth::CompareAny(..) | Truth::Within(..) | Truth::Of(..) => {
                vec![self.test_value(truth)]
            }
        }
    }

    /// Emits a test of a value that is true or false.
    fn test_word(&mut self, any: &Any) -> Vec<usize> {
        match any {
            Any::Truth(truth) => self.test(truth),
            Any::After(statements, value) => {
                self.block(statements);
                self.test_word(value)
            }
            any => {
                let word = self.released(|emitter| emitter.word(None, any));
                vec![self.push(Op::UnlessConst(Comparison::NE, word, 0, 0))]
            }
        }
    }

    fn test_part(&mut self, part: &Truth) -> Vec<usize> {
        self.released(|emitter| emitter.test(part))
    }

    fn test_any(&mut self, parts: &[Truth]) -> Vec<usize> {
        let Some((last, others)) = parts.split_last() else { return vec![self.push(Op::Jump(0))] };
        let holds = others.iter().flat_map(|part| self.test_not(part)).collect();
        let unless = self.test_part(last);
        self.land(holds);
        unless
    }

    /// Emits a test. Returns the jumps that are taken if it holds, to be landed.
    fn test_not(&mut self, truth: &Truth) -> Vec<usize> {
        match truth {
            Truth::Slot(slot) => vec![self.push(Op::UnlessSlotConst(Comparison::EQ, *slot, 0, 0))],
            Truth::Local(local) => vec![self.push(Op::UnlessConst(Comparison::EQ, LOCALS + local, 0, 0))],
            Truth::Compare(comparison, sides) => vec![self.compare(comparison.negated(), sides)],
            Truth::Not(part) => self.test_part(part),
            Truth::Any(parts) => parts.iter().flat_map(|part| self.test_not(part)).collect(),
            Truth::All(parts) => self.test_not_all(parts),
            other => {
                let unless = self.test_part(other);
                let holds = self.push(Op::Jump(0));
                self.land(unless);
                vec![holds]
            }
        }
    }

    fn test_not_all(&mut self, parts: &[Truth]) -> Vec<usize> {
        let Some((last, others)) = parts.split_last() else { return vec![self.push(Op::Jump(0))] };
        let unless = others.iter().flat_map(|part| self.test_part(part)).collect();
        let holds = self.test_not(last);
        self.land(unless);
        holds
    }

    /// A test of floats or of values of any kind.
    fn test_value(&mut self, truth: &Truth) -> usize {
        let mut place = Default::default();
        let op = self.released(|emitter| match truth {
            Truth::CompareFloats(comparison, sides) => {
                let (a, b) = (emitter.float(&sides[0]), emitter.float(&sides[1]));
                Op::UnlessFloats(*comparison, a, b, 0)
            }
            Truth::CompareAny(comparison, sides) => {
                let (a, b) = (emitter.source(&sides[0]), emitter.source(&sides[1]));
                Op::UnlessAny(*comparison, a, b, 0)
            }
            Truth::Within(any, range) => {
                emitter.ranges.push(*range);
                let at = u8::try_from(emitter.ranges.len() - 1).unwrap_or(u8::MAX);
                Op::UnlessWithin(emitter.source(any), at, 0)
            }
            Truth::Of(any, of) => {
                place = *of;
                Op::UnlessTrue(emitter.source(any), 0)
            }
            _ => Op::Jump(0),
        });
        self.push_at(op, place)
    }

    fn compare(&mut self, comparison: Comparison, sides: &[Int; 2]) -> usize {
        let op = self.released(|emitter| match sides {
            [Int::Const(word), b] if !matches!(b, Int::Const(_)) => match b {
                Int::Slot(slot) => Op::UnlessSlotConst(comparison.mirrored(), *slot, 0, *word),
                b => Op::UnlessConst(comparison.mirrored(), emitter.int(b), 0, *word),
            },
            [Int::Slot(slot), Int::Const(word)] => Op::UnlessSlotConst(comparison, *slot, 0, *word),
            [a, Int::Const(word)] => Op::UnlessConst(comparison, emitter.int(a), 0, *word),
            [a, Int::Slot(slot)] => Op::UnlessSlot(comparison, emitter.int(a), *slot, 0),
            [a, b] => {
                let (a, b) = (emitter.int(a), emitter.int(b));
                Op::Unless(comparison, a, b, 0)
            }
        });
        self.push(op)
    }
}
