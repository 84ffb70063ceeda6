//! Rhai with its safety profile and the native functions of scripts.
//!
//! One engine serves all threads and is never changed. It is `Engine::new_raw` without any package: `sleep`
//! and `exit` come with Rhai's core package and no limit stops them, so none is loaded; operators on numbers,
//! strings, maps and arrays are built in.
//!
//! Limits: loops, modules, closures, `eval` and `try` do not parse; steps, depth and sizes are bounded, so
//! every call ends soon.

use std::sync::LazyLock;

use rhai::{Dynamic, Engine, EvalAltResult, FLOAT, INT, ImmutableString, Map};

use crate::{
    calculator::{
        Aggregate,
        aggregate::{Buckets, Distinct, Latest, Stats, Top, latest::Scalar},
    },
    model::value::{Value, parse_number},
};

/// State field with the armed timer's deadline in unix ms, -1 if no timer is armed. Scripts reach it only by
/// `set_timer` and `clear_timer`: its name is no Rhai identifier.
pub const TIMER: &str = "@timer";

/// Error: an aggregate can't fold the value, such as a text where a number is needed. The call has no effect
/// and the event is counted as not folded; it does not count as an error of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFolded(pub String);

type Native<T> = Result<T, Box<EvalAltResult>>;

/// Names of the native functions and methods that scripts may call.
pub const NATIVE: [&str; 26] = [
    "count",
    "stats",
    "top",
    "distinct",
    "latest",
    "window_count",
    "add",
    "at",
    "figures",
    "set_timer",
    "clear_timer",
    "ms",
    "abs",
    "min",
    "max",
    "floor",
    "ceil",
    "round",
    "to_int",
    "to_float",
    "to_string",
    "len",
    "contains",
    "starts_with",
    "ends_with",
    "is_number",
];

/// The engine that runs all calculators.
pub static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut engine = Engine::new_raw();
    engine
        .set_max_operations(5_000)
        .set_max_call_levels(4)
        .set_max_string_size(1_024)
        .set_max_array_size(64)
        .set_max_map_size(64)
        .set_max_expr_depths(32, 24)
        .set_max_variables(32)
        .set_max_functions(16)
        .set_allow_looping(false)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        .set_allow_anonymous_fn(false)
        .set_allow_shadowing(false);
    for symbol in
        ["eval", "import", "export", "print", "debug", "Fn", "call", "curry", "try", "catch", "throw"]
    {
        engine.disable_symbol(symbol);
    }
    aggregates(&mut engine);
    timers(&mut engine);
    functions(&mut engine);
    engine
});

fn fails<T>(message: impl Into<String>) -> Native<T> {
    Err(message.into().into())
}

fn not_folded<T>(value: &Dynamic) -> Native<T> {
    let reason = NotFolded(format!("`{value}` is {}, not a number", value.type_name()));
    Err(Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(reason), rhai::Position::NONE)))
}

/// A number, or the number that a text spells.
fn number(value: &Dynamic) -> Native<f64> {
    if let Ok(i) = value.as_int() {
        return Ok(i as f64);
    }
    if let Ok(f) = value.as_float() {
        return Ok(f);
    }
    value.as_immutable_string_ref().ok().and_then(|t| parse_number(&t)).map_or_else(|| not_folded(value), Ok)
}

/// Converts a scalar of a script; `None` for anything else.
pub(in crate::calculator) fn to_value(value: &Dynamic) -> Option<Value<'static>> {
    if let Ok(i) = value.as_int() {
        return Some(Value::Int(i));
    }
    if let Ok(f) = value.as_float() {
        return Some(Value::Float(f));
    }
    if let Ok(b) = value.as_bool() {
        return Some(Value::Bool(b));
    }
    value.as_immutable_string_ref().ok().map(|t| Value::Text(t.to_string().into()))
}

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

fn aggregates(engine: &mut Engine) {
    engine.register_type_with_name::<Aggregate>("aggregate");
    engine.register_fn("count", |(): ()| 0 as INT);
    for name in ["count", "window_count"] {
        engine.register_fn(name, |ms: INT| {
            Ok::<_, Box<EvalAltResult>>(Aggregate::Count(Buckets::new(span(ms)?)))
        });
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

fn timers(engine: &mut Engine) {
    fn set(state: &mut Map, at: INT) -> Native<()> {
        match state.get_mut(TIMER) {
            Some(timer) => {
                *timer = at.into();
                Ok(())
            }
            None => fails("set_timer needs an on_timer function in the script"),
        }
    }
    engine.register_fn("set_timer", |state: &mut Map, at: INT| {
        if at < 0 { fails("set_timer needs a time in unix ms") } else { set(state, at) }
    });
    engine.register_fn("clear_timer", |state: &mut Map| set(state, -1));
}

fn functions(engine: &mut Engine) {
    engine
        .register_fn("ms", |text: &str| crate::document::span::Span::parse(text).map(|s| s.0).or_else(fails));
    engine.register_fn("abs", |x: INT| x.checked_abs().map_or_else(|| fails("abs overflows"), Ok));
    engine.register_fn("abs", |x: FLOAT| x.abs());
    engine.register_fn("min", |a: INT, b: INT| a.min(b));
    engine.register_fn("max", |a: INT, b: INT| a.max(b));
    engine.register_fn("min", |a: FLOAT, b: FLOAT| a.min(b));
    engine.register_fn("max", |a: FLOAT, b: FLOAT| a.max(b));
    engine.register_fn("floor", |x: FLOAT| x.floor());
    engine.register_fn("ceil", |x: FLOAT| x.ceil());
    engine.register_fn("round", |x: FLOAT| x.round());
    engine.register_fn("to_int", |x: FLOAT| {
        if x.abs() < 9.2e18 { Ok(x as INT) } else { fails("to_int: the number is too large") }
    });
    engine.register_fn("to_int", |x: INT| x);
    engine.register_fn("to_int", |x: &str| {
        x.parse::<INT>().or_else(|_| fails("to_int: the text is not a whole number"))
    });
    engine.register_fn("to_float", |x: INT| x as FLOAT);
    engine.register_fn("to_float", |x: FLOAT| x);
    engine.register_fn("to_float", |x: &str| {
        parse_number(x).map_or_else(|| fails("to_float: the text is not a number"), Ok)
    });
    engine.register_fn("is_number", |x: Dynamic| number(&x).is_ok());
    engine.register_fn("to_string", |x: INT| x.to_string());
    engine.register_fn("to_string", |x: FLOAT| x.to_string());
    engine.register_fn("to_string", |x: ImmutableString| x);
    engine.register_fn("len", |x: &str| x.chars().count() as INT);
    engine.register_fn("contains", |x: &str, y: &str| x.contains(y));
    engine.register_fn("starts_with", |x: &str, y: &str| x.starts_with(y));
    engine.register_fn("ends_with", |x: &str, y: &str| x.ends_with(y));
}
