//! Unit tests of filters and their faults, and the equivalence of index and loop.

#![allow(clippy::unwrap_used)]

mod equivalence;
mod profiles;

use serde_json::{Value as Json, json};

use super::{Faulted, Filter};
use crate::{
    document::{fault::Fault, spec},
    model::{
        decode::Decoder,
        event::Event,
        field::{Field, Fields},
        value::Value,
    },
};

/// Decodes a record.
fn event<'a>(fields: &Fields, record: &'a str) -> Event<'a> {
    Decoder::of_milliseconds().decode(fields, record.as_bytes()).unwrap()
}

fn compile(filter: Json, fields: &mut Fields) -> Result<Filter, Fault> {
    Filter::compile(&serde_json::from_value(filter).unwrap(), fields)
}

/// Evaluates one predicate on an event with these properties.
fn ask(predicate: Json, properties: Json) -> (bool, Faulted) {
    let mut fields = Fields::default();
    let filter = compile(json!({"id": "e", "where": [predicate]}), &mut fields).unwrap();
    let record =
        json!({"event_id": "e", "event_time": 5, "guid": 1001, "properties": properties}).to_string();
    let mut faulted = Faulted::default();
    let held = filter.matches(&event(&fields, &record), &mut faulted);
    (held, faulted)
}

fn holds(op: &str, value: Json, found: Json) -> bool {
    ask(json!({"property": "p", "op": op, "value": value}), json!({"p": found})).0
}

#[test]
fn comparisons_follow_the_kind_of_the_rules_value() {
    for (op, value, found, expected) in [
        ("=", json!(12.5), json!("12.5"), true),
        ("=", json!(12.5), json!("12.50"), true),
        ("=", json!(5), json!(5.0), true),
        ("=", json!("5"), json!(5), true),
        ("=", json!("5.0"), json!(5), false),
        ("=", json!("12.5"), json!(12.5), true),
        ("=", json!("5.0"), json!("5"), false),
        ("=", json!("007"), json!("7"), false),
        ("=", json!(7), json!("007"), false),
        ("=", json!(7), json!(" +7.0"), true),
        ("=", json!(12345678901234567890u64), json!("12345678901234567890"), false),
        ("=", json!("a5"), json!(5), false),
        ("=", json!(true), json!("true"), true),
        ("=", json!(true), json!("false"), false),
        ("=", json!(true), json!(true), true),
        ("=", json!("true"), json!(true), true),
        ("!=", json!(5), json!("x"), true),
        ("!=", json!(5), json!(true), true),
        ("!=", json!(5), json!("5.0"), false),
        ("!=", json!(true), json!("true"), false),
        ("!=", json!(5), json!("6"), true),
        ("!=", json!("x"), json!(6), true),
        ("!=", json!(true), json!(1), true),
        ("!=", json!(1), json!(null), true),
        ("=", json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), false),
        (">", json!(9), json!("10"), true),
        (">", json!("9"), json!("10"), true),
        (">", json!("9"), json!("x"), true),
        (">", json!("b"), json!("a"), false),
        ("<=", json!("重庆"), json!("重庆"), true),
        ("<", json!("x"), json!(5), true),
        (">", json!(9), json!("x"), false),
        ("<", json!(9), json!(null), false),
        ("between", json!([10, 20]), json!("20"), true),
        ("between", json!([10, 20]), json!(20.01), false),
        ("between", json!(["a", "c"]), json!("b"), true),
        ("between", json!(["9", "10"]), json!("9.5"), true),
        ("in", json!(["p05", 10]), json!("10"), true),
        ("in", json!(["p05", 10]), json!("p05"), true),
        ("in", json!(["p05", "10"]), json!(10.0), true),
        ("in", json!(["p05", "10.0"]), json!(10.0), false),
        ("in", json!(["p05", true]), json!("true"), true),
        ("in", json!(["p05", true]), json!("false"), false),
        ("contains", json!("庆民"), json!("重庆民宿"), true),
        ("contains", json!("2"), json!(12.5), true),
        ("starts_with", json!("重庆"), json!("重庆民宿"), true),
        ("ends_with", json!("重庆"), json!("重庆民宿"), false),
        ("ends_with", json!("e"), json!(true), true),
        ("regex", json!("^重.*宿$"), json!("重庆民宿"), true),
        ("regex", json!("b"), json!("abc"), true),
        ("=", json!(5), json!(["x", 5]), true),
        ("=", json!("x"), json!([["x"], null]), true),
        ("!=", json!(5), json!(["x", 5]), false),
        ("!=", json!(5), json!(["x", 6]), true),
        ("<", json!(9), json!([10, "8"]), true),
        ("between", json!([10, 20]), json!([9, 21]), false),
        ("between", json!([10, 20]), json!([9, 15, 21]), true),
        ("contains", json!("\"a"), json!(["a"]), false),
        ("=", json!(true), json!([0, true]), true),
        ("=", json!("{}"), json!({}), false),
        ("!=", json!("{}"), json!({}), true),
        ("exists", json!(true), json!([1]), true),
        ("exists", json!(true), json!([null, []]), false),
        ("exists", json!(true), json!([{}]), true),
        ("exists", json!(false), json!({"a": 1}), false),
        ("exists", json!(true), json!(false), true),
    ] {
        assert_eq!(holds(op, value.clone(), found.clone()), expected, "{found} {op} {value}");
    }
}

#[test]
fn values_that_are_no_numbers_are_counted() {
    let compare =
        |op: &str, found: Json| ask(json!({"property": "p", "op": op, "value": 5}), json!({"p": found}));
    for (op, holds) in [("=", false), ("!=", true), ("<", false)] {
        assert_eq!(compare(op, json!("x")), (holds, Faulted { unparsed: 1, errors: 0 }));
        assert_eq!(compare(op, json!(true)), (holds, Faulted { unparsed: 1, errors: 0 }));
        assert_eq!(compare(op, json!(null)).1, Faulted::default());
    }
    assert!(ask(json!({"not": {"property": "p", "op": ">", "value": 5}}), json!({"p": "x"})).0);
}

#[test]
fn expressions_see_numbers_as_floats() {
    let expr = |text: &str, properties: Json| ask(json!({"expr": text}), properties);
    assert!(expr("p1 + p2 > 100", json!({"p1": "60.5", "p2": 40})).0);
    assert!(expr("p1 / 2 == 3.5 && 7 / 2 == 3.5", json!({"p1": 7})).0);
    assert!(expr("guid == 1001 && p == 5 && p != \"5\"", json!({"p": "5.0"})).0);
    assert_eq!(expr("p1 > 1 || p2 > 1", json!({"p1": 5})), (false, Faulted::default()));
    assert_eq!(expr("p1 + 1 > 1", json!({"p1": "x"})), (false, Faulted { unparsed: 0, errors: 1 }));
}

#[test]
fn logic_nests() {
    assert!(!ask(json!({"any": []}), json!({})).0);
    assert!(ask(json!({"all": []}), json!({})).0);
    let nested = json!({"not": {"any": [{"all": [{"property": "a", "op": "=", "value": 1}]}, {"property": "b", "op": "exists", "value": true}]}});
    assert!(ask(nested.clone(), json!({"a": 2})).0);
    assert!(!ask(nested.clone(), json!({"a": 1})).0);
    assert!(!ask(nested, json!({"b": 1})).0);
}

#[test]
fn faults_name_the_place_and_the_remedy() {
    let deep =
        (0..17).fold(json!({"property": "p", "op": "=", "value": 1}), |inner, _| json!({"not": inner}));
    let p = |op: &str, value: Json| json!({"id": "e", "where": [{"any": [{"property": "p", "op": op, "value": value}]}]});
    let at = "where[0].any[0].value";
    for (filter, path, part) in [
        (json!({"id": ""}), "id", "not empty"),
        (json!({"id": []}), "id", "at least one"),
        (json!({"id": ["a", ""]}), "id[1]", "not empty"),
        (
            json!({"id": "e", "where": [{"property": "", "op": "=", "value": 1}]}),
            "where[0].property",
            "no name",
        ),
        (p("in", json!([])), at, "not empty"),
        (p("in", json!(5)), at, "needs a list"),
        (p("in", json!([[1]])), at, "not a single value"),
        (p("in", json!([null])), at, "exists"),
        (p("=", json!({"a": 1})), at, "an object is not a value"),
        (p(">", json!(true)), at, "no order"),
        (p("between", json!([2, 1])), at, "[1, 2]"),
        (p("between", json!(["10", "9"])), at, "[\"9\", \"10\"]"),
        (p("between", json!([1])), at, "two numbers"),
        (p("between", json!([1, "2"])), at, "two numbers"),
        (p("contains", json!(5)), at, "\"5\" in quotes"),
        (p("regex", json!("(")), at, "unclosed group"),
        (p("exists", json!("yes")), at, "true"),
        (json!({"id": "e", "where": [{"not": {"expr": "a +"}}]}), "where[0].not.expr", "column 4"),
        (json!({"id": "e", "where": [{"expr": "a.b > 1"}]}), "where[0].expr", "write prop(\"a.b\")"),
        (json!({"id": "e", "where": [deep]}), &format!("where[0]{}", ".not".repeat(17)), "flatter"),
    ] {
        let fault = compile(filter.clone(), &mut Fields::default()).unwrap_err();
        assert_eq!(fault.path, path, "{filter}: {fault}");
        assert!(fault.message.contains(part), "{filter}: {fault}");
    }
}

#[test]
fn faults_of_readings_name_the_place_and_the_remedy() {
    let p = |op: &str, value: Json, reading: Json| {
        let mut comparison = json!({"property": "p", "op": op, "value": value});
        comparison.as_object_mut().unwrap().extend(reading.as_object().unwrap().clone());
        json!({"id": "e", "where": [comparison]})
    };
    for (filter, member, part) in [
        (p(">", json!("soon"), json!({"as": "date"})), "value", "a date such as"),
        (p("=", json!("1.x"), json!({"as": "version"})), "value", "a version such as"),
        (p("in", json!(["1", "x"]), json!({"as": "number"})), "value", "a number"),
        (p("=", json!("proxy"), json!({"as": "ip"})), "value", "an IP address"),
        (p("between", json!(["1.10", "1.9"]), json!({"as": "version"})), "value", "[\"1.9\", \"1.10\"]"),
        (p("between", json!("1"), json!({"as": "version"})), "value", "two values"),
        (p("contains", json!("1"), json!({"as": "version"})), "as", "leave it out"),
        (p("exists", json!(true), json!({"ignore_case": true})), "ignore_case", "leave it out"),
        (p("=", json!("a"), json!({"as": "date", "ignore_case": true})), "ignore_case", "only texts"),
        (p("in_cidr", json!("10.0.0.0/8"), json!({"as": "ip"})), "as", "leave it out"),
        (p("in_cidr", json!("10.0.0.0/33"), json!({})), "value", "10.0.0.0/8"),
        (p("in_cidr", json!([]), json!({})), "value", "a list of them"),
        (p("in_cidr", json!([7]), json!({})), "value", "a list of them"),
    ] {
        let fault = compile(filter.clone(), &mut Fields::default()).unwrap_err();
        assert_eq!(fault.path, format!("where[0].{member}"), "{filter}: {fault}");
        assert!(fault.message.contains(part), "{filter}: {fault}");
    }
    let misplaced = json!({"id": "e", "where": [{"expr": "p", "ignore_case": true}]});
    let parsed = serde_json::from_value::<crate::document::spec::Filter>(misplaced);
    assert!(parsed.unwrap_err().to_string().contains("\"as\" or \"ignore_case\""));
}

#[test]
fn any_of_the_event_ids_matches() {
    let mut fields = Fields::default();
    let filter = compile(json!({"id": ["b", "a", "b"]}), &mut fields).unwrap();
    assert_eq!(filter.event_ids().collect::<Vec<_>>(), ["a", "b"]);
    let matches = |id: &str| {
        let record = json!({"event_id": id, "event_time": 1}).to_string();
        filter.matches(&event(&fields, &record), &mut Faulted::default())
    };
    assert!(matches("a") && matches("b") && !matches("c"));
}

#[test]
fn top_level_fields_are_read_by_name() {
    let mut fields = Fields::default();
    let spec: spec::Filter = serde_json::from_value(json!({"id": "e", "where": [{"property": "guid", "op": "in", "value": [5, "6"]}, {"property": "ip", "op": "starts_with", "value": "10."}]})).unwrap();
    let filter = Filter::compile(&spec, &mut fields).unwrap();
    assert_eq!(fields.len(), Fields::default().len());
    let mut seen = event(&fields, r#"{"event_id":"e","event_time":1,"guid":6,"ip":"10.0.0.1"}"#);
    assert!(filter.matches(&seen, &mut Faulted::default()));
    seen.values[Field::GUID.index()] = Some(Value::Int(7));
    assert!(!filter.matches(&seen, &mut Faulted::default()));
}
