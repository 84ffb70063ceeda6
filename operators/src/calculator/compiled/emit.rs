//! Emission: the tree to register code.
//!
//! - `values`: integers, truths and floats; `any`: values of any kind; `tests`: tests and jumps

mod any;
mod tests;
mod values;

use super::{
    any::Table,
    code::{Code, LOCALS, Label, NOW, Op, REGISTERS, Register, Source, TIME, Values},
    held::Held,
    place::{Place, Refusal},
    restored::restored,
    tree::{Folded, Function, Int, Output, Range, Shadow, Statement, Target, Truth, ends},
};

/// Code in the making.
struct Emitter {
    ops: Vec<Op>,
    places: Vec<Place>,
    constants: Vec<Held<'static>>,
    tables: Vec<Table>,
    ranges: Vec<Range>,
    words: Numbers,
    held: Numbers,
    /// Jumps that leave the bodies around, the innermost last.
    leaves: Vec<Vec<usize>>,
}

/// Numbers of registers, or of variables of any kind: those in use are below the next one.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    next: usize,
    /// Most in use at a time.
    most: usize,
}

impl Numbers {
    fn new(next: usize) -> Self {
        Numbers { next, most: next }
    }

    fn take(&mut self) -> u8 {
        let taken = u8::try_from(self.next).unwrap_or(u8::MAX);
        self.next += 1;
        self.most = self.most.max(self.next);
        taken
    }
}

impl Code {
    /// Emits the code of a function.
    ///
    /// # Errors
    /// If it needs too many registers, or could fail after a change that can't be undone.
    pub(super) fn of_function(function: &Function) -> Result<Code, Refusal> {
        let mut emitter = Emitter::new(function.locals, function.held);
        emitter.block(&function.body);
        emitter.push(Op::Return(false));
        let texts = function.texts.iter().map(|text| emitter.source(text)).collect();
        emitter.finish(&function.shadows, texts)
    }

    /// Emits the code that gives an output.
    ///
    /// # Errors
    /// If it needs too many registers.
    pub(super) fn of_output(output: &Output, function: &Function) -> Result<Code, Refusal> {
        let mut emitter = Emitter::new(function.locals, function.held);
        emitter.output(output);
        emitter.finish(&[], Box::default())
    }
}

impl Emitter {
    fn new(locals: u8, held: u8) -> Self {
        Emitter {
            ops: Vec::new(),
            places: Vec::new(),
            constants: Vec::new(),
            tables: Vec::new(),
            ranges: Vec::new(),
            words: Numbers::new(usize::from(LOCALS) + usize::from(locals)),
            held: Numbers::new(held.into()),
            leaves: Vec::new(),
        }
    }

    fn finish(mut self, shadows: &[Shadow], texts: Box<[Source]>) -> Result<Code, Refusal> {
        if self.words.most > REGISTERS {
            return Err(Refusal::new(Place::default(), "too many variables and nested operators"));
        }
        let byte = usize::from(u8::MAX);
        let numbers = [self.constants.len(), self.tables.len(), self.ranges.len(), self.held.most];
        if self.ops.len() > usize::from(Label::MAX) || numbers.into_iter().any(|number| number > byte) {
            return Err(Refusal::new(Place::default(), "the function is too long"));
        }
        let restored = restored(&mut self.ops, shadows.iter().any(Shadow::can_fail))?;
        let plain = numbers == [0; 4] && restored.aggregates.is_empty();
        let values = Values {
            constants: self.constants.into(),
            tables: self.tables.into(),
            ranges: self.ranges.into(),
            held: u8::try_from(self.held.most).unwrap_or(u8::MAX),
            shadows: shadows.into(),
            texts,
            copied: restored.aggregates,
        };
        Ok(Code {
            ops: self.ops.into(),
            places: self.places.into(),
            restored: restored.words,
            values: (!plain).then(|| Box::new(values)),
            words: None,
        })
    }

    fn push(&mut self, op: Op) -> usize {
        self.push_at(op, Place::default())
    }

    fn push_at(&mut self, op: Op, place: Place) -> usize {
        self.ops.push(op);
        self.places.push(place);
        self.ops.len() - 1
    }

    /// Runs `part`, whose registers and variables are free again after it.
    fn released<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let (words, held) = (self.words.next, self.held.next);
        let done = part(self);
        (self.words.next, self.held.next) = (words, held);
        done
    }

    /// Lets jumps lead to the next operation.
    fn land(&mut self, jumps: Vec<usize>) {
        let here = Label::try_from(self.ops.len()).unwrap_or(Label::MAX);
        for jump in jumps {
            if let Some(label) = self.ops[jump].label() {
                *label = here;
            }
        }
    }

    fn block(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.released(|emitter| emitter.statement(statement));
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::SetInt(target, int) => self.set_int(*target, int),
            Statement::SetFloat(target, float) => self.set_float(*target, float),
            Statement::SetTruth(target, truth) => self.set_truth(*target, truth),
            Statement::Put(variable, any) => self.put(*variable, any),
            Statement::CheckLengths(place) => {
                self.push_at(Op::CheckLengths, *place);
            }
            Statement::SetTimer(slot, at, place) => {
                let op = match self.source(at) {
                    Source::Int(at) => Op::SetTimer(*slot, at),
                    at => Op::SetTimerAny(*slot, at),
                };
                self.push_at(op, *place);
            }
            Statement::Evaluate(any) => {
                self.source(any);
            }
            Statement::Increment(slot) => {
                self.push(Op::Increment(*slot));
            }
            Statement::CountEvent(slot, [time, now]) => {
                let (time, now) = (self.int(time), self.int(now));
                self.push(Op::CountEvent(*slot, time, now));
            }
            Statement::Fold(slot, folded, times, place) => self.fold(*slot, folded, times, *place),
            control => self.control(control),
        }
    }

    /// A statement after which another one than the next may follow.
    fn control(&mut self, statement: &Statement) {
        match statement {
            Statement::If(test, yes, no) => self.branch(test, yes, no),
            Statement::Return(truth) => self.returns(truth),
            Statement::Give(any) => {
                let from = self.source(any);
                self.push(Op::Give(from));
            }
            Statement::GiveMap(map, values, first) => self.map(*map, values, *first),
            Statement::Body(body) => {
                self.leaves.push(Vec::new());
                self.block(body);
                let leaves = self.leaves.pop().unwrap_or_default();
                self.land(leaves);
            }
            Statement::Leave(level) => {
                let jump = self.push(Op::Jump(0));
                if let Some(leaves) = self.leaves.get_mut(usize::from(*level)) {
                    leaves.push(jump);
                }
            }
            _ => {}
        }
    }

    fn branch(&mut self, test: &Truth, yes: &[Statement], no: &[Statement]) {
        let unless = self.released(|emitter| emitter.test(test));
        self.block(yes);
        let skips = !no.is_empty() && !ends(yes);
        let end = skips.then(|| self.push(Op::Jump(0)));
        self.land(unless);
        self.block(no);
        self.land(end.into_iter().collect());
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
            Folded::Any(any) => {
                let (value, time, now) = (self.source(any), self.int(time), self.int(now));
                self.push_at(Op::Fold(slot, value, time, now), place);
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

    fn set(&mut self, target: Target, from: Register) {
        match target {
            Target::Slot(slot) => {
                self.push(Op::Store(slot, from));
            }
            Target::Local(local) if from != LOCALS + local => {
                self.push(Op::Move(LOCALS + local, from));
            }
            Target::Local(_) => {}
        }
    }

    fn output(&mut self, output: &Output) {
        match output {
            Output::Value(any) => {
                let from = self.source(any);
                self.push(Op::Give(from));
            }
            Output::If(test, branches) => {
                let unless = self.released(|emitter| emitter.test(test));
                self.released(|emitter| emitter.output(&branches[0]));
                self.land(unless);
                self.output(&branches[1]);
            }
            Output::After(statements, output) => {
                self.block(statements);
                self.output(output);
            }
        }
    }
}
