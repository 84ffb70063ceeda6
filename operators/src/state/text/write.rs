//! Writes states as text.

use std::fmt::Write as _;

use crate::{
    calculator::{
        Aggregate, CellRef,
        aggregate::{Distinct, Figures, Latest, Stats, Sum, Top, Window, latest::Scalar, sum, window::Fold},
    },
    model::{number::Number, value::Value},
};

/// Appends a state to `text`; `names` are the names of its fields, in the order of their values.
pub fn write<'n>(
    names: impl ExactSizeIterator<Item = &'n str>,
    mut values: impl ExactSizeIterator<Item = CellRef<'n>>,
    text: &mut String,
) {
    if values.len() == 1 {
        return values.next().iter().for_each(|value| write_cell(value, text));
    }
    text.push('{');
    for (i, (name, cell)) in names.zip(values).enumerate() {
        if i > 0 {
            text.push(',');
        }
        quoted(name, text);
        text.push(':');
        write_cell(&cell, text);
    }
    text.push('}');
}

pub(super) fn write_cell(cell: &CellRef<'_>, text: &mut String) {
    match cell {
        CellRef::Bool(b) => text.push_str(if *b { "true" } else { "false" }),
        CellRef::Int(i) => integer(*i, text),
        CellRef::Float(f) => float(*f, text),
        CellRef::Text(t) => quoted(t, text),
        CellRef::Aggregate(aggregate) => match aggregate.as_ref() {
            Aggregate::Count(count) => {
                let fold = |(time, ()): &(i64, ()), text: &mut String| integer(*time, text);
                window(count, text, |count, text| integer(*count, text), fold);
            }
            Aggregate::Stats(stats) => write_stats(stats, text),
            Aggregate::WindowStats(stats) => window(stats, text, write_stats, fold(number)),
            Aggregate::Top(top) => write_top(top, text),
            Aggregate::WindowTop(_, top) => window(top, text, write_top, fold(number)),
            Aggregate::Distinct(distinct) => write_distinct(distinct, text),
            Aggregate::WindowDistinct(distinct) => {
                window(distinct, text, write_distinct, fold(|hash: u64, text| integer(hash, text)));
            }
            Aggregate::Latest(latest) => write_latest(latest, text),
        },
    }
}

fn integer(i: impl itoa::Integer, text: &mut String) {
    text.push_str(itoa::Buffer::new().format(i));
}

fn float(f: f64, text: &mut String) {
    if f.is_finite() {
        text.push_str(zmij::Buffer::new().format_finite(f));
    } else {
        let _ = write!(text, "\"{f}\"");
    }
}

fn quoted(plain: &str, text: &mut String) {
    if plain.bytes().any(|b| b < 0x20 || b == b'"' || b == b'\\') {
        // Text always serializes.
        text.push_str(&serde_json::to_string(plain).unwrap_or_default());
        return;
    }
    text.push('"');
    text.push_str(plain);
    text.push('"');
}

/// Appends an array; `each` appends an item.
fn list<T>(items: impl IntoIterator<Item = T>, text: &mut String, mut each: impl FnMut(T, &mut String)) {
    text.push('[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        each(item, text);
    }
    text.push(']');
}

fn window<A: Figures>(
    window: &Window<A>,
    text: &mut String,
    figure: impl Fn(&A, &mut String),
    fold: impl Fn(&Fold<A>, &mut String),
) {
    let (buckets, kept) = (window.buckets(), window.kept());
    text.push('{');
    if !kept.is_empty() {
        text.push_str("\"folds\":");
        list(kept, text, fold);
    }
    if !buckets.is_empty() || kept.is_empty() {
        text.push_str(if kept.is_empty() { "\"b\":" } else { ",\"older\":" });
        list(buckets, text, |(start, a), text| timed(*start, text, |text| figure(a, text)));
    }
    text.push('}');
}

/// Appends a pair of a time and what `value` appends.
fn timed(time: i64, text: &mut String, value: impl Fn(&mut String)) {
    text.push('[');
    integer(time, text);
    text.push(',');
    value(text);
    text.push(']');
}

/// Appends a fold, of which `value` appends the value.
fn fold<T: Copy>(value: impl Fn(T, &mut String)) -> impl Fn(&(i64, T), &mut String) {
    move |(time, folded), text| timed(*time, text, |text| value(*folded, text))
}

fn write_stats(stats: &Stats, text: &mut String) {
    text.push_str("{\"sum\":");
    write_sum(&stats.sum, text);
    text.push_str(",\"count\":");
    integer(stats.count, text);
    text.push_str(",\"min\":");
    number(stats.min, text);
    text.push_str(",\"max\":");
    number(stats.max, text);
    text.push('}');
}

/// Appends a sum: a number if it is exact by that alone, else the text of all its digits, or two floats.
fn write_sum(sum: &Sum, text: &mut String) {
    match sum {
        Sum::Exact(_) if sum::of_float(sum.float()) == *sum => float(sum.float(), text),
        Sum::Exact(units) => quoted(&sum::decimal(*units), text),
        Sum::Rounded { sum, rest } => list([sum, rest], text, |part, text| float(*part, text)),
    }
}

fn number(number: Number, text: &mut String) {
    match number.figure() {
        Value::Int(whole) => integer(whole, text),
        _ => float(number.float(), text),
    }
}

fn write_top(top: &Top, text: &mut String) {
    list(top.numbers(), text, |n, text| float(*n, text));
}

fn write_distinct(distinct: &Distinct, text: &mut String) {
    match distinct {
        Distinct::Exact(hashes) => {
            text.push_str("{\"exact\":");
            list(hashes, text, |hash, text| integer(*hash, text));
        }
        Distinct::Sketch(registers) => {
            text.push_str("{\"sketch\":\"");
            for register in registers.iter() {
                let _ = write!(text, "{register:02x}");
            }
            text.push('"');
        }
    }
    text.push('}');
}

fn write_latest(latest: &Latest, text: &mut String) {
    let Some((at, value)) = latest.held() else { return text.push_str("null") };
    text.push_str("{\"at\":");
    integer(at, text);
    text.push_str(",\"value\":");
    match value {
        Scalar::Bool(b) => text.push_str(if *b { "true" } else { "false" }),
        Scalar::Int(i) => integer(*i, text),
        Scalar::Float(f) => float(*f, text),
        Scalar::Text(t) => quoted(t, text),
    }
    text.push('}');
}
