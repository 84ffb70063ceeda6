//! Emission: the tree to register code.

use super::{
    code::{Code, LOCALS, Label, NOW, Op, REGISTERS, Register, STEP, TIME},
    math::Math,
    place::{Place, Refusal},
    restored::restored,
    tree::{Folded, Function, Int, Output, Statement, Target, Truth},
};
use crate::model::value::Value;

/// Code in the making.
pub(super) struct Emitter {
    ops: Vec<Op>,
    places: Vec<Place>,
    pub(super) constants: Vec<Value<'static>>,
    /// First register that no variable has.
    temporaries: usize,
    /// Next free register.
    pub(super) free: usize,
    /// Most registers used.
    used: usize,
}

impl Code {
    /// Emits the code of a function.
    ///
    /// # Errors
    /// If it needs too many registers, or could fail after a change that can't be undone.
    pub(super) fn of_function(function: &Function) -> Result<Code, Refusal> {
        let mut emitter = Emitter::new(function.locals);
        emitter.block(&function.body);
        emitter.push(Op::Return(false));
        emitter.finish()
    }

    /// Emits the code that gives an output.
    ///
    /// # Errors
    /// If it needs too many registers.
    pub(super) fn of_output(output: &Output) -> Result<Code, Refusal> {
        let mut emitter = Emitter::new(0);
        emitter.output(output);
        emitter.finish()
    }
}

impl Emitter {
    fn new(locals: u8) -> Self {
        let temporaries = usize::from(LOCALS) + usize::from(locals);
        Emitter {
            ops: Vec::new(),
            places: Vec::new(),
            constants: Vec::new(),
            temporaries,
            free: temporaries,
            used: temporaries,
        }
    }

    fn finish(mut self) -> Result<Code, Refusal> {
        if self.used > REGISTERS {
            return Err(Refusal::new(Place::default(), "too many variables and nested operators"));
        }
        if self.ops.len() > usize::from(Label::MAX) || self.constants.len() > usize::from(u8::MAX) {
            return Err(Refusal::new(Place::default(), "the function is too long"));
        }
        let restored = restored(&mut self.ops)?;
        Ok(Code {
            ops: self.ops.into(),
            places: self.places.into(),
            constants: self.constants.into(),
            restored,
        })
    }

    pub(super) fn push(&mut self, op: Op) -> usize {
        self.push_at(op, Place::default())
    }

    fn push_at(&mut self, op: Op, place: Place) -> usize {
        self.ops.push(op);
        self.places.push(place);
        self.ops.len() - 1
    }

    fn temporary(&mut self) -> Register {
        let register = self.free;
        self.free += 1;
        self.used = self.used.max(self.free);
        u8::try_from(register).unwrap_or(u8::MAX)
    }

    /// Lets jumps lead to the next operation.
    pub(super) fn land(&mut self, jumps: Vec<usize>) {
        let here = Label::try_from(self.ops.len()).unwrap_or(Label::MAX);
        for jump in jumps {
            if let Some(label) = self.ops[jump].label() {
                *label = here;
            }
        }
    }

    fn block(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.free = self.temporaries;
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::SetInt(target, int) => self.set_int(*target, int),
            Statement::SetTruth(target, truth) => self.set_truth(*target, truth),
            Statement::SetTimer(slot, at, place) => {
                let at = self.int(at);
                self.push_at(Op::SetTimer(*slot, at), *place);
            }
            Statement::Evaluate(int) => {
                self.int(int);
            }
            Statement::If(test, yes, no) => {
                let unless = self.test(test);
                self.block(yes);
                let skips = !no.is_empty() && !ends(yes);
                let end = skips.then(|| self.push(Op::Jump(0)));
                self.land(unless);
                self.block(no);
                self.land(end.into_iter().collect());
            }
            Statement::Increment(slot) => {
                self.push(Op::Increment(*slot));
            }
            Statement::CountEvent(slot, [time, now]) => {
                let (time, now) = (self.int(time), self.int(now));
                self.push(Op::CountEvent(*slot, time, now));
            }
            Statement::Fold(slot, folded, times, place) => self.fold(*slot, folded, times, *place),
            Statement::Return(truth) => self.returns(truth),
        }
    }

    fn fold(&mut self, slot: u8, folded: &Folded, [time, now]: &[Int; 2], place: Place) {
        match folded {
            Folded::Input(input) => {
                let (time, now) = (self.int(time), self.int(now));
                self.push_at(Op::FoldInput(slot, *input, time, now), place);
            }
            Folded::Int(int) => {
                let (value, time, now) = (self.int(int), self.int(time), self.int(now));
                self.push(Op::FoldInt(slot, value, time, now));
            }
        }
    }

    fn returns(&mut self, truth: &Truth) {
        if *truth == Truth::Const(true) && self.returns_with_last() {
            return;
        }
        if let Truth::Const(truth) = truth {
            self.push(Op::Return(*truth));
            return;
        }
        let unless = self.test(truth);
        self.push(Op::Return(true));
        self.land(unless);
        self.push(Op::Return(false));
    }

    /// Makes one operation of a common whole body: one that counts or folds, and returns true.
    fn returns_with_last(&mut self) -> bool {
        let one = match self.ops[..] {
            [Op::Increment(slot)] => Op::IncrementReturn(slot),
            [Op::CountEvent(slot, TIME, NOW)] => Op::CountEventReturn(slot),
            [Op::UnlessPresent(input, 2), Op::FoldInput(slot, folded, TIME, NOW)] if input == folded => {
                Op::FoldPresentReturn(slot, input)
            }
            _ => return false,
        };
        let place = self.places.pop().unwrap_or_default();
        self.ops.clear();
        self.places.clear();
        self.push_at(one, place);
        true
    }

    fn set_int(&mut self, target: Target, int: &Int) {
        match (target, int) {
            (Target::Slot(slot), Int::Const(word)) => {
                self.push(Op::StoreConst(slot, *word));
            }
            (Target::Slot(slot), Int::Math(Math::Add, sides, place)) if matches!(**sides, [Int::Slot(from), Int::Const(_)] if from == slot) => {
                if let Int::Const(word) = sides[1] {
                    self.push_at(Op::AddToSlot(slot, word), *place);
                }
            }
            (Target::Slot(slot), _) => {
                let from = self.int(int);
                self.push(Op::Store(slot, from));
            }
            (Target::Local(local), _) => {
                let from = self.int(int);
                self.push(Op::Move(LOCALS + local, from));
            }
        }
    }

    fn set_truth(&mut self, target: Target, truth: &Truth) {
        let from = self.truth(truth);
        self.push(match target {
            Target::Slot(slot) => Op::Store(slot, from),
            Target::Local(local) => Op::Move(LOCALS + local, from),
        });
    }

    /// Emits the value of a truth, 1 or 0.
    fn truth(&mut self, truth: &Truth) -> Register {
        let to = self.temporary();
        self.push(Op::Const(to, 0));
        let unless = self.test(truth);
        self.push(Op::Const(to, 1));
        self.land(unless);
        to
    }

    pub(super) fn int(&mut self, int: &Int) -> Register {
        let (op, place) = match int {
            Int::Time => return TIME,
            Int::Now => return NOW,
            Int::Step => return STEP,
            Int::Local(local) => return LOCALS + local,
            Int::Const(word) => (Op::Const(self.temporary(), *word), Place::default()),
            Int::Slot(slot) => (Op::Load(self.temporary(), *slot), Place::default()),
            Int::At(slot, now) => {
                let now = self.int(now);
                (Op::At(self.temporary(), *slot, now), Place::default())
            }
            Int::Math(math, sides, place) => (self.math(*math, sides), *place),
        };
        self.push_at(op, place);
        match op {
            Op::Const(to, _) | Op::Load(to, _) | Op::At(to, ..) | Op::Add(to, ..) => to,
            Op::AddConst(to, ..) | Op::SubtractSlot(to, ..) | Op::Math(_, to, ..) => to,
            _ => TIME,
        }
    }

    /// The operation of an operator; it may write the register of an operand, as it reads both before.
    fn math(&mut self, math: Math, sides: &[Int; 2]) -> Op {
        let free = self.free;
        let a = self.int(&sides[0]);
        let b = match (math, &sides[1]) {
            (Math::Add, Int::Const(_)) | (Math::Subtract, Int::Slot(_)) => TIME,
            (_, b) => self.int(b),
        };
        self.free = free;
        let to = self.temporary();
        match (math, &sides[1]) {
            (Math::Add, Int::Const(word)) => Op::AddConst(to, a, *word),
            (Math::Subtract, Int::Slot(slot)) => Op::SubtractSlot(to, a, *slot),
            (Math::Add, _) => Op::Add(to, a, b),
            _ => Op::Math(math, to, a, b),
        }
    }

    fn output(&mut self, output: &Output) {
        match output {
            Output::Absent => {
                self.push(Op::GiveAbsent);
            }
            Output::Int(int) => {
                let from = self.int(int);
                self.push(Op::GiveInt(from));
            }
            Output::Truth(truth) => {
                let from = self.truth(truth);
                self.push(Op::GiveTruth(from));
            }
            Output::If(test, branches) => {
                let unless = self.test(test);
                self.output(&branches[0]);
                self.land(unless);
                self.free = self.temporaries;
                self.output(&branches[1]);
            }
        }
    }
}

/// Whether nothing after the statements is reached.
fn ends(statements: &[Statement]) -> bool {
    statements.last().is_some_and(|last| match last {
        Statement::Return(_) => true,
        Statement::If(_, yes, no) => ends(yes) && ends(no),
        _ => false,
    })
}
