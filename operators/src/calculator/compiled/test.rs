//! Emission of tests: code that goes on if a truth holds, and jumps if not.

use super::{
    code::{LOCALS, Op},
    emit::Emitter,
    tree::{Against, Comparison, Input, Int, Truth},
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
            Truth::CompareInput(comparison, input, against) => {
                vec![self.compare_input(*comparison, *input, against)]
            }
            Truth::Compare(comparison, sides) => vec![self.compare(*comparison, sides)],
            Truth::Not(part) => self.test_not(part),
            Truth::All(parts) => parts.iter().flat_map(|part| self.test(part)).collect(),
            Truth::Any(parts) => self.test_any(parts),
        }
    }

    fn test_not(&mut self, part: &Truth) -> Vec<usize> {
        if let Truth::Compare(comparison, sides) = part {
            return vec![self.compare(comparison.negated(), sides)];
        }
        let holds_not = self.test(part);
        let holds = self.push(Op::Jump(0));
        self.land(holds_not);
        vec![holds]
    }

    fn test_any(&mut self, parts: &[Truth]) -> Vec<usize> {
        let Some((last, others)) = parts.split_last() else { return vec![self.push(Op::Jump(0))] };
        let mut holds = Vec::new();
        for part in others {
            let unless = self.test(part);
            holds.push(self.push(Op::Jump(0)));
            self.land(unless);
        }
        let unless = self.test(last);
        self.land(holds);
        unless
    }

    fn compare_input(&mut self, comparison: Comparison, input: Input, against: &Against) -> usize {
        let op = match against {
            Against::Constant(value) => {
                let position = self.constants.iter().position(|constant| constant == value);
                let position = position.unwrap_or_else(|| {
                    self.constants.push(value.clone());
                    self.constants.len() - 1
                });
                Op::UnlessInput(comparison, input, u8::try_from(position).unwrap_or(u8::MAX), 0)
            }
            Against::Int(int) => {
                let free = self.free;
                let register = self.int(int);
                self.free = free;
                Op::UnlessInputInt(comparison, input, register, 0)
            }
        };
        self.push(op)
    }

    fn compare(&mut self, comparison: Comparison, sides: &[Int; 2]) -> usize {
        let free = self.free;
        let op = match sides {
            [Int::Const(word), b] if !matches!(b, Int::Const(_)) => {
                return self.compare(comparison.mirrored(), &[b.clone(), Int::Const(*word)]);
            }
            [Int::Slot(slot), Int::Const(word)] => Op::UnlessSlotConst(comparison, *slot, 0, *word),
            [a, Int::Const(word)] => Op::UnlessConst(comparison, self.int(a), 0, *word),
            [a, Int::Slot(slot)] => Op::UnlessSlot(comparison, self.int(a), *slot, 0),
            [a, b] => {
                let (a, b) = (self.int(a), self.int(b));
                Op::Unless(comparison, a, b, 0)
            }
        };
        self.free = free;
        self.push(op)
    }
}
