//! Word code for an event of a known step.
//!
//! The values of registers are followed along the operations as far as they are known, from the step on: a test
//! of what is known falls away, and so does what is not reached any more. What is left of a condition's step is
//! often a single test.
//!
//! **Invariant**: jumps lead forward, so all ways to an operation are known before it is looked at.

use super::{
    super::{
        code::{Label, REGISTERS, Register, STEP},
        tree::Comparison,
    },
    Ops, WordOp,
};

/// Number of steps that have operations of their own. Few conditions have more.
const STEPS: i64 = 8;

/// Operations for events of each of the first steps; none if the step does not matter.
pub(super) fn of_each(ops: &[WordOp]) -> Box<[Ops]> {
    let matters = ops.iter().any(|op| op.reads(STEP));
    let steps = if matters { 0..STEPS } else { 0..0 };
    steps.map(|step| specialized(ops, step)).collect()
}

/// Operations for events of a step.
fn specialized(ops: &[WordOp], step: i64) -> Ops {
    let mut flow = Flow { ops: ops.to_vec(), known: vec![None; ops.len() + 1] };
    flow.known[0] = Some(Known::of_step(step));
    for at in 0..ops.len() {
        flow.pass(at);
    }
    flow.compact()
}

/// Values of registers, as far as they are known.
#[derive(Clone, Copy, Debug)]
struct Known([Option<i64>; REGISTERS]);

impl Known {
    fn of_step(step: i64) -> Self {
        let mut known = Known([None; REGISTERS]);
        known.set(STEP, Some(step));
        known
    }

    fn get(&self, register: Register) -> Option<i64> {
        self.0[usize::from(register) % REGISTERS]
    }

    fn set(&mut self, register: Register, word: Option<i64>) {
        self.0[usize::from(register) % REGISTERS] = word;
    }

    /// What is known on both of two ways.
    fn and(self, other: Known) -> Known {
        let mut both = self;
        both.0.iter_mut().zip(other.0).for_each(|(own, other)| *own = own.filter(|own| Some(*own) == other));
        both
    }

    /// The operation at `at`, simplified; a test that is decided becomes a jump.
    fn simplified(&self, op: WordOp, at: usize) -> WordOp {
        let decided = |holds: bool, to: Label| WordOp::Jump(if holds { at as Label + 1 } else { to });
        let constant = |to: Register, word: Option<i64>| word.map(|word| WordOp::Const(to, word));
        match op {
            WordOp::Unless(test, a, b, to) => match (self.get(a), self.get(b)) {
                (Some(a), Some(b)) => decided(test.holds(a, b), to),
                (None, Some(b)) => WordOp::UnlessConst(test, a, to, b),
                (Some(a), None) => WordOp::UnlessConst(test.mirrored(), b, to, a),
                (None, None) => op,
            },
            WordOp::UnlessConst(test, a, to, word) => {
                self.get(a).map_or(op, |a| decided(test.holds(a, word), to))
            }
            WordOp::ReturnTruth(a) => self.get(a).map_or(op, |a| WordOp::Return(a != 0)),
            WordOp::Move(to, a) => constant(to, self.get(a)).unwrap_or(op),
            WordOp::AddConst(to, a, word) => {
                constant(to, self.get(a).and_then(|a| a.checked_add(word))).unwrap_or(op)
            }
            WordOp::Increment(to) => {
                constant(to, self.get(to).map(|word| word.saturating_add(1))).unwrap_or(op)
            }
            _ => op,
        }
    }
}

/// Operations, and what is known before each; nothing of one that is not reached.
struct Flow {
    ops: Vec<WordOp>,
    known: Vec<Option<Known>>,
}

impl Flow {
    /// Simplifies the operation at a position, and notes what is known behind it.
    fn pass(&mut self, at: usize) {
        let Some(before) = self.known[at] else { return };
        let op = before.simplified(self.ops[at], at);
        self.ops[at] = op;
        let mut after = before;
        if let Some(to) = op.writes() {
            after.set(to, if let WordOp::Const(_, word) = op { Some(word) } else { None });
        }
        if let Some(to) = op.label() {
            let mut jumped = after;
            if let WordOp::UnlessConst(Comparison::NE, a, _, word) = op {
                jumped.set(a, Some(word));
            }
            self.reach(to.into(), jumped);
        }
        if let WordOp::UnlessConst(Comparison::EQ, a, _, word) = op {
            after.set(a, Some(word));
        }
        if op.falls_through() {
            self.reach(at + 1, after);
        }
    }

    fn reach(&mut self, at: usize, known: Known) {
        let at = at.min(self.ops.len());
        self.known[at] = Some(self.known[at].map_or(known, |other| other.and(known)));
    }

    /// Where an operation is found that is no jump, from a position on.
    fn end_of_jumps(&self, mut at: usize) -> usize {
        while let Some(WordOp::Jump(to)) = self.ops.get(at) {
            at = (*to).into();
        }
        at
    }

    /// The operations that are reached, without needless jumps.
    fn compact(self) -> Ops {
        let is_kept = |at: &usize| self.known[*at].is_some() && !matches!(self.ops[*at], WordOp::Jump(_));
        let kept: Vec<usize> = (0..self.ops.len()).filter(is_kept).collect();
        let (mut ops, mut places) = (Vec::new(), Vec::new());
        // New position of each kept operation; behind the last one the end.
        let mut moved = vec![0; self.ops.len() + 1];
        for (at, next) in kept.iter().zip(kept.iter().skip(1).chain([&self.ops.len()])) {
            moved[*at] = ops.len() as Label;
            ops.push(self.ops[*at]);
            places.push(*at as u16);
            let follows = self.end_of_jumps(at + 1);
            if self.ops[*at].falls_through() && follows != *next {
                ops.push(WordOp::Jump(follows as Label));
                places.push(*at as u16);
            }
        }
        moved[self.ops.len()] = ops.len() as Label;
        for op in &mut ops {
            if let Some(to) = op.label() {
                *op = op.with_label(moved[self.end_of_jumps(to.into()).min(self.ops.len())]);
            }
        }
        Ops { ops: ops.into(), places: places.into() }
    }
}

impl WordOp {
    /// The register that it writes.
    fn writes(self) -> Option<Register> {
        match self {
            WordOp::Const(to, _)
            | WordOp::Move(to, _)
            | WordOp::AddConst(to, ..)
            | WordOp::Math(_, to, ..)
            | WordOp::ToFloat(to, _)
            | WordOp::Floats(_, to, ..)
            | WordOp::Increment(to) => Some(to),
            _ => None,
        }
    }

    /// Whether it reads a register.
    fn reads(self, register: Register) -> bool {
        match self {
            WordOp::Move(_, a)
            | WordOp::AddConst(_, a, _)
            | WordOp::ToFloat(_, a)
            | WordOp::Increment(a)
            | WordOp::UnlessConst(_, a, ..)
            | WordOp::ReturnTruth(a) => a == register,
            WordOp::Math(_, _, a, b)
            | WordOp::Floats(_, _, a, b)
            | WordOp::CountEvent(_, a, b)
            | WordOp::Unless(_, a, b, _)
            | WordOp::UnlessFloats(_, a, b, _) => a == register || b == register,
            WordOp::Const(..) | WordOp::Jump(_) | WordOp::Return(_) => false,
        }
    }

    /// Where it may jump.
    fn label(self) -> Option<Label> {
        match self {
            WordOp::Unless(.., to)
            | WordOp::UnlessConst(_, _, to, _)
            | WordOp::UnlessFloats(.., to)
            | WordOp::Jump(to) => Some(to),
            _ => None,
        }
    }

    /// The same, jumping elsewhere.
    fn with_label(self, to: Label) -> Self {
        match self {
            WordOp::Unless(test, a, b, _) => WordOp::Unless(test, a, b, to),
            WordOp::UnlessConst(test, a, _, word) => WordOp::UnlessConst(test, a, to, word),
            WordOp::UnlessFloats(test, a, b, _) => WordOp::UnlessFloats(test, a, b, to),
            WordOp::Jump(_) => WordOp::Jump(to),
            op => op,
        }
    }

    /// Whether the next operation may follow.
    fn falls_through(self) -> bool {
        !matches!(self, WordOp::Jump(_) | WordOp::Return(_) | WordOp::ReturnTruth(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sequence of three steps: field 3 is the step awaited, field 4 the number of runs.
    const SEQUENCE: [WordOp; 6] = [
        WordOp::Unless(Comparison::EQ, STEP, 3, 5),
        WordOp::Increment(3),
        WordOp::UnlessConst(Comparison::EQ, 3, 4, 3),
        WordOp::AddConst(4, 4, 1),
        WordOp::Return(true),
        WordOp::Return(false),
    ];

    #[test]
    fn tests_of_what_a_step_decides_fall_away() {
        let of_steps = of_each(&SEQUENCE);
        let awaits = |step| WordOp::UnlessConst(Comparison::EQ, 3, 3, step);
        for step in 0..2 {
            let Ops { ops, places } = &of_steps[step as usize];
            let expected =
                [awaits(step), WordOp::Const(3, step + 1), WordOp::Return(true), WordOp::Return(false)];
            assert_eq!((&**ops, &**places), (&expected[..], &[0, 1, 4, 5][..]));
        }
        let last = &of_steps[2].ops;
        assert_eq!(last[1..3], [WordOp::Const(3, 3), WordOp::AddConst(4, 4, 1)]);
        assert!(of_each(&SEQUENCE[1..3]).is_empty(), "nothing depends on the step");
    }
}
