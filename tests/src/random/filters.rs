//! Random filters over the properties of random events.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use serde_json::{Value as Json, json};

use super::events::{IDS, WORDS};
use super::{BASE, half, maybe};

/// Order comparisons.
const ORDERS: [&str; 4] = [">", ">=", "<", "<="];

/// Properties of every kind, some by their paths, and two that no event carries.
const PROPERTIES: [&str; 11] = [
    "x",
    "y",
    "word",
    "flag",
    "order",
    "mix",
    "none",
    "properties.x",
    "properties.guid",
    "detail.size",
    "detail.tag.name",
];

/// A random filter: mostly one event id, mostly few predicates.
pub fn filter() -> impl Strategy<Value = Json> {
    let id = prop_oneof![
        8 => select(IDS.to_vec()).prop_map(|id| json!(id)),
        1 => Just(json!("*")),
        2 => vec(select(IDS.to_vec()), 1..3).prop_map(|mut ids| {
            ids.sort_unstable();
            ids.dedup();
            json!(ids)
        }),
    ];
    (id, maybe(0.25, vec(predicate(), 0..3))).prop_map(|(id, list)| match list {
        Some(list) => json!({"id": id, "where": list}),
        None => json!({"id": id}),
    })
}

fn predicate() -> impl Strategy<Value = Json> {
    leaf().prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|list| json!({"any": list})),
            vec(inner.clone(), 0..3).prop_map(|list| json!({"all": list})),
            inner.prop_map(|inner| json!({"not": inner})),
            (select(vec!["detail", "mix", "detail.tag"]), vec(member(), 0..3))
                .prop_map(|(list, parts)| json!({"any_of": list, "where": parts})),
        ]
    })
}

/// A predicate on a member of an element.
fn member() -> impl Strategy<Value = Json> {
    let name = select(vec!["size", "tag.name", "name", "a", "guid"]);
    let parts = (name, select(vec!["=", "!=", ">", "<="]), value(), any::<bool>());
    parts.prop_map(|(name, op, value, negated)| match negated {
        true => json!({"not": term(name, op, value)}),
        false => term(name, op, value),
    })
}

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => (name(), select(ORDERS.to_vec()), value()).prop_map(|(name, op, value)| term(name, op, value)),
        3 => (name(), select(vec!["=", "!="]), scalar()).prop_map(|(name, op, value)| term(name, op, value)),
        1 => (name(), vec(value(), 1..4)).prop_map(|(name, list)| term(name, "in", json!(list))),
        2 => (name(), select(vec!["contains", "starts_with", "ends_with"]), needle())
            .prop_map(|(name, op, text)| term(name, op, json!(text))),
        1 => (name(), regex()).prop_map(|(name, text)| term(name, "regex", json!(text))),
        1 => (name(), select(vec![true, false])).prop_map(|(name, there)| term(name, "exists", json!(there))),
        1 => (name(), between()).prop_map(|(name, ends)| term(name, "between", ends)),
        2 => read(),
        1 => top_level(),
        2 => expression().prop_map(|text| json!({"expr": text})),
    ]
}

/// A comparison that says what its sides are read as.
fn read() -> impl Strategy<Value = Json> {
    let of = |reading: &'static str, values: &'static [&'static str]| {
        let op = select(vec!["=", "!=", ">", ">=", "<", "<="]);
        (name(), op, select(values.to_vec())).prop_map(
            move |(name, op, value)| json!({"property": name, "op": op, "value": value, "as": reading}),
        )
    };
    let needles = ["AB", "café", "ＡＢＣ", "重庆"];
    let operator = select(vec!["=", "!=", "contains", "starts_with", "ends_with", "regex"]);
    prop_oneof![
        of("date", &["2026-11-20", "2026-11-20T00:00:00Z", "2026-11-19T23:00:00", "1795132800"]),
        of("version", &["2.10", "v2.9", "2.9-rc.2", "7"]),
        of("text", &["7", "abc", "2.5", "café"]),
        of("number", &["7", "12.50", "-1"]),
        of("ip", &["10.0.0.1", "::ffff:10.0.0.2"]),
        (name(), operator, select(needles.to_vec())).prop_map(|(name, op, value)| {
            json!({"property": name, "op": op, "value": value, "ignore_case": true})
        }),
        select(vec![
            json!("10.0.0.0/31"),
            json!(["10.0.0.2", "2001:db8::/64"]),
            json!("::ffff:10.0.0.0/127"),
        ])
        .prop_map(|networks| term("ip", "in_cidr", networks)),
    ]
}

fn term(name: &str, op: &str, value: Json) -> Json {
    json!({"property": name, "op": op, "value": value})
}

fn name() -> impl Strategy<Value = &'static str> {
    select(PROPERTIES.to_vec())
}

fn value() -> impl Strategy<Value = Json> {
    prop_oneof![3 => (-6i64..20).prop_map(half), 2 => select(WORDS.to_vec()).prop_map(Json::from)]
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![5 => value(), 1 => select(vec![json!(true), json!(false)])]
}

fn between() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => (-6i64..10, 0i64..12).prop_map(|(low, more)| json!([half(low), half(low + more)])),
        1 => select(vec![json!(["a", "b"]), json!(["1", "9"]), json!(["重", "重庆民宿"])]),
    ]
}

fn needle() -> impl Strategy<Value = &'static str> {
    select(vec!["民宿", "重庆", "ab", "1", "2.5", "重庆民宿", "tru", "o"])
}

fn regex() -> impl Strategy<Value = &'static str> {
    select(vec!["^重庆", "民宿$", "[0-9]+", "^(a|b)+$", "(?i)ABC", "^-?[0-9]+\\.5$", "^.{2}$"])
}

/// Predicates on the event's own fields.
fn top_level() -> impl Strategy<Value = Json> {
    prop_oneof![
        (select(ORDERS.to_vec()), 1..4).prop_map(|(op, guid)| term("guid", op, json!(guid))),
        select(vec!["d1", "d2"]).prop_map(|id| term("device_id", "=", json!(id))),
        select(vec!["1", "2"]).prop_map(|end| term("ip", "ends_with", json!(end))),
        select(vec![true, false]).prop_map(|there| term("session_id", "exists", json!(there))),
        (select(ORDERS.to_vec()), 0i64..240).prop_map(|(op, halves)| term(
            "event_time",
            op,
            json!(BASE + halves * 500)
        )),
    ]
}

fn expression() -> impl Strategy<Value = &'static str> {
    select(vec![
        "x + y > 10",
        "x * 2 >= y",
        "x / y < 1",
        "x - y == 0 || y > 5",
        "!(x < y) && y != 3",
        "flag",
        "!flag || x > 2",
        "word == \"重庆\"",
        "word != \"abc\" && word < \"b\"",
        "mix > 3",
        "mix + 1 > 3",
        "if flag { x > 1 } else { y > 1 }",
        "max(x, y) >= 5 && min(x, y) < 3",
        "abs(x) > 2 && round(y) == floor(y)",
        "ceil(x) % 2 == 0",
        "x ** 2 > 9",
        "-x < 2.5",
        "x > 0 || none > 0",
        "prop(\"detail.size\") > 1 || prop(\"x\") > 2",
        "prop(\"detail.tag.name\") != word",
        "word == \"12.50\" || mix == x",
        "x != y && mix != \"7\"",
    ])
}
