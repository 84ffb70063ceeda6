//! A condition's state as people read and write it.
//!
//! A state of one field is that field's value (`3`), one of several an object of them. Aggregates: `stats`
//! `{"sum":4.0,"count":2,"min":1.0,"max":3.0}`, `top` `[9.0,8.0]`, `distinct` `{"exact":[..]}` (hashes) or `{"sketch":".."}` (registers in
//! hexadecimal), `latest` `{"at":..,"value":..}`, a sliding window `{"b":[[start, figure], ..]}`. What a text means
//! depends on the kinds that the script's `init` gives its fields, so the initial state goes with it. Floats are written
//! so that they read back exactly; those without a JSON spelling as `"inf"`, `"-inf"` and `"NaN"`.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::calculator::{
    Aggregate, Cell,
    aggregate::{Buckets, Distinct, Latest, Stats, Top, latest::Scalar},
};

/// Writes the state: `names` and `cells` go together.
pub fn write<'n>(names: impl ExactSizeIterator<Item = &'n str>, cells: &[Cell], text: &mut String) {
    if let [cell] = cells {
        return write_cell(cell, text);
    }
    text.push('{');
    for (i, (name, cell)) in names.zip(cells).enumerate() {
        if i > 0 {
            text.push(',');
        }
        quoted(name, text);
        text.push(':');
        write_cell(cell, text);
    }
    text.push('}');
}

fn write_cell(cell: &Cell, text: &mut String) {
    match cell {
        Cell::Bool(b) => text.push_str(if *b { "true" } else { "false" }),
        Cell::Int(i) => integer(*i, text),
        Cell::Float(f) => float(*f, text),
        Cell::Text(t) => quoted(t, text),
        Cell::Aggregate(aggregate) => match &**aggregate {
            Aggregate::Count(buckets) => window(buckets, text, |count, text| integer(*count, text)),
            Aggregate::Stats(stats) => write_stats(stats, text),
            Aggregate::WindowStats(buckets) => window(buckets, text, write_stats),
            Aggregate::Top(top) => write_top(top, text),
            Aggregate::WindowTop(_, buckets) => window(buckets, text, write_top),
            Aggregate::Distinct(distinct) => write_distinct(distinct, text),
            Aggregate::WindowDistinct(buckets) => window(buckets, text, write_distinct),
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

/// An array of what `each` writes.
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

fn window<A>(buckets: &Buckets<A>, text: &mut String, figure: impl Fn(&A, &mut String)) {
    text.push_str("{\"b\":");
    list(buckets.rows(), text, |(start, a), text| {
        text.push('[');
        integer(*start, text);
        text.push(',');
        figure(a, text);
        text.push(']');
    });
    text.push('}');
}

fn write_stats(stats: &Stats, text: &mut String) {
    text.push_str("{\"sum\":");
    float(stats.sum, text);
    text.push_str(",\"count\":");
    integer(stats.count, text);
    text.push_str(",\"min\":");
    float(stats.min, text);
    text.push_str(",\"max\":");
    float(stats.max, text);
    text.push('}');
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

/// Reads a state of the same fields as `initial`. Fields that the text leaves out are as initially.
///
/// # Errors
/// What is wrong with the text, and what would be right.
pub fn read<'n>(
    names: impl ExactSizeIterator<Item = &'n str>,
    initial: &[Cell],
    text: &str,
) -> Result<Vec<Cell>, String> {
    let json: Json = serde_json::from_str(text).map_err(|e| format!("{text:?} is no JSON: {e}"))?;
    if let [cell] = initial {
        return Ok(vec![read_cell(cell, &json)?]);
    }
    let names: Vec<&str> = names.collect();
    let Json::Object(map) = &json else {
        return Err(format!("{text} is no object; write one of {}", names.join(", ")));
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
        write_cell(initial, &mut beginning);
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
        Aggregate::Count(of) => Aggregate::Count(read_window(of, json, &Json::as_u64)?),
        Aggregate::Stats(_) => Aggregate::Stats(read_stats(json)?),
        Aggregate::WindowStats(of) => Aggregate::WindowStats(read_window(of, json, &read_stats)?),
        Aggregate::Top(of) => Aggregate::Top(read_top(of.n(), json)?),
        Aggregate::WindowTop(n, of) => {
            Aggregate::WindowTop(*n, read_window(of, json, &|json| read_top(*n, json))?)
        }
        Aggregate::Distinct(_) => Aggregate::Distinct(read_distinct(json)?),
        Aggregate::WindowDistinct(of) => Aggregate::WindowDistinct(read_window(of, json, &read_distinct)?),
        Aggregate::Latest(of) => Aggregate::Latest(read_latest(of, json)?),
    })
}

fn read_window<A>(of: &Buckets<A>, json: &Json, figure: &dyn Fn(&Json) -> Option<A>) -> Option<Buckets<A>> {
    let row = |row: &Json| Some((row.get(0)?.as_i64()?, figure(row.get(1)?)?));
    let rows = json.get("b")?.as_array()?.iter().map(row).collect::<Option<Vec<_>>>()?;
    of.with_rows(rows)
}

fn read_stats(json: &Json) -> Option<Stats> {
    let map = json.as_object()?;
    let number = |name: &str| map.get(name).map_or(Some(0.0), read_float);
    let known = |name: &String| ["sum", "count", "min", "max"].contains(&name.as_str());
    map.keys().all(known).then_some(())?;
    let count = map.get("count").map_or(Some(0), Json::as_u64)?;
    Some(Stats { sum: number("sum")?, count, min: number("min")?, max: number("max")? })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::value::Value;

    fn round(names: &[&str], initial: &[Cell], cells: &[Cell]) -> String {
        let mut text = String::new();
        write(names.iter().copied(), cells, &mut text);
        assert_eq!(read(names.iter().copied(), initial, &text).as_deref(), Ok(cells), "{text}");
        text
    }

    fn aggregate(a: Aggregate) -> [Cell; 1] {
        [Cell::Aggregate(Box::new(a))]
    }

    #[test]
    fn states_read_as_people_expect() {
        assert_eq!(round(&["value"], &[Cell::Int(0)], &[Cell::Int(3)]), "3");
        let gap = [Cell::Int(0), Cell::Int(-1)];
        assert_eq!(
            round(&["value", "pending"], &gap, &[Cell::Int(2), Cell::Int(9)]),
            r#"{"value":2,"pending":9}"#
        );
        let mut stats = Stats::default();
        [1.0, 3.0].into_iter().for_each(|x| stats.add(x));
        let text = round(
            &["n"],
            &aggregate(Aggregate::Stats(Stats::default())),
            &aggregate(Aggregate::Stats(stats)),
        );
        assert_eq!(text, r#"{"sum":4.0,"count":2,"min":1.0,"max":3.0}"#);
        let mut top = Top::new(2);
        [7.0, 9.0, 8.0].into_iter().for_each(|x| top.add(x));
        assert_eq!(
            round(&["n"], &aggregate(Aggregate::Top(Top::new(2))), &aggregate(Aggregate::Top(top))),
            "[9.0,8.0]"
        );
        let mut count = Buckets::new(640);
        *count.at(25, 25, || 0u64).unwrap() += 4;
        let empty = aggregate(Aggregate::Count(Buckets::new(640)));
        assert_eq!(round(&["n"], &empty, &aggregate(Aggregate::Count(count))), r#"{"b":[[20,4]]}"#);
        let mut latest = Latest::new(None);
        latest.add(Scalar::Float(2.0), 5);
        let empty = aggregate(Aggregate::Latest(Latest::new(None)));
        assert_eq!(round(&["l"], &empty, &aggregate(Aggregate::Latest(latest))), r#"{"at":5,"value":2.0}"#);
        assert_eq!(round(&["l"], &empty, &empty), "null");
        for f in [f64::INFINITY, f64::NEG_INFINITY, 0.1 + 0.2, 1e300] {
            round(&["x"], &[Cell::Float(0.0)], &[Cell::Float(f)]);
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let initial = [Cell::Int(0), Cell::Int(-1)];
        let fault = |text: &str| read(["value", "pending"].into_iter(), &initial, text).unwrap_err();
        assert!(fault("3").contains("write one of value, pending"));
        assert!(fault(r#"{"valeu":3}"#).contains("there is no field `valeu`"));
        assert!(fault(r#"{"value":"x"}"#).contains("not an integer"));
        assert!(fault("{").contains("is no JSON"));
        let text = read(["value", "pending"].into_iter(), &initial, r#"{"value":7}"#).unwrap();
        assert_eq!(text, [Cell::Int(7), Cell::Int(-1)], "what is left out is as initially");
    }

    #[test]
    fn names_and_texts_read_back_whatever_is_in_them() {
        let names = ["a \"b\"", "c\\d", "重庆\n\u{1}", "plain"];
        let initial = names.map(|_| Cell::Text("".into()));
        let cells = names.map(|name| Cell::Text(name.into()));
        assert!(round(&names, &initial, &cells).ends_with(r#""plain":"plain"}"#));
    }

    proptest! {
        #[test]
        fn distinct_reads_back(n in 0i64..300, span in prop::option::of(1i64..100_000)) {
            let mut distinct = Distinct::default();
            (0..n).for_each(|i| distinct.add(&Value::Int(i * 7919)));
            let (initial, cell) = match span {
                None => (Aggregate::Distinct(Distinct::default()), Aggregate::Distinct(distinct)),
                Some(span) => {
                    let mut window = Buckets::new(span);
                    *window.at(5, 5, Distinct::default).unwrap() = distinct;
                    (Aggregate::WindowDistinct(Buckets::new(span)), Aggregate::WindowDistinct(window))
                }
            };
            round(&["d"], &aggregate(initial), &aggregate(cell));
        }

        #[test]
        fn floats_read_back_exactly(bits in any::<u64>()) {
            let f = f64::from_bits(bits);
            prop_assume!(!f.is_nan());
            round(&["x"], &[Cell::Float(0.0)], &[Cell::Float(f)]);
        }
    }
}
