//! Outputs of the calculators, recomputed from everything that was folded.

use std::collections::{BTreeMap, BTreeSet};

use super::calculator::Calculator;
use super::condition::Condition;
use super::condition_state::ConditionState;
use super::key::distinct_text;
use super::value::{Number, Value};

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
    let held = || window.held(&state.folded, |_| None, now).into_iter();
    match &condition.calculator {
        Calculator::Count => put("value", Some(whole(held().count()))),
        Calculator::Distinct { .. } => {
            let held = window.held(&state.folded, |value| Some(distinct_text(value)), now);
            let texts: BTreeSet<String> = held.into_iter().map(distinct_text).collect();
            put("value", Some(whole(texts.len())));
        }
        Calculator::Stats { .. } => {
            let numbers = ascending(held());
            put("count", Some(whole(numbers.len())));
            put("sum", Some(Value::Float(Decimals::sum(&numbers).over(1))));
            if let (Some(min), Some(max)) = (numbers.first(), numbers.last()) {
                put("min", Some(figure(*min)));
                put("max", Some(figure(*max)));
                put("range", Some(Value::Float(Decimals::range(*min, *max).over(1))));
                put("avg", Some(Value::Float(Decimals::sum(&numbers).over(numbers.len()))));
            }
        }
        Calculator::Top { n, .. } => {
            let numbers = ascending(held());
            let largest = &numbers[numbers.len().saturating_sub(*n)..];
            put("count", Some(whole(largest.len())));
            if let (Some(min), Some(max)) = (largest.first(), largest.last()) {
                put("min", Some(Value::Float(min.float())));
                put("max", Some(Value::Float(max.float())));
                put("avg", Some(Value::Float(Decimals::sum(largest).over(largest.len()))));
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
            put("step", Some(whole(state.runs.keys().max().copied().unwrap_or(0))));
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
fn ascending<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<Number> {
    let mut numbers: Vec<Number> = values.filter_map(Value::number).collect();
    numbers.sort_by(|a, b| a.compare(*b).expect("numbers have an order"));
    numbers
}

/// A float, or an integer beyond those that a float has for certain.
fn figure(number: Number) -> Value {
    match number {
        Number::Int(int) if int.abs() > 1 << 53 => Value::Int(int),
        number => Value::Float(number.float()),
    }
}

/// A sum: exact if each of its numbers is written with nine decimal places at most.
enum Decimals {
    Billionths(i128),
    Float(f64),
}

impl Decimals {
    fn sum(numbers: &[Number]) -> Self {
        match numbers.iter().map(|number| billionths(*number)).sum() {
            Some(sum) => Self::Billionths(sum),
            None => Self::Float(numbers.iter().map(|number| number.float()).sum()),
        }
    }

    fn range(min: Number, max: Number) -> Self {
        match (billionths(min), billionths(max)) {
            (Some(min), Some(max)) => Self::Billionths(max - min),
            _ => Self::Float(max.float() - min.float()),
        }
    }

    /// A share of it; exact if that has nine decimal places at most.
    fn over(&self, count: usize) -> f64 {
        let shares = i128::try_from(count).expect("a count");
        let float = |billionths: i128| format!("{billionths}e-9").parse::<f64>().expect("a decimal");
        match self {
            Self::Billionths(all) if all % shares == 0 => float(all / shares),
            Self::Billionths(all) => float(*all) / count as f64,
            Self::Float(sum) => sum / count as f64,
        }
    }
}

/// A number as it is written, in billionths.
fn billionths(number: Number) -> Option<i128> {
    let text = match number {
        Number::Int(int) => int.to_string(),
        Number::Float(float) => float.to_string(),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    (fraction.len() <= 9).then(|| format!("{whole}{fraction:0<9}").parse().ok())?
}
