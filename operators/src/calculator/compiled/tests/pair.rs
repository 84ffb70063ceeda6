//! A script run twice, compiled and interpreted, side by side.

use std::fmt::Debug;

use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use crate::{
    calculator::{CallError, Cell, Execution, FoldInput, Program, ProgramError, Runner, aggregate::Cut},
    model::value::Value,
};

/// A call of a program.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// Properties have the two values in turn.
    Event {
        input: FoldInput,
        values: [Option<Value<'static>>; 2],
    },
    Timer(i64),
    Dropped(i64),
}

/// A script with its params.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) script: String,
    pub(super) params: Map<String, Json>,
    pub(super) window: Option<i64>,
    pub(super) steps: Option<usize>,
}

impl Case {
    pub(super) fn compile(&self, execution: Execution) -> Result<Program, ProgramError> {
        let Case { script, params, window, steps } = self;
        let program = Program::compile_for(execution, script, params, window.map(Cut::last), *steps)?;
        program.faults.first().cloned().map_or(Ok(program), Err)
    }

    /// Compares both ways over the calls without a dry run, so that scripts which always fail are compared
    /// too.
    pub(super) fn compare_all(&self, calls: &[Call]) -> Result<Option<Program>, String> {
        let prepare = |execution| {
            Program::prepare(execution, &self.script, &self.params, self.window.map(Cut::last), self.steps)
        };
        match (prepare(Execution::Compiled), prepare(Execution::Interpreted)) {
            (Ok(compiled), Ok(interpreted)) => {
                compare(&compiled, &interpreted, calls).map(|()| Some(compiled))
            }
            (compiled, interpreted) => {
                same("compilation", &compiled.err(), &interpreted.err()).map(|()| None)
            }
        }
    }

    /// Why it is not compiled wholly with the results of the interpreter over the calls; nothing if it is.
    pub(super) fn compiled_otherwise(&self, calls: &[Call]) -> impl Iterator<Item = String> {
        let reasons = match self.compare(calls) {
            Ok(Some(program)) => program.interpreted().map(|(f, why)| format!("{f}: {why}")).collect(),
            Ok(None) => vec!["refused".to_owned()],
            Err(difference) => vec![difference],
        };
        reasons.into_iter()
    }

    /// Compares both ways over the calls. Returns the compiled program, or the first difference.
    pub(super) fn compare(&self, calls: &[Call]) -> Result<Option<Program>, String> {
        match (self.compile(Execution::Compiled), self.compile(Execution::Interpreted)) {
            (Ok(compiled), Ok(interpreted)) => {
                compare(&compiled, &interpreted, calls).map(|()| Some(compiled))
            }
            (compiled, interpreted) => {
                let errors = (compiled.err(), interpreted.err());
                same("compilation", &errors.0, &errors.1).map(|()| None)
            }
        }
    }
}

/// Compares two programs over the calls: results, errors and their places, fields, timers and outputs.
pub(super) fn compare(a: &Program, b: &Program, calls: &[Call]) -> Result<(), String> {
    same("outputs' names", &a.output_names(), &b.output_names())?;
    let (mut one, mut other) = (Runner::new(a), Runner::new(b));
    let (mut cells, mut others) = (a.initial().to_vec(), b.initial().to_vec());
    for call in calls {
        let before = cells.clone();
        let results = (run(a, &mut one, &mut cells, call), run(b, &mut other, &mut others, call));
        same(&format!("{call:?}"), &results.0, &results.1)?;
        same(&format!("fields after {call:?}"), &cells, &others)?;
        if results.0.is_err() && matches!(call, Call::Event { .. }) {
            same(&format!("fields after a failing {call:?}"), &cells, &before)?;
        }
        let now = call.now();
        let outputs = (one.outputs(a, &mut cells[..], now), other.outputs(b, &mut others[..], now));
        same(&format!("outputs after {call:?}"), &outputs.0, &outputs.1)?;
        for name in a.output_names() {
            let direct = a.output_position(name).and_then(|position| a.direct(position));
            if let Some(direct) = direct {
                let all = outputs.0.as_ref().map(|outputs| outputs.get(name));
                let read: Result<_, &CallError> = Ok(direct.value(&cells[..], now));
                same(&format!("`{name}`, read directly, after {call:?}"), &read, &all)?;
            }
        }
        same(&format!("fields after outputs after {call:?}"), &cells, &others)?;
    }
    Ok(())
}

fn run(program: &Program, runner: &mut Runner, cells: &mut [Cell], call: &Call) -> Result<bool, CallError> {
    match call {
        Call::Event { input, values } => {
            let inputs = 0..program.inputs().0.len();
            runner.on_event(program, cells, *input, inputs.map(|input| values[input % 2].as_ref()))
        }
        Call::Timer(now) => runner.on_timer(program, cells, *now).map(|()| false),
        Call::Dropped(now) => runner.on_timer_dropped(program, cells, *now).map(|()| false),
    }
}

fn same(what: &str, a: &impl Debug, b: &impl Debug) -> Result<(), String> {
    let (a, b) = (format!("{a:?}"), format!("{b:?}"));
    if a == b { Ok(()) } else { Err(format!("{what}:\n   compiled: {a}\ninterpreted: {b}")) }
}

impl Call {
    fn now(&self) -> i64 {
        match self {
            Call::Event { input, .. } => input.now,
            Call::Timer(now) | Call::Dropped(now) => *now,
        }
    }
}

fn value() -> impl Strategy<Value = Option<Value<'static>>> {
    prop_oneof![
        2 => Just(None),
        2 => (0i64..20).prop_map(|i| Some(Value::Int(i))),
        1 => prop_oneof![Just(i64::MAX), Just(i64::MIN)].prop_map(|i| Some(Value::Int(i))),
        2 => (-9i32..40).prop_map(|f| Some(Value::Float(f64::from(f) / 4.0))),
        2 => prop_oneof!["12.5", "x", "7", "", "event", "é"].prop_map(|t| Some(Value::Text(t.into()))),
        1 => prop_oneof![Just(f64::MAX), Just(-0.0), Just(1e19), Just(f64::EPSILON)].prop_map(|f| Some(Value::Float(f))),
        1 => (1_020usize..1_030).prop_map(|n| Some(Value::Text("é".repeat(n / 2).into()))),
        1 => any::<bool>().prop_map(|b| Some(Value::Bool(b))),
    ]
}

/// Calls in the order of their `now`, events late and at the ends of time among them.
pub(super) fn calls(steps: usize, most: usize) -> impl Strategy<Value = Vec<Call>> {
    let late = prop_oneof![8 => Just(0i64), 2 => 0i64..9_000, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let one = (0i64..2_000, late, 0..steps.max(1), [value(), value()], 0..12);
    prop::collection::vec(one, 1..most).prop_map(|drawn| {
        let mut now = 1_700_000_000_000i64;
        let call =
            |(ahead, late, step, values, what): (i64, i64, usize, [Option<Value<'static>>; 2], i32)| {
                now += ahead;
                match what {
                    0 => Call::Timer(now),
                    1 => Call::Dropped(now),
                    _ => {
                        Call::Event { input: FoldInput { time: now.saturating_sub(late), now, step }, values }
                    }
                }
            };
        drawn.into_iter().map(call).collect()
    })
}
