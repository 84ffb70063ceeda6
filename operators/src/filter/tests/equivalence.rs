//! Property tests: the index finds exactly what a loop over its filters finds, however it reaches them and
//! whatever was learned or forgotten.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::compile;
use crate::{
    filter::{Faulted, Filter, Index, Scratch, access::Limits},
    model::{decode::Decoder, event::Event, field::Fields},
};

const NAMES: [&str; 5] = ["p", "q", "r", "guid", "ip"];

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("p"), 4 => Just("q"), 2 => Just("r"), 1 => Just("guid"), 1 => Just("ip")]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("重庆民宿"),
        Just("重庆"),
        Just("庆民"),
        Just("a"),
        Just("ab"),
        Just("aab"),
        Just("b"),
        Just("true"),
        Just("5"),
        Just("5.0"),
        Just("12.5"),
        Just("12.50"),
        Just("-3"),
        Just("1e1"),
        Just("007"),
        Just("x5"),
        Just("A"),
        Just("cafe\u{301}"),
        Just("café"),
        Just("v1.10"),
        Just("1.9-rc.1"),
        Just("2026-11-20T08:00:00+08:00"),
        Just("2026-11-20"),
        Just("10.0.0.1"),
        Just("::ffff:10.0.0.9"),
        Just(""),
    ]
    .prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => (-6..14i64).prop_map(|i| json!(i)),
        2 => (-24..56i32).prop_map(|i| json!(f64::from(i) / 4.0)),
        1 => prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(9_007_199_254_740_993)].prop_map(|i| json!(i)),
        1 => prop_oneof![Just(json!(u64::MAX)), Just(json!(1e300)), Just(json!(-1e19)), Just(json!(9_223_372_036_854_775_808.0))],
    ]
}

fn literal() -> impl Strategy<Value = Json> {
    prop_oneof![4 => text().prop_map(Json::from), 4 => number(), 1 => any::<bool>().prop_map(Json::from)]
}

fn comparison() -> impl Strategy<Value = Json> {
    let order = prop_oneof![Just(">"), Just(">="), Just("<"), Just("<=")];
    let comparable = prop_oneof![3 => number(), 1 => text().prop_map(Json::from)];
    let texts = prop_oneof![Just("contains"), Just("starts_with"), Just("ends_with")];
    let patterns =
        prop_oneof![Just("a+b"), Just("^重"), Just("[0-9]$"), Just("."), Just("^$"), Just("(?i)A")];
    let op = prop_oneof![
        4 => (Just("="), literal()),
        2 => (Just("!="), literal()),
        4 => (order, comparable),
        2 => (Just("in"), prop::collection::vec(literal(), 1..4).prop_map(Json::from)),
        3 => (texts, text().prop_map(Json::from)),
        2 => (Just("regex"), patterns.prop_map(Json::from)),
        1 => (Just("exists"), any::<bool>().prop_map(Json::from)),
        2 => (Just("between"), (number(), number()).prop_map(|(a, b)| json!([a, b]))),
        1 => (Just("between"), (text(), text()).prop_map(|(a, b)| json!([a, b]))),
    ];
    let reading = prop_oneof![
        5 => Just(json!({})),
        1 => Just(json!({"ignore_case": true})),
        2 => prop_oneof![Just("date"), Just("version"), Just("text"), Just("number"), Just("ip")]
            .prop_map(|reading| json!({"as": reading})),
    ];
    let networks = prop_oneof![Just(json!("10.0.0.0/8")), Just(json!(["10.0.0.1", "::/0"]))];
    prop_oneof![
        20 => (name(), op, reading).prop_map(|(property, (op, value), mut comparison)| {
            comparison["property"] = json!(property);
            comparison["op"] = json!(op);
            comparison["value"] = value;
            comparison
        }),
        1 => (name(), networks).prop_map(
            |(property, value)| json!({"property": property, "op": "in_cidr", "value": value}),
        ),
    ]
}

fn predicate() -> impl Strategy<Value = Json> {
    let expr = prop_oneof![
        Just("p + q > 10"),
        Just("p == \"重庆\" || q > 3"),
        Just("p / 2 < 3 && r != 1"),
        Just("max(p, q) > guid"),
        Just("r"),
    ];
    let leaf = prop_oneof![12 => comparison(), 1 => expr.prop_map(|text| json!({"expr": text}))];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|parts| json!({"any": parts})),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|parts| json!({"all": parts})),
            inner.prop_map(|part| json!({"not": part})),
        ]
    })
}

fn filter() -> impl Strategy<Value = Json> {
    let ids = prop_oneof![3 => Just(json!("e")), 2 => Just(json!("f")), 1 => Just(json!(["e", "f"])), 1 => Just(json!(["g", "e", "g"])), 1 => Just(json!("*"))];
    (ids, prop::collection::vec(predicate(), 0..4)).prop_map(|(id, parts)| json!({"id": id, "where": parts}))
}

fn event() -> impl Strategy<Value = Json> {
    let value = prop_oneof![
        5 => literal(),
        2 => number().prop_map(|n| Json::from(n.to_string())),
        1 => prop_oneof![Just(json!(null)), Just(json!([1])), Just(json!({"a": 1}))],
    ];
    let id = prop_oneof![4 => Just("e"), 2 => Just("f"), 1 => Just("g"), 1 => Just("h")];
    let properties = prop::collection::vec((name(), value), 0..5);
    (id, properties, prop::option::of(0..10u64), prop::option::of(text())).prop_map(
        |(id, properties, guid, ip)| {
            let of = |name: &str| properties.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
            let properties: serde_json::Map<String, Json> =
                NAMES.into_iter().filter_map(|name| Some((name.to_owned(), of(name)?))).collect();
            json!({"event_id": id, "event_time": 1, "guid": guid, "ip": ip, "properties": properties})
        },
    )
}

/// Positions of the filters that the index finds, ascending.
fn found(index: &Index, event: &Event<'_>, scratch: &mut Scratch) -> Vec<u32> {
    index.find(event, scratch, &mut Faulted::default());
    let mut found: Vec<u32> = scratch.units.iter().flat_map(|unit| index.filters(*unit)).copied().collect();
    found.sort_unstable();
    found
}

/// Bounds: those of the engine, or such that few units have a bit and short masks are chained.
fn limits() -> impl Strategy<Value = Limits> {
    let small = (0..3usize, 1..4usize, 1..70usize);
    prop_oneof![
        1 => Just(Limits::default()),
        3 => small.prop_map(|(few, rare, most_bits)| Limits { few, rare, most_bits }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn index_equals_loop_over_filters(
        filters in prop_oneof![4 => prop::collection::vec(filter(), 0..40), 1 => prop::collection::vec(filter(), 150..250)],
        events in prop::collection::vec(event(), 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        limits in limits(),
        values in prop_oneof![1..4usize, Just(4_096)],
    ) {
        let mut fields = Fields::default();
        // Some have a `between` with its ends in the wrong order, or values that are not read so, and are refused.
        let filters: Vec<Filter> = filters.into_iter().filter_map(|f| compile(f, &mut fields).ok()).collect();
        let index = Index::within(limits, &filters);
        let mut scratch = Scratch::learning(values);
        let records: Vec<String> = events.iter().map(Json::to_string).collect();
        // Each event once, and then again in any order: what it finds was learned, or learned and forgotten.
        for record in records.iter().chain(order.iter().map(|at| at.get(&records))) {
            let event = Decoder::of_milliseconds().decode(&fields, record.as_bytes()).unwrap();
            let matches = |at: &u32| filters[*at as usize].matches(&event, &mut Faulted::default());
            let expected: Vec<u32> = (0..filters.len() as u32).filter(matches).collect();
            prop_assert_eq!(found(&index, &event, &mut scratch), expected, "{}", record);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What is counted depends on the event alone, not on what was learned before.
    #[test]
    fn faults_are_counted_alike_however_often_a_value_comes(
        filters in prop::collection::vec(filter(), 0..40),
        events in prop::collection::vec(event(), 1..12),
        values in prop_oneof![1..4usize, Just(4_096)],
    ) {
        let mut fields = Fields::default();
        let filters: Vec<Filter> = filters.into_iter().filter_map(|f| compile(f, &mut fields).ok()).collect();
        let index = Index::build(&filters);
        let count = |scratch: &mut Scratch, record: &Json| {
            let record = record.to_string();
            let event = Decoder::of_milliseconds().decode(&fields, record.as_bytes()).unwrap();
            let mut faulted = Faulted::default();
            index.find(&event, scratch, &mut faulted);
            let mut of_loop = Faulted::default();
            for filter in &filters {
                filter.matches(&event, &mut of_loop);
            }
            (faulted, of_loop)
        };
        let mut scratch = Scratch::learning(values);
        for event in events.iter().chain(&events) {
            let (faulted, of_loop) = count(&mut scratch, event);
            prop_assert_eq!((faulted, of_loop), count(&mut Scratch::default(), event), "{}", event);
            if of_loop.unparsed > 0 && filters.iter().all(|filter| filter.conjuncts.len() < 2) {
                prop_assert!(faulted.unparsed > 0, "{}", event);
            }
        }
    }
}

#[test]
fn scratch_is_reused_across_indices() {
    let mut fields = Fields::default();
    let mut filter = |value: Json| {
        compile(json!({"id": "e", "where": [{"property": "p", "op": "=", "value": value}, {"property": "q", "op": "!=", "value": 1}]}), &mut fields).unwrap()
    };
    let (five, six) = (filter(json!(5)), filter(json!("6")));
    let [first, second] =
        [Index::build(&[five.clone(), six.clone(), five.clone()]), Index::build(&[six, five])];
    assert_eq!((first.len(), second.len()), (2, 2));
    let event = Decoder::of_milliseconds()
        .decode(&fields, br#"{"event_id":"e","event_time":1,"properties":{"p":"5"}}"#)
        .unwrap();
    let mut scratch = Scratch::default();
    for _ in 0..3 {
        assert_eq!(found(&first, &event, &mut scratch), [0, 2]);
        assert_eq!(found(&second, &event, &mut scratch), [1]);
    }
}

#[test]
fn an_index_is_shared_by_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Index::build(&[]));
}
