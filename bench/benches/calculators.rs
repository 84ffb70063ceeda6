//! Micro-bench of one call of each built-in calculator: folding an event, and computing the outputs; without
//! a window, and sliding.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use operators::{
    calculator::{
        FoldInput, Program, Runner,
        aggregate::Cut,
        builtin::{BUILTINS, Builtin, Param},
    },
    model::value::Value,
};
use serde_json::{Map, Value as Json, json};
use strateye_bench::workload::{draw::Draw, events::START};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Number of distinct inputs, used in turn, so that windows slide and sequences complete.
const CALLS: usize = 4096;

fn params(builtin: &Builtin) -> Map<String, Json> {
    let value = |param: &Param| match param {
        Param::Property => json!("amt"),
        Param::Amount => json!(10),
        Param::Span => json!(15 * MINUTE),
        Param::OptionalSpan | Param::OptionalWord(_) => Json::Null,
        Param::Word(words) => json!(words[0]),
    };
    builtin.params.iter().map(|(name, param)| ((*name).to_owned(), value(param))).collect()
}

/// Inputs half a minute apart, of a random step, each with one of a hundred amounts.
fn inputs(steps: usize) -> Vec<(FoldInput, Value<'static>)> {
    let mut draw = Draw::new(1, 0);
    let input = |i: usize| {
        let time = START + i as i64 * MINUTE / 2;
        let amount = Value::Float(draw.below(100) as f64 / 2.0);
        (FoldInput { time, now: time, step: draw.below(steps) }, amount)
    };
    (0..CALLS).map(input).collect()
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("calculators");
    for builtin in BUILTINS {
        let windows: &[Option<i64>] = if builtin.steps.is_none() { &[None, Some(HOUR)] } else { &[None] };
        for window in windows {
            let name =
                if window.is_some() { format!("{}_last_hour", builtin.name) } else { builtin.name.into() };
            let steps = builtin.steps.map(|(least, _)| least);
            let params = params(&builtin);
            let script = builtin.script(&params, steps.unwrap_or(0));
            let program = Program::compile(&script, &params, window.map(Cut::last), steps).unwrap();
            let inputs = inputs(steps.unwrap_or(1));
            let mut runner = Runner::new(&program);
            let mut cells = program.initial().to_vec();
            let mut i = 0;
            let mut fold = |cells: &mut [_], runner: &mut Runner| {
                let (mut input, value) = (inputs[i % CALLS].0, &inputs[i % CALLS].1);
                input.time += (i / CALLS * CALLS) as i64 * MINUTE / 2;
                input.now = input.time;
                i += 1;
                let values = std::iter::repeat_n(Some(value), program.inputs().0.len());
                let used_up = runner.on_event(&program, cells, input, values).unwrap();
                (used_up, input.now)
            };
            group.bench_function(BenchmarkId::new("on_event", &name), |b| {
                b.iter(|| fold(&mut cells, &mut runner))
            });
            let (_, now) = fold(&mut cells, &mut runner);
            group.bench_function(BenchmarkId::new("outputs", &name), |b| {
                b.iter(|| runner.outputs(&program, &mut cells[..], black_box(now)).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = calls
}
criterion_main!(benches);
