//! Unit tests of profile queries.

#![allow(clippy::unwrap_used)]

use serde_json::{Value as Json, json};

use crate::{
    document::spec,
    filter::profile::{check, holds},
};

fn query(query: Json) -> spec::Query {
    serde_json::from_value(query).unwrap()
}

fn ask(op: &str, value: Json, tag: Json) -> bool {
    holds(&query(json!({"tag": "t", "op": op, "value": value})), json!({"t": tag}).as_object().unwrap())
}

#[test]
fn operators_apply_to_tags() {
    for (op, value, tag, expected) in [
        (">=", json!(3), json!("3"), true),
        ("contains", json!("速溶咖啡"), json!(["茶", "小罐速溶咖啡"]), true),
        ("=", json!("速溶咖啡"), json!(["小罐速溶咖啡"]), false),
        ("=", json!("茶"), json!(["小罐速溶咖啡", "茶"]), true),
        ("!=", json!("茶"), json!(["咖啡", "茶"]), false),
        ("!=", json!("茶"), json!(["咖啡"]), true),
        ("!=", json!("茶"), json!(null), false),
        ("!=", json!("茶"), json!([]), false),
        ("in", json!(["a", 5]), json!(["5", "b"]), true),
        ("exists", json!(false), json!([]), true),
        ("exists", json!(false), json!("x"), false),
        ("exists", json!(true), json!({"a": 1}), false),
        (">", json!("2026-11-20"), json!("2026-11-20T07:00:00+08:00"), false),
        (">", json!("2026-11-20"), json!("2026-11-20T09:00:00+08:00"), true),
        ("=", json!("2026-11-20T00:00:00Z"), json!("2026-11-20"), true),
        ("between", json!(["2026-01-01", "2026-12-31"]), json!(["2025-05-05", "2026-05-05"]), true),
        ("<", json!("2026-11-20"), json!("not a date"), false),
        ("regex", json!("^C"), json!(["a", "C1"]), true),
        ("starts_with", json!("C"), json!(["aC"]), false),
        ("=", json!(true), json!(true), true),
    ] {
        assert_eq!(ask(op, value.clone(), tag.clone()), expected, "{tag} {op} {value}");
    }
}

#[test]
fn queries_nest() {
    let asked = query(
        json!({"all": [{"tag": "a", "op": "=", "value": 1}, {"not": {"any": [{"tag": "b", "op": "=", "value": 1}]}}]}),
    );
    assert!(holds(&asked, json!({"a": 1}).as_object().unwrap()));
    assert!(!holds(&asked, json!({"a": 1, "b": 1}).as_object().unwrap()));
    assert!(!holds(&asked, json!({}).as_object().unwrap()));
}

#[test]
fn faults_have_paths() {
    let fault = |asked: Json| check(&query(asked)).unwrap_err();
    assert_eq!(fault(json!({"tag": "t", "op": "in", "value": []})).path, "value");
    assert_eq!(fault(json!({"tag": "", "op": "=", "value": 1})).path, "tag");
    let nested = fault(json!({"all": [{"not": {"any": [{"tag": "t", "op": "regex", "value": "["}]}}]}));
    assert_eq!(nested.path, "all[0].not.any[0].value");
    assert_eq!(check(&query(json!({"tag": "t", "op": "=", "value": 1}))), Ok(()));
}
