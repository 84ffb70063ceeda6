//! A changed operation on values of any kind is noticed by the comparison with the interpreter.

use std::{collections::HashSet, mem};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::{
    super::{
        code::{Op, Source},
        math::Math,
        tree::Comparison,
    },
    builtins::mutated,
    contract::case,
    pair::{calls, compare},
};
use crate::calculator::{Execution, aggregate::Figure, program::Function};

/// Bodies of `on_event` in which every operation matters.
const BODIES: &[&str] = &[
    "state.f = state.f + 0.5; state.f < 9.0",
    "state.f = to_float(event.step) * 1.5; state.g = -state.f; true",
    "state.f = event.step / 2.0; true",
    "if event.p == event.q { state.a += 1; } true",
    "let x = event.p; if x == 7 || x == \"x\" { state.a += 1; } true",
    "if event.p == () { return true; } state.f += event.p; true",
    "let x = 1; if event.p != () { x += event.p; } state.last.add(x, event.time, event.now); true",
    "state.t = `${event.p}`; state.t.len() > 1",
    "if event.p == true || event.p == false { state.ok = event.p; } true",
    "if is_number(event.p) && event.p { state.a = 1; } true",
    "state.a += switch event.p { 7 => 2, 3..9 => 5, _ => 1 }; true",
    "state.a = [10, 20, 30][event.step]; state.t = \"abc\"[event.step] + \"\"; true",
    "state.f = state.nums.figures(event.now).sum; state.nums.add(event.step, event.time, event.now); true",
    "set_timer(state, event.now + (event.p ?? 5)); true",
    "event.p ?? true",
    "let a = event.step + 1; let b = a + 1; let c = b + a; let d = c + b; let e = d + c; let f = e + d; let g = f + e; state.a = g + g; true",
];

/// The operation with a part changed; `None` for one that is not on values of any kind.
fn changed(op: Op, next: Option<&Op>) -> Option<Op> {
    let other = |math: Math| if math == Math::Add { Math::Subtract } else { Math::Add };
    let none = Source::Held(u8::MAX);
    Some(match op {
        Op::ToFloat(to, _) => Op::Const(to, 0.5f64.to_bits().cast_signed()),
        Op::Floats(math, to, a, b) => Op::Floats(other(math), to, a, b),
        Op::Fold(slot, _, time, now) => Op::FoldInt(slot, time, time, now),
        Op::SetTimerAny(slot, _) => Op::StoreConst(slot, 1),
        Op::Word(to, _) => Op::Const(to, 77),
        Op::Hash(to, _) => match next {
            Some(Op::UnlessConst(.., word)) => Op::Const(to, *word),
            _ => return None,
        },
        Op::Put(to, _) => Op::Put(to, Source::Int(1)),
        Op::Calculate(math, to, a, b) => Op::Calculate(other(math), to, a, b),
        Op::Assign(math, to, a, b) => Op::Assign(other(math), to, a, b),
        Op::Call(function, to, _, lent) => Op::Call(function, to, [Source::Text(0); 2], lent),
        Op::Append(to, _) => Op::Append(to, Source::Int(1)),
        Op::Index(to, of, _) => Op::Index(to, of, none),
        Op::Entry(to, at, _) => Op::Entry(to, at, none),
        Op::Figure(to, slot, _, now) => Op::Figure(to, slot, Figure::Min, now),
        Op::UnlessFloats(_, a, b, to) => Op::UnlessFloats(Comparison::EQ, a, b, to),
        Op::UnlessAny(comparison, a, b, to) => Op::UnlessAny(comparison.negated(), a, b, to),
        Op::UnlessWithin(_, at, to) => Op::UnlessWithin(none, at, to),
        Op::UnlessTrue(_, to) => Op::Jump(to),
        Op::Give(_) => Op::Return(false),
        _ => return None,
    })
}

#[test]
fn every_changed_operation_is_noticed() {
    let mut runner = TestRunner::deterministic();
    let calls = calls(3, 500).new_tree(&mut runner).unwrap().current();
    let mut kinds = HashSet::new();
    for body in BODIES {
        let right = case(body).compile(Execution::Interpreted).unwrap_or_else(|e| panic!("{e}: {body}"));
        let compiled = case(body).compile(Execution::Compiled).unwrap();
        let Function::Compiled(code) = &compiled.on_event else { panic!("{body}") };
        for (at, op) in code.ops.iter().enumerate() {
            let Some(wrong) = changed(*op, code.ops.get(at + 1)) else { continue };
            kinds.insert(mem::discriminant(op));
            let noticed = compare(&mutated(&compiled, at, wrong), &right, &calls).is_err();
            assert!(noticed, "operation {at}, {op:?}, made {wrong:?}: {:?}\n{body}", code.ops);
        }
    }
    assert_eq!(kinds.len(), 19, "every operation on values of any kind is changed");
}
