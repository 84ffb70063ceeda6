//! Random event streams: a few users with a few kinds of events, mostly in order, sometimes late or at the
//! same instant.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

use super::{BASE, Shape, TEXT_GUID, half, just, maybe, rfc_3339};

/// Event ids of random streams and filters.
pub(super) const IDS: [&str; 3] = ["a", "b", "c"];

/// Texts that properties and filters draw from.
pub(super) const WORDS: [&str; 14] = [
    "重庆民宿",
    "重庆",
    "民宿 重庆民宿",
    "abc",
    "ab",
    "12abc",
    "7",
    "12.5",
    "AB",
    "cafe\u{301}",
    "v2.10",
    "2.9-rc.1",
    "2026-11-20T08:00:00+08:00",
    "2026-11-20",
];

/// Random event streams as lines, in the order of their offsets.
pub fn event_lines(shape: Shape) -> impl Strategy<Value = Vec<String>> {
    let bad = select(vec![
        "",
        "no json",
        "[1]",
        r#"{"event_id": "a"}"#,
        r#"{"event_time": 5}"#,
        r#"{"guid": 1, "event_id": "a", "event_time": -1}"#,
        r#"{"guid": 1, "event_id": "a", "event_time": 1.5}"#,
    ]);
    let bad = vec(maybe(0.05, bad), if shape.bad_lines { shape.events.max(1) } else { 0 });
    let spellings = vec(spelling(), shape.events.max(1));
    (events(shape.events, shape.lateness), spellings, bad).prop_map(|(events, spellings, bad)| {
        let written = events.into_iter().zip(spellings).map(|(event, spelling)| spelled(event, spelling));
        let mut lines: Vec<String> = written.map(|event| event.to_string()).collect();
        for (line, bad) in lines.iter_mut().zip(bad) {
            if let Some(bad) = bad {
                *line = bad.to_owned();
            }
        }
        lines
    })
}

/// How an event is written.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    Plain,
    /// Its time as digits in a text.
    Digits,
    /// Its time as RFC 3339.
    Instant,
    /// Its properties beside its other fields.
    Flat,
}

fn spelling() -> impl Strategy<Value = Spelling> {
    use Spelling::{Digits, Flat, Instant, Plain};
    select(vec![Plain, Plain, Plain, Plain, Plain, Digits, Instant, Flat])
}

/// The same event, written so.
fn spelled(mut event: Json, spelling: Spelling) -> Json {
    let time = event["event_time"].as_i64().expect("a time");
    match spelling {
        Spelling::Plain => {}
        Spelling::Digits => event["event_time"] = json!(time.to_string()),
        Spelling::Instant => event["event_time"] = json!(rfc_3339(time)),
        Spelling::Flat => {
            let fields = event.as_object_mut().expect("an event");
            if let Some(Json::Object(properties)) = fields.remove("properties") {
                fields.extend(properties);
            }
        }
    }
    event
}

/// Random streams of at most `most` events, none more than `lateness` ms behind the highest time before it.
pub fn events(most: usize, lateness: i64) -> impl Strategy<Value = Vec<Json>> {
    let step = select(vec![0i64, 0, 1, 100, 500, 500, 1_000, 1_000, 3_000, 10_000, 60_000]);
    let behind = prop_oneof![
        5 => (0i64..1).boxed(),
        1 => select(vec![0, lateness.min(1), lateness / 30, lateness / 3, lateness]).boxed(),
    ];
    let repeated = maybe(0.1, just(true));
    vec((step, behind, fields(), repeated), 1..=most.max(1)).prop_map(|list| {
        let mut clock = BASE;
        let mut events: Vec<Json> = Vec::new();
        for (step, behind, fields, repeated) in list {
            clock += step;
            if let (Some(_), Some(last)) = (repeated, events.last()) {
                events.push(last.clone());
                continue;
            }
            let mut event = fields;
            event["event_time"] = Json::from(clock - behind);
            events.push(event);
        }
        events
    })
}

/// All fields of an event but its time.
fn fields() -> impl Strategy<Value = Json> {
    let top = (
        maybe(0.9, guid()),
        maybe(0.8, select(vec!["d1", "d2"])),
        maybe(
            0.7,
            select(vec![
                "10.0.0.1",
                "10.0.0.2",
                "10.0.0.2",
                "::ffff:10.0.0.1",
                "proxy",
                "2001:db8::1",
                "2001:db8:0:0::2",
            ]),
        ),
        maybe(0.5, select(vec!["s1", "s2", "7"])),
        maybe(0.3, select(vec!["m1", "m2", "m3"])),
        select(IDS.to_vec()),
    );
    let properties = (
        maybe(0.85, number()),
        maybe(0.7, number()),
        maybe(0.7, select(WORDS.to_vec())),
        maybe(0.7, prop_oneof![9 => any::<bool>().prop_map(Json::from), 1 => just("true")]),
        maybe(
            0.8,
            prop_oneof![4 => select(vec!["o1", "o2", "5"]).prop_map(Json::from), 2 => just(5), 1 => select(vec![json!(""), json!(0), json!("-")])],
        ),
        maybe(0.5, anything()),
        maybe(0.2, detail()),
    );
    (top, properties).prop_map(
        |((guid, device, ip, session, message, id), (x, y, word, flag, order, mix, detail))| {
            let mut event = Map::new();
            let mut put = |name: &str, value: Option<Json>| {
                if let Some(value) = value {
                    event.insert(name.to_owned(), value);
                }
            };
            put("guid", guid);
            put("device_id", device.map(Json::from));
            put("ip", ip.map(Json::from));
            put("session_id", session.map(Json::from));
            put("message_id", message.map(Json::from));
            put("event_id", Some(Json::from(id)));
            let named = [
                ("x", x),
                ("y", y),
                ("word", word.map(Json::from)),
                ("flag", flag),
                ("order", order),
                ("mix", mix),
                ("detail", detail),
            ];
            let properties: Map<String, Json> =
                named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
            put("properties", (!properties.is_empty()).then(|| Json::Object(properties)));
            Json::Object(event)
        },
    )
}

/// A guid of one of three users, in one of the spellings that it may have; sometimes one that stands for nobody.
fn guid() -> impl Strategy<Value = Json> {
    let one = select(vec![json!(1), json!(1), json!(1), json!("1"), json!("1.0"), json!(1.0)]);
    let other = select(vec![json!(2), json!(2), json!("2")]);
    let nobody = select(vec![json!(0), json!(""), json!("undefined"), json!("00-00"), json!(-1), json!([1])]);
    prop_oneof![10 => one, 10 => other, 10 => just(TEXT_GUID), 1 => nobody]
}

/// An object with values in it.
fn detail() -> impl Strategy<Value = Json> {
    (number(), select(WORDS.to_vec()), 0..5).prop_map(|(size, word, how)| match how {
        0 => json!({"size": size}),
        1 => json!({"size": size, "tag": {"name": word}}),
        2 => json!({"tag.name": word, "tag": {"name": "another"}}),
        3 => json!([{"size": size}, {"tag": {"name": word}, "size": 7.5}, 7]),
        _ => json!(word),
    })
}

/// A number, as such or as a text; sometimes something else.
fn number() -> impl Strategy<Value = Json> {
    let halves = -10i64..30;
    prop_oneof![
        8 => halves.clone().prop_map(half),
        2 => halves.prop_map(|halves| Json::from(half(halves).to_string())),
        3 => (-30i64..90).prop_map(|tenths| Json::from(tenths as f64 / 10.0)),
        1 => select(vec![json!("many"), json!(true), Json::Null, json!([1])]),
    ]
}

/// A value of any type, also those that count as absent.
fn anything() -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => number(),
        3 => select(WORDS.to_vec()).prop_map(Json::from),
        1 => any::<bool>().prop_map(Json::from),
        1 => select(vec![Json::Null, json!([]), json!([null]), json!({"a": 1}), json!("")]),
        2 => vec(element(), 1..4).prop_map(Json::from),
    ]
}

/// An element of a list.
fn element() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => (-10i64..30).prop_map(half),
        3 => select(WORDS.to_vec()).prop_map(Json::from),
        1 => select(vec![Json::Null, json!(true), json!({"a": 1}), json!(["ab", 7]), json!([])]),
    ]
}
