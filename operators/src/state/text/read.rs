//! Reads states from text.

use serde_json::Value as Json;

use super::write::write_cell;
use crate::{
    calculator::{
        Aggregate, Cell,
        aggregate::{Distinct, Figures, Latest, Stats, Sum, Top, Window, latest::Scalar, sum, window::Fold},
    },
    model::number::Number,
};

/// Reads a state with the same fields as `initial`. Fields that the text leaves out have their initial
/// values.
///
/// # Errors
/// If the text is not such a state; the message names the fault and what to write instead.
pub fn read<'n>(
    names: impl ExactSizeIterator<Item = &'n str>,
    initial: &[Cell],
    text: &str,
) -> Result<Vec<Cell>, String> {
    let json: Json = serde_json::from_str(text).map_err(|e| format!("{text:?} is not JSON: {e}"))?;
    if let [cell] = initial {
        return Ok(vec![read_cell(cell, &json)?]);
    }
    let names: Vec<&str> = names.collect();
    let Json::Object(map) = &json else {
        return Err(format!("{text} is not an object; write one of {}", names.join(", ")));
    };
    if let Some(unknown) = map.keys().find(|k| !names.contains(&k.as_str())) {
        return Err(format!("there is no field `{unknown}`; there are {}", names.join(", ")));
    }
    let field = |(name, cell): (&&str, &Cell)| match map.get(*name) {
        Some(json) => read_cell(cell, json).map_err(|e| format!("{name}: {e}")),
        None => Ok(cell.clone()),
    };
    names.iter().zip(initial).map(field).collect()
}

fn read_cell(initial: &Cell, json: &Json) -> Result<Cell, String> {
    let cell = match initial {
        Cell::Bool(_) => json.as_bool().map(Cell::Bool),
        Cell::Int(_) => json.as_i64().map(Cell::Int),
        Cell::Float(_) => read_float(json).map(Cell::Float),
        Cell::Text(_) => json.as_str().map(|t| Cell::Text(t.into())),
        Cell::Aggregate(aggregate) => read_aggregate(aggregate, json).map(|a| Cell::Aggregate(Box::new(a))),
    };
    cell.ok_or_else(|| {
        let mut beginning = String::new();
        write_cell(&initial.into(), &mut beginning);
        format!("{json} is not {}, as {beginning} is", initial.kind())
    })
}

fn read_float(json: &Json) -> Option<f64> {
    match json {
        Json::String(text) => text.parse::<f64>().ok().filter(|f| !f.is_finite()),
        number => number.as_f64(),
    }
}

fn read_aggregate(initial: &Aggregate, json: &Json) -> Option<Aggregate> {
    Some(match initial {
        Aggregate::Count(of) => {
            Aggregate::Count(read_window(of, json, &Json::as_u64, &|json| Some((json.as_i64()?, ())))?)
        }
        Aggregate::Stats(_) => Aggregate::Stats(read_stats(json)?),
        Aggregate::WindowStats(of) => {
            Aggregate::WindowStats(read_window(of, json, &read_stats, &|json| timed(json, &read_number))?)
        }
        Aggregate::Top(of) => Aggregate::Top(read_top(of.n(), json)?),
        Aggregate::WindowTop(n, of) => {
            let figure = |json: &Json| read_top(*n, json);
            Aggregate::WindowTop(*n, read_window(of, json, &figure, &|json| timed(json, &read_number))?)
        }
        Aggregate::Distinct(_) => Aggregate::Distinct(read_distinct(json)?),
        Aggregate::WindowDistinct(of) => {
            let fold = |json: &Json| timed(json, &Json::as_u64);
            Aggregate::WindowDistinct(read_window(of, json, &read_distinct, &fold)?)
        }
        Aggregate::Latest(of) => Aggregate::Latest(read_latest(of, json)?),
    })
}

fn read_window<A: Figures>(
    of: &Window<A>,
    json: &Json,
    figure: &dyn Fn(&Json) -> Option<A>,
    fold: &dyn Fn(&Json) -> Option<Fold<A>>,
) -> Option<Window<A>> {
    let map = json.as_object()?;
    map.keys().all(|name| ["b", "folds", "older"].contains(&name.as_str())).then_some(())?;
    let list = |name: &str| map.get(name).map_or(Some(&[][..]), |list| Some(list.as_array()?));
    let buckets = [list("b")?, list("older")?].concat();
    let buckets = buckets.iter().map(|row| timed(row, figure)).collect::<Option<Vec<_>>>()?;
    of.with(buckets, list("folds")?.iter().map(fold).collect::<Option<Vec<_>>>()?)
}

/// Reads a pair of a time and a value.
fn timed<T>(json: &Json, value: &dyn Fn(&Json) -> Option<T>) -> Option<(i64, T)> {
    match json.as_array()?.as_slice() {
        [time, own] => Some((time.as_i64()?, value(own)?)),
        _ => None,
    }
}

fn read_stats(json: &Json) -> Option<Stats> {
    let map = json.as_object()?;
    let number = |name: &str| map.get(name).map_or(Some(Number::Int(0)), read_number);
    let known = |name: &String| ["sum", "count", "min", "max"].contains(&name.as_str());
    map.keys().all(known).then_some(())?;
    let count = map.get("count").map_or(Some(0), Json::as_u64)?;
    let sum = map.get("sum").map_or(Some(Sum::default()), read_sum)?;
    Some(Stats { sum, count, min: number("min")?, max: number("max")? })
}

fn read_sum(json: &Json) -> Option<Sum> {
    match json {
        Json::Array(parts) => match parts.as_slice() {
            [sum, rest] => Some(Sum::Rounded { sum: read_float(sum)?, rest: read_float(rest)? }),
            _ => None,
        },
        json => {
            let exact = json.as_str().and_then(sum::of_decimal).map(Sum::Exact);
            exact.or_else(|| read_float(json).map(sum::of_float))
        }
    }
}

fn read_number(json: &Json) -> Option<Number> {
    json.as_i64().map(Number::Int).or_else(|| read_float(json).and_then(Number::from_float))
}

fn read_top(n: usize, json: &Json) -> Option<Top> {
    let mut top = Top::new(n);
    for number in json.as_array()? {
        top.add(read_float(number)?);
    }
    Some(top)
}

fn read_distinct(json: &Json) -> Option<Distinct> {
    if let Some(hashes) = json.get("exact") {
        return Distinct::exact(hashes.as_array()?.iter().map(Json::as_u64).collect::<Option<Vec<_>>>()?);
    }
    let hex = json.get("sketch")?.as_str()?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    Distinct::sketch(hex.chunks(2).map(byte).collect::<Option<Vec<_>>>()?)
}

fn read_latest(of: &Latest, json: &Json) -> Option<Latest> {
    let mut latest = of.emptied();
    if json.is_null() {
        return Some(latest);
    }
    let value = match json.get("value")? {
        Json::Bool(b) => Scalar::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) if !n.is_f64() => Scalar::Int(i),
            _ => Scalar::Float(n.as_f64()?),
        },
        Json::String(t) => Scalar::Text(t.as_str().into()),
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    latest.add(value, json.get("at")?.as_i64()?);
    Some(latest)
}
