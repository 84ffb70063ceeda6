//! Native aggregates, as scripts make and use them.

use rhai::{Dynamic, Engine, FLOAT, INT, Map};

use super::values::{Native, fails, not_folded, number, to_value};
use crate::{
    calculator::{
        Aggregate,
        aggregate::{Buckets, Distinct, Latest, Stats, Top, latest::Scalar},
    },
    model::value::Value,
};

fn to_scalar(value: &Dynamic) -> Native<Scalar> {
    match to_value(value) {
        Some(Value::Bool(b)) => Ok(Scalar::Bool(b)),
        Some(Value::Int(i)) => Ok(Scalar::Int(i)),
        Some(Value::Float(f)) => Ok(Scalar::Float(f)),
        Some(Value::Text(t)) => Ok(Scalar::Text(t.as_ref().into())),
        None => not_folded(value),
    }
}

fn from_scalar(scalar: &Scalar) -> Dynamic {
    match scalar {
        Scalar::Bool(b) => (*b).into(),
        Scalar::Int(i) => (*i).into(),
        Scalar::Float(f) => (*f).into(),
        Scalar::Text(t) => t.as_ref().into(),
    }
}

fn span(ms: INT) -> Native<i64> {
    if ms > 0 { Ok(ms) } else { fails("a window needs a length of at least 1 ms") }
}

/// Registers the aggregates and their methods.
pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Aggregate>("aggregate");
    constructors(engine);
    methods(engine);
}

/// Each makes an aggregate, of everything or of a window of some milliseconds.
fn constructors(engine: &mut Engine) {
    engine.register_fn("count", |(): ()| 0 as INT);
    for name in ["count", "window_count"] {
        engine.register_fn(name, |ms: INT| Native::Ok(Aggregate::Count(Buckets::new(span(ms)?))));
    }
    engine.register_fn("stats", || Aggregate::Stats(Stats::default()));
    engine.register_fn("stats", |(): ()| Aggregate::Stats(Stats::default()));
    engine.register_fn("stats", |ms: INT| Native::Ok(Aggregate::WindowStats(Buckets::new(span(ms)?))));
    engine.register_fn("distinct", || Aggregate::Distinct(Distinct::default()));
    engine.register_fn("distinct", |(): ()| Aggregate::Distinct(Distinct::default()));
    engine.register_fn("distinct", |ms: INT| Native::Ok(Aggregate::WindowDistinct(Buckets::new(span(ms)?))));
    engine.register_fn("latest", || Aggregate::Latest(Latest::default()));
    engine.register_fn("latest", |(): ()| Aggregate::Latest(Latest::default()));
    engine.register_fn("latest", |ms: INT| Native::Ok(Aggregate::Latest(Latest::new(Some(span(ms)?)))));
    engine.register_fn("top", |n: INT| Native::Ok(Aggregate::Top(Top::new(size(n)?))));
    engine.register_fn("top", |n: INT, (): ()| Native::Ok(Aggregate::Top(Top::new(size(n)?))));
    engine.register_fn("top", |n: INT, ms: INT| {
        Native::Ok(Aggregate::WindowTop(size(n)?, Buckets::new(span(ms)?)))
    });
}

fn methods(engine: &mut Engine) {
    // A count without a window is a plain integer that accepts the same calls.
    engine.register_fn("add", |count: &mut INT, _time: INT, _now: INT| *count = count.saturating_add(1));
    engine.register_fn("at", |count: &mut INT, _now: INT| *count);
    engine.register_fn("add", |aggregate: &mut Aggregate, time: INT, now: INT| match aggregate {
        Aggregate::Count(window) => {
            if let Some(count) = window.at(time, now, || 0) {
                *count += 1;
            }
            Ok(())
        }
        _ => fails("this aggregate folds values: write add(value, event.time, event.now)"),
    });
    engine.register_fn("add", add_value);
    engine.register_fn("add", |aggregate: &mut Aggregate, value: Dynamic| match aggregate {
        Aggregate::Stats(_) | Aggregate::Top(_) | Aggregate::Distinct(_) => add_value(aggregate, value, 0, 0),
        _ => fails("this aggregate needs the time: write add(value, event.time, event.now)"),
    });
    engine.register_fn("at", |aggregate: &mut Aggregate, now: INT| match aggregate {
        Aggregate::Count(window) => Ok(window.merged(now).unwrap_or(0) as INT),
        Aggregate::Distinct(distinct) => Ok(distinct.count() as INT),
        Aggregate::WindowDistinct(window) => Ok(window.merged(now).map_or(0, |d| d.count()) as INT),
        _ => fails("this aggregate has several figures: write figures(now)"),
    });
    engine.register_fn("figures", figures);
}

fn size(n: INT) -> Native<usize> {
    usize::try_from(n)
        .ok()
        .filter(|n| (1..=1000).contains(n))
        .map_or_else(|| fails("top keeps 1 to 1000 numbers"), Ok)
}

fn add_value(aggregate: &mut Aggregate, value: Dynamic, time: INT, now: INT) -> Native<()> {
    match aggregate {
        Aggregate::Stats(stats) => stats.add(number(&value)?),
        Aggregate::WindowStats(window) => {
            let number = number(&value)?;
            if let Some(stats) = window.at(time, now, Stats::default) {
                stats.add(number);
            }
        }
        Aggregate::Top(top) => top.add(number(&value)?),
        Aggregate::WindowTop(n, window) => {
            let number = number(&value)?;
            let n = *n;
            if let Some(top) = window.at(time, now, || Top::new(n)) {
                top.add(number);
            }
        }
        Aggregate::Distinct(distinct) => {
            distinct.add(&to_value(&value).map_or_else(|| not_folded(&value), Ok)?)
        }
        Aggregate::WindowDistinct(window) => {
            let value = to_value(&value).map_or_else(|| not_folded(&value), Ok)?;
            if let Some(distinct) = window.at(time, now, Distinct::default) {
                distinct.add(&value);
            }
        }
        Aggregate::Latest(latest) => latest.add(to_scalar(&value)?, time),
        Aggregate::Count(_) => return fails("a count folds no value: write add(event.time, event.now)"),
    }
    Ok(())
}

fn figures(aggregate: &mut Aggregate, now: INT) -> Native<Map> {
    let mut map = Map::new();
    let or_absent = |f: Option<f64>| f.map_or(Dynamic::UNIT, Dynamic::from_float);
    match aggregate {
        Aggregate::Stats(_) | Aggregate::WindowStats(_) => {
            let stats = match aggregate {
                Aggregate::Stats(stats) => *stats,
                Aggregate::WindowStats(window) => window.merged(now).unwrap_or_default(),
                _ => Stats::default(),
            };
            let some = |f: FLOAT| or_absent((stats.count > 0).then_some(f));
            map.insert("sum".into(), stats.sum.into());
            map.insert("count".into(), (stats.count as INT).into());
            map.insert("min".into(), some(stats.min));
            map.insert("max".into(), some(stats.max));
            map.insert("range".into(), some(stats.max - stats.min));
            map.insert("avg".into(), or_absent(stats.average()));
        }
        Aggregate::Top(_) | Aggregate::WindowTop(..) => {
            let merged = match aggregate {
                Aggregate::Top(top) => Some(top.clone()),
                Aggregate::WindowTop(_, window) => window.merged(now),
                _ => None,
            };
            let numbers = merged.as_ref().map_or(&[][..], Top::numbers);
            let average = (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64);
            map.insert("count".into(), (numbers.len() as INT).into());
            map.insert("avg".into(), or_absent(average));
            map.insert("max".into(), or_absent(numbers.first().copied()));
            map.insert("min".into(), or_absent(numbers.last().copied()));
        }
        Aggregate::Latest(latest) => {
            let held = latest.at(now);
            map.insert("value".into(), held.map_or(Dynamic::UNIT, |(_, value)| from_scalar(value)));
            map.insert("at".into(), held.map_or(Dynamic::UNIT, |(at, _)| at.into()));
        }
        _ => return fails("this aggregate has one figure: write at(now)"),
    }
    Ok(map)
}
