//! Random conditions: every calculator with every parameter, every kind of window, some with `met`.

use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_oneof};
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

use super::{duration, filter, maybe, moment, period, rfc_3339};

/// A random condition without its id.
pub(super) fn condition() -> impl Strategy<Value = Json> {
    let folded = (calculator(), filter()).prop_map(|((name, params, met), event)| {
        let mut condition = Map::new();
        condition.insert("calculator".to_owned(), json!(name));
        condition.insert("event".to_owned(), event);
        (condition, params, met)
    });
    let stepped = (steps(), vec(filter(), 4)).prop_map(|((name, count, params, met), filters)| {
        let mut condition = Map::new();
        condition.insert("calculator".to_owned(), json!(name));
        condition.insert("steps".to_owned(), json!(filters[..count]));
        (condition, params, met)
    });
    (prop_oneof![1 => folded.boxed(), 1 => stepped.boxed()], maybe(0.7, window())).prop_map(
        |((mut condition, params, met), window)| {
            let mut put = |name: &str, value: Option<Json>| {
                if let Some(value) = value {
                    condition.insert(name.to_owned(), value);
                }
            };
            put("window", window);
            put("params", params);
            put("met", met);
            Json::Object(condition)
        },
    )
}

/// Name, params, `met`.
type Calculator = (&'static str, Option<Json>, Option<Json>);

fn calculator() -> impl Strategy<Value = Calculator> {
    let counted =
        || maybe(0.6, select(vec!["value >= 2", "value == 3", "value > 1 && value < 4", "value % 2 == 1"]));
    let of = || select(vec!["x", "y", "mix"]);
    let any_of = select(vec!["x", "word", "flag", "order", "mix", "ip", "guid"]);
    let stats = select(vec![
        "sum > 10",
        "max - min > 5",
        "avg <= 3.5 || count >= 4",
        "!(range < 4)",
        "min < 0 && max > 0",
    ]);
    let top = select(vec!["avg > 5", "min >= 2", "max - avg > 1.5", "count == 2", "max > 8 || !(min > 0)"]);
    let last = select(vec!["value == 7", "value > 3.5", "value == \"重庆\"", "value != 2", "at % 2 == 0"]);
    let met = |text: &str| Some(json!(text));
    prop_oneof![
        3 => counted().prop_map(|met| ("count", None, met.map(Json::from))),
        1 => (any_of.clone(), counted()).prop_map(|(of, met)| ("distinct", Some(json!({"of": of})), met.map(Json::from))),
        2 => (of(), stats).prop_map(move |(of, text)| ("stats", Some(json!({"of": of})), met(text))),
        1 => (of(), 1..5, top).prop_map(move |(of, n, text)| ("top", Some(json!({"of": of, "n": n})), met(text))),
        1 => (any_of, last).prop_map(move |(of, text)| ("last", Some(json!({"of": of})), met(text))),
    ]
}

/// Name, number of steps, params, `met`.
type Stepped = (&'static str, usize, Option<Json>, Option<Json>);

fn steps() -> impl Strategy<Value = Stepped> {
    let counted =
        || maybe(0.4, select(vec!["value >= 2", "value == 1", "value > 1"])).prop_map(|m| m.map(Json::from));
    let sequence = (2usize..5, maybe(0.4, duration()), counted()).prop_map(|(count, within, met)| {
        ("sequence", count, within.map(|within| json!({"within": within})), met)
    });
    let anchor = maybe(0.7, select(vec!["adjacent", "latest", "earliest"]));
    let gap = (
        maybe(0.5, bound("at_least", "more_than")),
        maybe(0.5, bound("at_most", "less_than")),
        anchor,
        counted(),
    )
        .prop_map(|(low, high, anchor, met)| {
            let named = low.into_iter().chain(high).chain(anchor.map(|anchor| ("anchor", anchor)));
            let params: Map<String, Json> =
                named.map(|(name, value)| (name.to_owned(), json!(value))).collect();
            ("gap", 2, (!params.is_empty()).then(|| Json::Object(params)), met)
        });
    let anchor = maybe(0.5, select(vec!["earliest", "latest"]));
    let absence = (duration(), anchor, counted()).prop_map(|(within, anchor, met)| {
        let anchor = anchor.map(|anchor| ("anchor".to_owned(), json!(anchor)));
        let params = anchor.into_iter().chain([("within".to_owned(), json!(within))]);
        ("absence", 2, Some(Json::Object(params.collect())), met)
    });
    prop_oneof![2 => sequence, 3 => gap, 3 => absence]
}

/// One of two bounds with its duration. Lower bounds stay below upper ones, so that none contradict each
/// other.
fn bound(closed: &'static str, open: &'static str) -> impl Strategy<Value = (&'static str, &'static str)> {
    let low = closed == "at_least";
    let durations = if low { vec!["1ms", "500ms", "1s", "3s"] } else { vec!["10s", "30s", "1m", "5m"] };
    (select(vec![closed, open]), select(durations))
}

fn window() -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => select(vec!["64ms", "500ms", "1s", "6400ms", "10s", "1m", "1m30s", "5m"]).prop_map(|last| json!({"last": last})),
        2 => period(),
        2 => (moment(), maybe(0.5, 1i64..60_000)).prop_map(|(from, length)| match length {
            Some(length) => json!({"from": rfc_3339(from), "until": rfc_3339(from + length)}),
            None => json!({"from": rfc_3339(from)}),
        }),
        1 => moment().prop_map(|until| json!({"until": rfc_3339(until)})),
        1 => select(vec!["publish", "publish-10s", "publish-1m"]).prop_map(|from| json!({"from": from})),
        1 => maybe(0.5, select(vec!["publish-30s", "publish-5m"])).prop_map(|from| match from {
            Some(from) => json!({"from": from, "until": "publish"}),
            None => json!({"until": "publish"}),
        }),
    ]
}
