//! Emission of integers, truths and floats, whose values are in registers.

use super::Emitter;
use crate::calculator::compiled::{
    any::Any,
    code::{Destination, LOCALS, NOW, Op, Register, STEP, Source, TIME},
    math::Math,
    place::Place,
    tree::{Float, Int, Target, Truth},
};

impl Target {
    /// Register of a variable.
    fn register(self) -> Option<Register> {
        match self {
            Target::Slot(_) => None,
            Target::Local(local) => Some(LOCALS + local),
        }
    }
}

impl Emitter {
    pub(super) fn set_int(&mut self, target: Target, int: &Int) {
        match (target, int) {
            (Target::Slot(slot), Int::Const(word)) => {
                self.push(Op::StoreConst(slot, *word));
            }
            (Target::Slot(slot), Int::Math(Math::Add, sides, place)) if matches!(**sides, [Int::Slot(from), Int::Const(_)] if from == slot) => {
                if let Int::Const(word) = sides[1] {
                    self.push_at(Op::AddToSlot(slot, word), *place);
                }
            }
            _ => {
                let from = self.int_to(target.register(), int);
                self.set(target, from);
            }
        }
    }

    pub(super) fn set_float(&mut self, target: Target, float: &Float) {
        let from = self.float_to(target.register(), float);
        self.set(target, from);
    }

    pub(super) fn set_truth(&mut self, target: Target, truth: &Truth) {
        match (target, truth) {
            (Target::Slot(slot), Truth::Const(truth)) => {
                self.push(Op::StoreConst(slot, i64::from(*truth)));
            }
            _ => {
                let from = self.truth_to(target.register(), truth);
                self.set(target, from);
            }
        }
    }

    /// Emits the value of a truth, 1 or 0.
    pub(super) fn truth(&mut self, truth: &Truth) -> Register {
        self.truth_to(None, truth)
    }

    /// Emits the value of a truth, to a register if there is none that has it. The register may be one that the
    /// truth reads, as it is written last.
    fn truth_to(&mut self, to: Option<Register>, truth: &Truth) -> Register {
        if let Truth::Local(local) = truth {
            return LOCALS + local;
        }
        let to = self.register(to);
        match truth {
            Truth::Slot(slot) => {
                self.push(Op::Load(to, *slot));
            }
            Truth::Const(truth) => {
                self.push(Op::Const(to, i64::from(*truth)));
            }
            truth => {
                let unless = self.released(|emitter| emitter.test(truth));
                self.push(Op::Const(to, 1));
                let end = self.push(Op::Jump(0));
                self.land(unless);
                self.push(Op::Const(to, 0));
                self.land(vec![end]);
            }
        }
        to
    }

    /// The register to write to, or a new one.
    fn register(&mut self, to: Option<Register>) -> Register {
        to.unwrap_or_else(|| self.words.take())
    }

    pub(super) fn int(&mut self, int: &Int) -> Register {
        self.int_to(None, int)
    }

    /// Emits an integer, to a register if there is none that has it. The register may be one that the integer
    /// reads, as it is written last.
    fn int_to(&mut self, to: Option<Register>, int: &Int) -> Register {
        let (op, place) = match int {
            Int::Time => return TIME,
            Int::Now => return NOW,
            Int::Step => return STEP,
            Int::Local(local) => return LOCALS + local,
            Int::Of(any) => return self.word(to, any),
            Int::Const(word) => (Op::Const(self.register(to), *word), Place::default()),
            Int::Slot(slot) => (Op::Load(self.register(to), *slot), Place::default()),
            Int::At(slot, now) => {
                let now = self.released(|emitter| emitter.int(now));
                (Op::At(self.register(to), *slot, now), Place::default())
            }
            Int::Hash(any) => {
                let from = self.released(|emitter| emitter.source(any));
                (Op::Hash(self.register(to), from), Place::default())
            }
            Int::Math(math, sides, place) => (self.math(to, *math, sides), *place),
        };
        self.push_at(op, place);
        match op {
            Op::Const(to, _) | Op::Load(to, _) | Op::At(to, ..) | Op::Add(to, ..) => to,
            Op::AddConst(to, ..) | Op::SubtractSlot(to, ..) | Op::Math(_, to, ..) | Op::Hash(to, _) => to,
            _ => TIME,
        }
    }

    /// The operation of an operator; it may write the register of an operand, as it reads both before.
    fn math(&mut self, to: Option<Register>, math: Math, sides: &[Int; 2]) -> Op {
        let [a, b] = self.released(|emitter| {
            let a = emitter.int(&sides[0]);
            let b = match (math, &sides[1]) {
                (Math::Add, Int::Const(_)) | (Math::Subtract, Int::Slot(_)) => TIME,
                _ if math.is_unary() => a,
                (_, b) => emitter.int(b),
            };
            [a, b]
        });
        let to = self.register(to);
        match (math, &sides[1]) {
            (Math::Add, Int::Const(word)) => Op::AddConst(to, a, *word),
            (Math::Subtract, Int::Slot(slot)) => Op::SubtractSlot(to, a, *slot),
            (Math::Add, _) => Op::Add(to, a, b),
            _ => Op::Math(math, to, a, b),
        }
    }

    pub(super) fn float(&mut self, float: &Float) -> Register {
        self.float_to(None, float)
    }

    fn float_to(&mut self, to: Option<Register>, float: &Float) -> Register {
        let op = match float {
            Float::Local(local) => return LOCALS + local,
            Float::Of(any) => return self.word(to, any),
            Float::Const(float) => Op::Const(self.register(to), float.to_bits().cast_signed()),
            Float::Slot(slot) => Op::Load(self.register(to), *slot),
            Float::OfInt(int) => {
                let from = self.released(|emitter| emitter.int(int));
                Op::ToFloat(self.register(to), from)
            }
            Float::Math(math, sides) => {
                let [a, b] = self.released(|emitter| {
                    let a = emitter.float(&sides[0]);
                    [a, if math.is_unary() { a } else { emitter.float(&sides[1]) }]
                });
                Op::Floats(*math, self.register(to), a, b)
            }
        };
        self.push(op);
        match op {
            Op::Const(to, _) | Op::Load(to, _) | Op::ToFloat(to, _) | Op::Floats(_, to, ..) => to,
            _ => TIME,
        }
    }

    /// Emits a value whose kind is known, as a word.
    pub(super) fn word(&mut self, to: Option<Register>, any: &Any) -> Register {
        match any {
            Any::Int(int) => return self.int_to(to, int),
            Any::Float(float) => return self.float_to(to, float),
            Any::Truth(truth) => return self.truth_to(to, truth),
            Any::After(statements, value) => {
                self.block(statements);
                return self.word(to, value);
            }
            _ => {}
        }
        let to = self.register(to);
        let from = self.released(|emitter| emitter.source_to(Some(Destination::Word(to)), any));
        if from != Source::Int(to) {
            self.push(Op::Word(to, from));
        }
        to
    }
}
