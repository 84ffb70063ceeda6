//! Outputs of the calculators, recomputed from everything that was folded.

use std::collections::{BTreeMap, BTreeSet};

use super::calculator::Calculator;
use super::condition::Condition;
use super::condition_state::ConditionState;
use super::key::distinct_text;
use super::value::Value;

/// Outputs by name, without absent ones.
pub(crate) type Outputs = BTreeMap<String, Value>;

/// The outputs of a condition at `now`.
pub(crate) fn outputs(condition: &Condition, state: &ConditionState, now: i64) -> Outputs {
    let window = &condition.window;
    let mut named = Outputs::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            named.insert(name.to_owned(), value);
        }
    };
    let held = || state.folded.iter().filter(|(time, _)| window.holds(*time, now)).map(|(_, value)| value);
    match &condition.calculator {
        Calculator::Count => put("value", Some(whole(held().count()))),
        Calculator::Distinct { .. } => {
            let texts: BTreeSet<String> = held().map(distinct_text).collect();
            put("value", Some(whole(texts.len())));
        }
        Calculator::Stats { .. } => {
            let numbers = floats(held());
            put("count", Some(whole(numbers.len())));
            put("sum", Some(Value::Float(numbers.iter().sum::<f64>() + 0.0)));
            if let (Some(min), Some(max)) = (numbers.first(), numbers.last()) {
                put("min", Some(Value::Float(*min)));
                put("max", Some(Value::Float(*max)));
                put("range", Some(Value::Float(max - min)));
                put("avg", Some(Value::Float(mean(&numbers))));
            }
        }
        Calculator::Top { n, .. } => {
            let numbers = floats(held());
            let largest = &numbers[numbers.len().saturating_sub(*n)..];
            put("count", Some(whole(largest.len())));
            if let (Some(min), Some(max)) = (largest.first(), largest.last()) {
                put("min", Some(Value::Float(*min)));
                put("max", Some(Value::Float(*max)));
                put("avg", Some(Value::Float(mean(largest))));
            }
        }
        Calculator::Last { .. } => {
            // `max_by_key` returns the last of equals, which is the later arrival.
            let latest = state.folded.iter().max_by_key(|(time, _)| *time);
            if let Some((time, value)) = latest.filter(|(time, _)| window.keeps(*time, now)) {
                put("value", Some(value.clone()));
                put("at", Some(Value::Int((*time).into())));
            }
        }
        Calculator::Sequence { .. } => {
            put("value", Some(whole(held().count())));
            put("step", Some(whole(state.step)));
        }
        Calculator::Gap { .. } => {
            put("value", Some(whole(held().count())));
            put("last_gap", state.last_gap.map(|gap| Value::Int(gap.into())));
        }
        Calculator::Absence { .. } => {
            put("value", Some(whole(held().count())));
            put("pending", state.pending.map(|time| Value::Int(time.into())));
        }
    }
    named
}

fn whole(count: usize) -> Value {
    Value::Int(i128::try_from(count).expect("a count"))
}

/// Numbers among the values, ascending.
fn floats<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<f64> {
    let mut numbers: Vec<f64> = values.filter_map(Value::number).map(|number| number.float()).collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}
