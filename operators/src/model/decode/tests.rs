//! Unit and property tests: events, malformed records, and arbitrary bytes.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{DecodeError, Decoder, EventFormat};
use crate::model::{
    event::Event,
    field::{Field, Fields},
    guid::Guid,
    value::Value,
};

fn fields(names: &[&str]) -> Fields {
    let mut fields = Fields::default();
    for name in names {
        fields.intern_property(name);
    }
    fields
}

fn decode<'a>(fields: &Fields, text: &'a str) -> Result<Event<'a>, String> {
    Decoder::of_milliseconds().decode(fields, text.as_bytes()).map_err(|e| e.to_string())
}

const EVENT: &str = r#"{"guid":1001,"device_id":"d-1","ip":"10.0.0.1","session_id":"s","event_id":"search","event_time":1766000000123,"properties":{"keyword":"重庆民宿","amt":25.5,"n":3,"page":"p05","new":true,"list":[1,{"a":[]}],"nothing":null,"esc":"a\nb","s":"12.5"}}"#;

#[test]
fn an_event_keeps_the_properties_that_rules_read() {
    let fields = fields(&["keyword", "amt", "new", "list", "nothing", "esc", "absent"]);
    let event = decode(&fields, EVENT).unwrap();
    assert_eq!(
        (event.guid(), event.event_time, event.event_id()),
        (Some(Guid::Number(1001)), 1_766_000_000_123, "search")
    );
    let get = |name: &str| event.get(fields.property(name).unwrap()).cloned();
    assert_eq!(get("keyword"), Some(Value::Text("重庆民宿".into())));
    assert!(matches!(get("keyword"), Some(Value::Text(std::borrow::Cow::Borrowed(_)))));
    assert_eq!(get("amt"), Some(Value::Float(25.5)));
    assert_eq!(get("new"), Some(Value::Bool(true)));
    assert_eq!(get("list"), Some(Value::Nested(r#"[1,{"a":[]}]"#.into())));
    assert_eq!((get("nothing"), get("absent")), (None, None));
    assert_eq!(get("esc"), Some(Value::Text("a\nb".into())));
    assert_eq!(event.get(Field::GUID), Some(&Value::Int(1001)));
    assert_eq!(event.values.len(), fields.len());
}

#[test]
fn other_spellings_are_accepted() {
    let fields = fields(&[]);
    let event = decode(
        &fields,
        r#" {"guid":"18446744073709551615","deviceId":7,"eventId":9,"ts":5,"properties":null} "#,
    )
    .unwrap();
    assert_eq!((event.guid(), event.event_time, event.event_id()), (Some(Guid::Number(u64::MAX)), 5, "9"));
    assert_eq!(event.get(Field::GUID), Some(&Value::Text("18446744073709551615".into())));
    assert_eq!(event.get(Field::DEVICE_ID), Some(&Value::Text("7".into())));
    let event =
        decode(&fields, r#"{"ts":"x","event_time":6,"event_id":"a","guid":18446744073709551615}"#).unwrap();
    assert_eq!((event.event_time, event.guid()), (6, Some(Guid::Number(u64::MAX))));
    let format = EventFormat { event_time: vec!["when".into()], ..EventFormat::of_milliseconds() };
    let event =
        Decoder::new(&format).decode(&fields, br#"{"when":7,"event_time":"x","event_id":"a"}"#).unwrap();
    assert_eq!(event.event_time, 7);
    assert_eq!(Decoder::default().event_time(EVENT.as_bytes()), Some(1_766_000_000_123));
}

#[test]
fn a_name_may_serve_several_fields() {
    let format = EventFormat {
        guid: vec!["id".into(), "user".into()],
        session_id: vec!["user".into(), "id".into()],
        ..EventFormat::of_milliseconds()
    };
    let decode = |members: &str| {
        let line = format!("{{\"event_id\":\"a\",\"ts\":5,{members}}}");
        let event = Decoder::new(&format).decode(&fields(&[]), line.as_bytes()).unwrap();
        [Field::GUID, Field::SESSION_ID].map(|field| event.get(field).map(|id| id.text().into_owned()))
    };
    let [one, two] = ["1", "2"].map(|id| Some(id.to_owned()));
    assert_eq!(decode(r#""id":1"#), [one.clone(), one.clone()]);
    assert_eq!(decode(r#""user":2,"id":1"#), [one, two]);
}

#[test]
fn a_flat_row_has_its_other_names_as_properties() {
    let fields = fields(&["amt", "properties", "guid"]);
    let properties = |line: &str| {
        let event = decode(&fields, line).unwrap();
        ["amt", "properties", "guid"].map(|name| {
            let value = event.get(fields.property(name).unwrap()).cloned();
            value.map(Value::into_owned)
        })
    };
    let amt = [Some(Value::Int(3)), None, None];
    for record in [
        r#"{"event_id":"a","ts":5,"amt":3,"guid":7}"#,
        r#"{"amt":3,"event_id":"a","ts":5,"properties":null}"#,
        r#"{"event_id":"a","ts":5,"amt":2,"amt":3}"#,
    ] {
        assert_eq!(properties(record), amt, "{record}");
    }
    // An empty object, which some languages write as a list, is one.
    for record in [
        r#"{"event_id":"a","ts":5,"amt":3,"properties":{}}"#,
        r#"{"event_id":"a","ts":5,"amt":3,"properties":[]}"#,
        r#"{"event_id":"a","ts":5,"amt":3,"properties":[ ]}"#,
        r#"{"event_id":"a","ts":5,"amt":3,"properties":"x"}"#,
    ] {
        assert_eq!(properties(record), [None, None, None], "{record}");
    }
}

/// The ids of an event with these members, and how many values were unusable.
fn ids(members: &str) -> ([Option<String>; 4], u32) {
    let line = format!("{{\"event_id\":\"a\",\"ts\":5,{members}}}");
    let fields = fields(&[]);
    let event = decode(&fields, &line).unwrap();
    let id = |field: Field| event.get(field).map(|id| id.text().into_owned());
    ([Field::GUID, Field::DEVICE_ID, Field::IP, Field::SESSION_ID].map(id), event.unusable)
}

#[test]
fn what_stands_for_no_id_is_absent() {
    for none in [
        "\"\"",
        "0",
        "0.0",
        "\"0\"",
        "\"00000000-0000-0000-0000-000000000000\"",
        "\"null\"",
        "\"undefined\"",
        "\"[object Object]\"",
        "null",
    ] {
        let members = format!(r#""guid":{none},"device_id":{none},"ip":{none},"session_id":{none}"#);
        assert_eq!(ids(&members), ([None, None, None, None], 0), "{none}");
    }
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(
        ids(r#""guid":"Null","device_id":"00a","ip":"::","session_id":"-1""#),
        ([some("Null"), some("00a"), some("::"), some("-1")], 0)
    );
    let format = EventFormat { absent: vec!["n/a".into()], ..EventFormat::of_milliseconds() };
    let event = Decoder::new(&format)
        .decode(&fields(&[]), br#"{"event_id":"a","ts":5,"guid":"n/a","ip":"null"}"#)
        .unwrap();
    assert_eq!((event.guid(), event.get(Field::IP).is_some()), (None, true));
}

#[test]
fn an_unusable_detail_does_not_lose_the_event() {
    for (members, unusable) in [
        (r#""guid":-1"#, 1),
        (r#""guid":1.5"#, 1),
        (r#""guid":true"#, 1),
        (r#""guid":[1],"device_id":{"a":1},"ip":false,"session_id":[]"#, 4),
        (r#""properties":"x""#, 1),
        (r#""properties":[1]"#, 1),
        (r#""properties":[]"#, 0),
        (r#""properties":{"b":1e400,"c":"\ud83d","d":[[[1e999]]]},"\ud83d":1"#, 0),
    ] {
        assert_eq!(ids(members), ([None, None, None, None], unusable), "{members}");
    }
    assert_eq!(ids(&format!("\"guid\":\"{}\"", "x".repeat(129))).1, 1);
    let digits = format!("{}.5", "9".repeat(400));
    let record = format!(
        r#"{{"event_id":"a","ts":5,"properties":{{"a":{digits},"b":"\ud83d!","c":12345678901234567890}}}}"#
    );
    let fields = fields(&["a", "b", "c"]);
    let event = decode(&fields, &record).unwrap();
    let get = |name: &str| event.get(fields.property(name).unwrap()).cloned();
    assert_eq!(get("a"), None, "no float is as large");
    assert_eq!(get("b"), Some(Value::Text("\u{fffd}!".into())));
    assert_eq!(get("c"), Some(Value::Text("12345678901234567890".into())), "not rounded");
    assert!(decode(&fields, "\u{feff}{\"event_id\":\"a\",\"ts\":5}").is_ok());
}

#[test]
fn a_malformed_record_is_refused_with_a_remedy() {
    let fields = fields(&["a"]);
    let cases = [
        ("", "empty"),
        (" \n", "empty"),
        ("[1]", "not a JSON object"),
        ("5", "not a JSON object"),
        (r#"{"event_id":"a","event_time":5"#, "column"),
        (r#"{"event_id":"a","event_time":5} x"#, "trailing"),
        (r#"{"event_id":"a",}"#, "comma"),
        (r#"{"event_time":5}"#, "`event_id` is missing"),
        (r#"{"event_id":"","event_time":5}"#, "`event_id` is missing"),
        (r#"{"event_id":"a"}"#, "`event_time` is missing"),
        (r#"{"event_id":"a","event_time":null}"#, "`event_time` is missing"),
        (r#"{"event_id":"a","event_time":-5}"#, "negative (-5)"),
        (r#"{"event_id":"a","event_time":true}"#, "true"),
        (r#"{"event_id":"a","event_time":5,"properties":{"b":01}}"#, "column"),
        (r#"{"event_id":"a","event_time":5,"properties":{"b":NaN}}"#, "column"),
        (r#"{"event_id":"a","event_time":5,"b":tru}"#, "column"),
    ];
    for (line, part) in cases {
        let error = decode(&fields, line).unwrap_err();
        assert!(error.contains(part), "{line}: {error}");
        assert!(!error.contains('\n'), "{error:?}");
    }
    let bytes = b"{\"event_id\":\"a\xff\",\"event_time\":5}";
    assert_eq!(Decoder::default().decode(&fields, bytes).unwrap_err(), DecodeError::NotUtf8(14));
}

/// Bytes of a small stack. Frames of an unoptimised build are several times as large: there it is what the
/// engine's threads have.
const SMALL_STACK: usize = if cfg!(debug_assertions) { 2 << 20 } else { 512 << 10 };

#[test]
fn deep_nesting_is_passed_over_on_a_small_stack() {
    const DEPTH: usize = 100_000;
    let deep: Vec<String> = [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")]
        .iter()
        .map(|(open, close)| format!("{}1{}", open.repeat(DEPTH), close.repeat(DEPTH)))
        .collect();
    let run = move || {
        let fields = fields(&["a"]);
        let (required, properties) = (r#""event_id":"a","ts":5"#, r#""properties""#);
        for deep in deep {
            for members in [
                format!(r#""x":{deep}"#),
                format!("{properties}:{deep}"),
                format!(r#"{properties}:{{"a":{deep}}}"#),
                format!(r#""guid":{deep}"#),
            ] {
                let whole = format!("{{{required},{members}}}");
                assert!(decode(&fields, &whole).is_ok());
                assert!(decode(&fields, &whole[..whole.len() / 2]).is_err());
            }
            assert!(decode(&fields, &deep).is_err());
        }
    };
    std::thread::Builder::new().stack_size(SMALL_STACK).spawn(run).unwrap().join().unwrap();
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Decoder::of_milliseconds().decode(&fields(&["a"]), &bytes);
    }

    #[test]
    fn any_json_like_text_is_answered(text in r#"\{("(guid|event_id|event_time|properties|a)":("[a0-9é\\\\"]*"|-?[0-9.eE+-]{1,24}|null|true|\{"a":[\[\]{},1"]*\}?|\[1?\]),?){0,6}\}?"#) {
        let _ = Decoder::of_milliseconds().decode(&fields(&["a"]), text.as_bytes());
    }

    #[test]
    fn a_mutated_event_is_answered(changes in prop::collection::vec((0..EVENT.len(), any::<u8>(), 0..3u8), 1..6)) {
        let mut bytes = EVENT.as_bytes().to_vec();
        for (at, byte, how) in changes {
            let at = at % bytes.len().max(1);
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                _ => bytes.insert(at.min(bytes.len()), byte),
            }
        }
        let fields = fields(&["keyword", "amt", "esc"]);
        if let Ok(event) = Decoder::of_milliseconds().decode(&fields, &bytes) {
            prop_assert!(event.event_time >= 0 && !event.event_id().is_empty());
        }
    }

    #[test]
    fn values_come_out_as_they_went_in(text in any::<String>(), int in any::<i64>(), float in -1e15..1e15f64) {
        let line = serde_json::json!({"event_id": "e", "event_time": 1, "properties": {"t": text, "i": int, "f": float}}).to_string();
        let fields = fields(&["t", "i", "f"]);
        let event = Decoder::of_milliseconds().decode(&fields, line.as_bytes()).unwrap();
        let get = |name: &str| event.get(fields.property(name).unwrap()).cloned();
        prop_assert_eq!(get("t"), Some(Value::Text(text.into())));
        prop_assert_eq!(get("i"), Some(Value::Int(int)));
        prop_assert_eq!(get("f").and_then(|v| v.number()), Some(float));
    }
}
