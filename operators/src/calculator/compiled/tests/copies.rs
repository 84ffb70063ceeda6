//! Users' copies of the built-in scripts, with other names and with functions of their own: they are compiled
//! to the operations of the built-in ones.

use super::{super::code::Code, builtins, pair::Case};
use crate::calculator::{
    Execution, Program,
    builtin::{BUILTINS, Builtin},
    program::Function,
};

const WINDOWS: [Option<i64>; 2] = [None, Some(6_400)];

const COUNT: &str = "
    fn init(params) { let empty = count(params.window); #{ tally: empty } }
    fn on_event(state, event, params) {
        let at = event.time;
        state.tally.add(at, event.now);
        true
    }
    fn outputs(state, params, now) { let figure = state.tally.at(now); #{ value: figure } }";

const DISTINCT: &str = "
    fn init(params) { #{ seen: distinct(params.window) } }
    fn is_known(value) { value != () }
    fn on_event(state, event, params) {
        let value = event[params.of];
        if is_known(value) { state.seen.add(value, event.time, event.now); }
        true
    }
    fn outputs(state, params, now) { #{ value: state.seen.at(now) } }";

const FIGURES: &str = "
    fn init(params) { #{ amounts: MADE } }
    fn on_event(state, event, params) {
        let amount = event[params.of];
        let known = amount != ();
        if known { state.amounts.add(amount, event.time, event.now); }
        true
    }
    fn outputs(state, params, now) { return state.amounts.figures(now); }";

const SEQUENCE: &str = "
    fn init(params) { #{ rounds: count(params.window), next: 0, began: -1, before: -1 } }
    fn is_out_of_order(next, before, step, time) { step != next || next > 0 && time < before }
    fn on_event(state, event, params) {
        let last = params.steps;
        if is_out_of_order(state.next, state.before, event.step, event.time) { return false; }
        if state.next == 0 { state.began = event.time; }
        state.before = event.time;
        state.next += 1;
        if state.next == last {
            state.next = 0;
            state.rounds.add(event.time, event.now);
        }
        true
    }
    fn outputs(state, params, now) { #{ step: state.next, value: state.rounds.at(now) } }";

const GAP: &str = "
    fn init(params) { #{ total: count(params.window), open: -1, between: -1 } }
    fn is_between(gap, at_least, at_most) { (at_least == () || gap >= at_least) && (at_most == () || gap <= at_most) }
    fn is_inside(gap, more_than, less_than) {
        let most = less_than;
        return (more_than == () || gap > more_than) && (most == () || gap < most);
    }
    fn known(length) { if length < 0 { () } else { length } }
    fn on_event(state, event, params) {
        let begins = event.step == 0;
        let adjacent = params.anchor == \"adjacent\";
        if begins {
            if state.open < 0 || params.anchor != \"earliest\" { state.open = event.time; }
            return false;
        }
        let gap = event.time - state.open;
        if state.open < 0 || gap < 0 { return false; }
        if is_between(gap, params.at_least, params.at_most) && is_inside(gap, params.more_than, params.less_than) {
            state.open = -1;
            state.between = gap;
            state.total.add(event.time, event.now);
        } else if adjacent {
            state.open = -1;
        }
        false
    }
    fn outputs(state, params, now) { #{ last_gap: known(state.between), value: state.total.at(now) } }";

const ABSENCE: &str = "
    fn init(params) { #{ v_total: count(params.window), p_open: -1 } }
    fn is_in_time(open, time, within) { open >= 0 && time >= open && time <= open + within }
    fn on_event(state, event, params) {
        let within = params.within;
        let begins = event.step == 0;
        let latest = params.anchor == \"latest\";
        if begins {
            if state.p_open < 0 || latest && event.time > state.p_open {
                state.p_open = event.time;
                set_timer(state, event.time + within);
            }
        } else if is_in_time(state.p_open, event.time, within) {
            state.p_open = -1;
            clear_timer(state);
        }
        false
    }
    fn on_timer(state, now, params) { state.p_open = -1; state.v_total.add(now, now); }
    fn on_timer_dropped(state, now, params) { state.p_open = -1; }
    fn outputs(state, params, now) {
        let open = state.p_open;
        #{ value: state.v_total.at(now), pending: if open < 0 { () } else { open } }
    }";

/// The gap and the sequence as a user might write them, in other steps than the built-in scripts.
const FREELY: [(&str, &str, usize); 2] = [
    (
        "gap",
        "fn init(params) { #{ hits: count(params.window), from: -1, latest: -1 } }
        fn is_long(gap, at_least, more_than) { (at_least == () || gap >= at_least) && (more_than == () || gap > more_than) }
        fn is_short(gap, at_most, less_than) { (at_most == () || gap <= at_most) && (less_than == () || gap < less_than) }
        fn known(length) { if length < 0 { () } else { length } }
        fn on_event(state, event, params) {
            if event.step == 0 {
                let keeps = state.from >= 0 && params.anchor == \"earliest\";
                if !keeps { state.from = event.time; }
                return false;
            }
            let gap = event.time - state.from;
            if state.from < 0 || gap < 0 { return false; }
            let fits = is_long(gap, params.at_least, params.more_than) && is_short(gap, params.at_most, params.less_than);
            if fits { state.hits.add(event.time, event.now); state.latest = gap; }
            if fits || params.anchor == \"adjacent\" { state.from = -1; }
            false
        }
        fn outputs(state, params, now) { #{ last_gap: known(state.latest), value: state.hits.at(now) } }",
        8,
    ),
    (
        "sequence",
        "fn init(params) { #{ rounds: count(params.window), next: 0, began: -1, before: -1 } }
        fn continues(next, before, step, time) { step == next && (next == 0 || time >= before) }
        fn on_event(state, event, params) {
            if !continues(state.next, state.before, event.step, event.time) { return false; }
            if state.next == 0 { state.began = event.time; }
            state.before = event.time;
            let next = state.next + 1;
            if next == params.steps { next = 0; state.rounds.add(event.time, event.now); }
            state.next = next;
            true
        }
        fn outputs(state, params, now) { #{ step: state.next, value: state.rounds.at(now) } }",
        2,
    ),
];

/// The copy of a built-in script. Its fields are in the same order.
fn copy(builtin: &Builtin) -> String {
    let figures = |made| FIGURES.replace("MADE", made);
    match builtin.name {
        "count" => COUNT.to_owned(),
        "distinct" => DISTINCT.to_owned(),
        "sequence" => SEQUENCE.to_owned(),
        "gap" => GAP.to_owned(),
        "absence" => ABSENCE.to_owned(),
        "stats" => figures("stats(params.window)"),
        "top" => figures("top(params.n, params.window)"),
        "last" => figures("latest(params.window)"),
        name => panic!("{name} has no copy"),
    }
}

/// Programs of a built-in script and of another script, with all of its params.
fn pairs(builtin: &Builtin, script: &str) -> Vec<[Program; 2]> {
    let cases = WINDOWS.into_iter().flat_map(|window| builtins::of((builtin, window)));
    // A sequence with `within` has a text of its own for each number of steps.
    let cases = cases.filter(|case| builtin.name != "sequence" || case.params["within"].is_null());
    let both = |case: Case| {
        let other = Case { script: script.to_owned(), ..case.clone() };
        [case, other].map(|case| case.compile(Execution::Compiled).unwrap())
    };
    cases.map(both).collect()
}

fn code(program: &Program) -> &Code {
    match &program.on_event {
        Function::Compiled(code) => code,
        Function::Interpreted(_, why) => panic!("{why}"),
    }
}

/// Positions of the outputs that can be read alone, by name.
fn outputs(program: &Program) -> Vec<(&str, bool)> {
    let names = program.output_names().iter();
    names.map(|name| (&**name, program.output_position(name).is_some())).collect()
}

#[test]
fn copies_have_the_operations_of_the_built_in_scripts() {
    for builtin in &BUILTINS {
        for [program, other] in pairs(builtin, &copy(builtin)) {
            assert_eq!(code(&other).ops, code(&program).ops, "{}", builtin.name);
            assert_eq!(code(&other).restored, code(&program).restored, "{}", builtin.name);
            assert!(code(&other).values.is_none(), "{}", builtin.name);
            assert_eq!(outputs(&other), outputs(&program), "{}", builtin.name);
            assert_eq!(other.outputs_can_fail(), program.outputs_can_fail(), "{}", builtin.name);
        }
    }
}

#[test]
fn freely_written_scripts_have_a_few_operations_more() {
    for (name, script, most) in FREELY {
        let builtin = BUILTINS.iter().find(|builtin| builtin.name == name).unwrap();
        for [program, other] in pairs(builtin, script) {
            let (ops, others) = (&code(&program).ops, &code(&other).ops);
            assert!(others.len() <= ops.len() + most, "{name}:\n{ops:?}\n{others:?}");
            assert!(code(&other).values.is_none(), "{name}: {others:?}");
            assert_eq!(outputs(&other), outputs(&program), "{name}");
        }
    }
}

/// Most calculators fold with a single operation.
#[test]
fn whole_bodies_are_one_operation() {
    for builtin in &BUILTINS {
        for [program, _] in pairs(builtin, &copy(builtin)) {
            let one = code(&program).ops.first().is_some_and(|op| op.returns_true());
            assert_eq!(one, builtin.steps.is_none(), "{}: {:?}", builtin.name, code(&program).ops);
        }
    }
}
