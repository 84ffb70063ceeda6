//! Tests of the built-in calculators by their `*.cases.json`: the calls of a case are folded, the outputs
//! compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use serde_json::{Map, Value as Json};
use strateye_operators::{
    calculator::{
        CallError, Cell, FoldInput, Program, Runner,
        aggregate::Cut,
        builtin::{BUILTINS, Builtin},
    },
    model::{calendar::Calendar, value::Value},
};

fn value(json: &Json) -> Value<'static> {
    match json {
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap()), Value::Int),
        Json::String(s) => Value::Text(s.clone().into()),
        other => panic!("{other} is no value"),
    }
}

fn run(builtin: &Builtin, case: &Json) {
    let label = format!("{}: {}", builtin.name, case["name"]);
    let mut params: Map<String, Json> = case["params"].as_object().cloned().unwrap_or_default();
    for (name, _) in builtin.params {
        params.entry(*name).or_insert(Json::Null);
    }
    let steps = case["steps"].as_u64().map(|n| n as usize);
    let script = builtin.script(&params, steps.unwrap_or(0));
    let window = match &case["window"] {
        Json::String(calendar) => Some(Cut::Calendar(Calendar::parse(calendar).expect(&label))),
        window => window.as_i64().map(Cut::last),
    };
    let program = Program::compile(&script, &params, window, steps).expect(&label);
    let mut runner = Runner::new(&program);
    let mut cells = program.initial().to_vec();
    let mut now = 0;
    for call in case["calls"].as_array().unwrap() {
        if let Some(at) = call["timer"].as_i64() {
            runner.on_timer(&program, &mut cells[..], at).unwrap();
            continue;
        }
        if let Some(at) = call["dropped"].as_i64() {
            runner.on_timer_dropped(&program, &mut cells[..], at).unwrap();
            continue;
        }
        let time = call["time"].as_i64().unwrap();
        now = now.max(time);
        let values: Vec<_> = program.inputs().0.iter().map(|name| call.get(name).map(value)).collect();
        let input = FoldInput { time, now, step: call["step"].as_u64().unwrap_or(0) as usize };
        let result = runner.on_event(&program, &mut cells[..], input, values.iter().map(Option::as_ref));
        match call["refused"].as_bool() {
            Some(true) => assert!(matches!(result, Err(CallError::NotFolded(_))), "{label}: {result:?}"),
            _ => assert!(result.is_ok(), "{label}: {result:?}"),
        }
        if let Some(deadline) = call["armed"].as_i64() {
            assert_eq!(cells[program.timer().unwrap()], Cell::Int(deadline), "{label}");
        }
    }
    let outputs = runner.outputs(&program, &mut cells[..], case["now"].as_i64().unwrap_or(now)).unwrap();
    assert_eq!(Json::Object(outputs.json()), case["outputs"], "{label}");
}

#[test]
fn cases_hold() {
    for builtin in BUILTINS {
        let path = format!("{}/calculators/{}.cases.json", env!("CARGO_MANIFEST_DIR"), builtin.name);
        let cases: Vec<Json> =
            serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect(&path);
        assert!(!cases.is_empty());
        cases.iter().for_each(|case| run(&builtin, case));
    }
}

const FOLD: &str = "fn outputs(state, params, now) { #{ value: state.n } } ";

fn refused(script: &str) -> String {
    Program::compile(&format!("{FOLD}{script}"), &Map::new(), None, None).unwrap_err().to_string()
}

#[test]
fn bad_scripts_are_refused_with_their_position() {
    let init = "fn init(params) { #{ n: 0 } } ";
    for (script, says) in [
        ("fn init(params) { #{ n: 0 } }", "`on_event` is missing"),
        ("fn init(params) { 3 } fn on_event(state, event, params) { }", "must give a map"),
        (
            "fn init(params) { #{ n: 0 } } fn on_event(state, event) { }",
            "write `fn on_event(state, event, params)`",
        ),
        ("let x = 1;", "only functions"),
        ("fn init(params) { #{ n: 0 ", "line 1"),
    ] {
        assert!(refused(script).contains(says), "{script}: {}", refused(script));
    }
    for (body, says) in [
        ("loop { }", "line 1"),
        ("while true { }", "line 1"),
        ("eval(\"1\")", "eval"),
        ("sleep(2)", "no function `sleep`"),
        ("exit()", "exit"),
        ("import \"x\" as y;", "import"),
        ("print(1)", "print"),
        ("cuont(state)", "no function `cuont`"),
        ("params.x = 1;", "`params` can't be assigned to"),
        ("state.m = 1;", "not declared"),
        ("state.n = 1.5;", "an integer by `init`"),
        ("state.n = 1 / 0;", "zero"),
        ("on_event(state, event, params)", "stack"),
        ("let k = \"n\"; event[k]", "known at publish"),
        ("state.n = missing;", "missing"),
        ("let s = \"aaaaaaaaaaaaaaaa\"; s += s; s += s; s += s; s += s; s += s; s += s; s += s;", "ength"),
        ("let a = [1,2,3,4,5,6,7,8]; a += a; a += a; a += a; a += a; a += a;", "too large"),
        ("state.n = 9223372036854775807; state.n += 1;", "verflow"),
    ] {
        let got = refused(&format!("{init}fn on_event(state, event, params) {{ {body} }}"));
        assert!(got.to_lowercase().contains(&says.to_lowercase()), "{body}: {got}");
    }
}

#[test]
fn a_failing_call_changes_nothing() {
    let script = "fn init(params) { #{ n: 0, all: stats() } } fn outputs(state, params, now) { #{ value: state.n } }
        fn on_event(state, event, params) { state.n += 1; state.all.add(1); if event.amt == 13 { state.n = 1 / (event.amt - 13); } }";
    let program = Program::compile(script, &Map::new(), None, None).unwrap();
    let mut runner = Runner::new(&program);
    let mut cells = program.initial().to_vec();
    let mut fold = |amt: i64, cells: &mut Vec<Cell>| {
        let amt = Value::Int(amt);
        runner.on_event(
            &program,
            &mut cells[..],
            FoldInput { time: 1, now: 1, step: 0 },
            [Some(&amt)].into_iter(),
        )
    };
    fold(1, &mut cells).unwrap();
    let before = cells.clone();
    assert!(matches!(fold(13, &mut cells), Err(CallError::Failed(_))));
    assert_eq!(cells, before);
    fold(1, &mut cells).unwrap();
    assert_eq!(cells[1], Cell::Int(2));
}
