//! Variables and arguments that need no place, and those that do.

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::{contract::case, pair::calls};
use crate::calculator::{Execution, program::Function};

/// Bodies of `on_event` with variables that are set, or read after a change, and functions called with such.
const BODIES: &[&str] = &[
    "again(1) == 0 && again(2) == 0",
    "let x = event.p; x = 3; state.a = x; let y = 7; y += state.a; y > 3",
    "let x = event.time; let y = x - event.now; x += y; state.a = x; y < 0",
    "let x = 4; if event.step == 1 { x = event.p; } let z = x; x = 5; z == 7",
    "let known = event.p != (); let late = event.time < event.now; if known && !late { state.a += 1; } known == late",
    "early(event.p ?? 2) > 2 && outer(switch event.step { 0 => event.q, _ => 3 }, { if state.ok { return true; } 4 }) == 5",
    "state.a = changed(state.a, event.p) + state.a; true",
    "let x = 5; state.b = changed(x, x); state.a = x; true",
    "let t = state.t; state.t += 'x'; state.u = t; len(t) > 2",
    "let t = event.p; len(t) > 2 || chosen(params.none, t).len() > 1",
    "let x = state.a; state.a = 9; state.b = helper(x); x == state.b",
    "let x = chosen(params.none, state.t); state.t = event.p; x == state.t",
    "state.a = chosen((), state.a) + helper(chosen((), helper(state.a))); true",
    "state.a = chosen(params.limit, state.a); state.b = chosen(params.none, state.b); true",
    "state.ok = chosen(params.none, event.p) == 7 || chosen(event.p, state.t) == \"start\"; state.ok",
    "let tiers = chosen(1, params.tiers); state.a = tiers[event.step]; true",
    "let x = { if event.step == 1 { return false; } let y = event.p; y }; x == 7",
    "let x = { return event.step == 1; 3 }; x == 3",
    "switch params.word { \"w\" => state.a += 1, _ => state.b = 7 } true",
    "let x = state.a; state.a = 5; x > 3",
    "let x = state.ok; state.ok = !x; x",
    "let x = state.a > 3 && state.b > 2; state.ok = x; x",
    "let x = state.hits.at(event.now); state.hits.add(event.time, event.now); x > 1",
];

#[test]
fn each_is_compiled_and_equals_the_interpreter() {
    let calls = calls(3, 300).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let wrong = |body: &&str| -> Vec<String> {
        case(body).compiled_otherwise(&calls).map(|reason| format!("{body}: {reason}")).collect()
    };
    let wrong: Vec<_> = BODIES.iter().chain(WITHOUT_ROOM).flat_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Bodies, and shorter ones of the same operations.
const SAME: &[[&str; 2]] = &[
    ["let x = event.p; let y = x; y != ()", "event.p != ()"],
    ["let x = 3; const Y = x + 4; state.a = Y; true", "state.a = 7; true"],
    [
        "let big = state.a > 3; let old = event.time < event.now; big && old",
        "state.a > 3 && event.time < event.now",
    ],
    ["let x = state.a; x > 1 && x < 9", "state.a > 1 && state.a < 9"],
    ["chosen(params.none, state.a) > 1", "state.a > 1"],
    ["let width = params.none; if width == () { return true; } state.a -= width; true", "true"],
    ["let t = state.t; t == \"x\"", "state.t == \"x\""],
    [
        "switch params.word { \"v\" => { state.a = 1; } 3 => { state.a = 2; } _ => { state.a = 3; } } true",
        "state.a = 3; true",
    ],
    ["!(state.a > 3 && (state.b < 2 || state.ok))", "state.a <= 3 || state.b >= 2 && !state.ok"],
];

#[test]
fn variables_that_change_nothing_cost_nothing() {
    for bodies in SAME {
        let [one, other] = bodies.map(|body| {
            let program = case(body).compile(Execution::Compiled).unwrap();
            let Function::Compiled(code) = &program.on_event else { panic!("{body}") };
            format!("{:?}", code.ops)
        });
        assert_eq!(one, other, "{bodies:?}");
    }
}

/// Bodies with values of any kind of which none has to be kept.
const WITHOUT_ROOM: &[&str] = &[
    "if event.p == \"x\" { state.a += 1; } true",
    "if event.p != () { state.f += event.p; } true",
    "event.p.len() > 2 && contains(event.p, \"e\") || is_number(event.q)",
    "let p = event.p; if p > 3 && p < 9.5 { state.a = to_int(p); } true",
    "switch params.word { \"w\" => { state.a += 1; } _ => { state.t = event.p; } } event.p == true",
    "state.a = params.tiers[event.step]; state.f = state.nums.figures(event.now).sum / 2; true",
];

#[test]
fn values_that_become_words_need_no_room() {
    for body in WITHOUT_ROOM {
        let program = case(body).compile(Execution::Compiled).unwrap();
        let Function::Compiled(code) = &program.on_event else { panic!("{body}") };
        let needs_room = code.values.as_ref().is_some_and(|values| values.needs_room());
        assert!(!needs_room, "{body}: {:?}", code.ops);
    }
}
