//! Unit and property tests: events, malformed records, and arbitrary bytes.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{DecodeError, Decoder, FieldNames};
use crate::model::{
    event::Event,
    field::{Field, Fields},
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
    Decoder::default().decode(fields, text.as_bytes()).map_err(|e| e.to_string())
}

const EVENT: &str = r#"{"guid":1001,"device_id":"d-1","ip":"10.0.0.1","session_id":"s","event_id":"search","event_time":1766000000123,"properties":{"keyword":"重庆民宿","amt":25.5,"n":3,"page":"p05","new":true,"list":[1,{"a":[]}],"nothing":null,"esc":"a\nb","s":"12.5"}}"#;

#[test]
fn an_event_keeps_the_properties_that_rules_read() {
    let fields = fields(&["keyword", "amt", "new", "list", "nothing", "esc", "absent"]);
    let event = decode(&fields, EVENT).unwrap();
    assert_eq!((event.guid, event.event_time, event.event_id()), (Some(1001), 1_766_000_000_123, "search"));
    let get = |name: &str| event.get(fields.property(name).unwrap()).cloned();
    assert_eq!(get("keyword"), Some(Value::Text("重庆民宿".into())));
    assert!(matches!(get("keyword"), Some(Value::Text(std::borrow::Cow::Borrowed(_)))));
    assert_eq!(get("amt"), Some(Value::Float(25.5)));
    assert_eq!(get("new"), Some(Value::Bool(true)));
    assert_eq!((get("list"), get("nothing"), get("absent")), (None, None, None));
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
    assert_eq!((event.guid, event.event_time, event.event_id()), (Some(u64::MAX), 5, "9"));
    assert_eq!(event.get(Field::GUID), Some(&Value::Text("18446744073709551615".into())));
    assert_eq!(event.get(Field::DEVICE_ID), Some(&Value::Text("7".into())));
    let event =
        decode(&fields, r#"{"ts":"x","event_time":6,"event_id":"a","guid":18446744073709551615}"#).unwrap();
    assert_eq!((event.event_time, event.guid), (6, Some(u64::MAX)));
    let names = FieldNames { event_time: vec!["when".into()], ..FieldNames::default() };
    let event =
        Decoder::new(&names).decode(&fields, br#"{"when":7,"event_time":"x","event_id":"a"}"#).unwrap();
    assert_eq!(event.event_time, 7);
    assert_eq!(Decoder::default().event_time(EVENT.as_bytes()), Some(1_766_000_000_123));
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
        (r#"{"event_id":"a","event_time":"5"}"#, "the text"),
        (r#"{"event_id":"a","event_time":5.5}"#, "5.5"),
        (r#"{"event_id":"a","event_time":5,"guid":-1}"#, "`guid` is -1"),
        (r#"{"event_id":"a","event_time":5,"guid":"u-1"}"#, "`guid` is the text"),
        (r#"{"event_id":"a","event_time":5,"guid":""}"#, "`guid` is the text"),
        (r#"{"event_id":"a","event_time":5,"guid":1.5}"#, "`guid` is 1.5"),
        (r#"{"event_id":"a","event_time":5,"properties":"x"}"#, "`properties` is a text"),
        (r#"{"event_id":"a","event_time":5,"properties":{"b":01}}"#, "column"),
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
fn deep_nesting_is_refused_on_a_small_stack() {
    let deep = |open: &str| open.repeat(100_000);
    let lines: Vec<String> = ["[", "{\"a\":", "[{\"a\":"]
        .iter()
        .flat_map(|open| {
            [
                deep(open),
                format!("{{\"x\":{}", deep(open)),
                format!("{{\"properties\":{}", deep(open)),
                format!("{{\"properties\":{{\"a\":{}", deep(open)),
                format!("{{\"guid\":{}", deep(open)),
            ]
        })
        .collect();
    let run = move || {
        let fields = fields(&["a"]);
        lines.iter().for_each(|line| assert!(decode(&fields, line).is_err()));
    };
    std::thread::Builder::new().stack_size(SMALL_STACK).spawn(run).unwrap().join().unwrap();
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Decoder::default().decode(&fields(&["a"]), &bytes);
    }

    #[test]
    fn any_json_like_text_is_answered(text in r#"\{("(guid|event_id|event_time|properties|a)":("[a0-9é\\\\"]*"|-?[0-9.eE+-]{1,24}|null|true|\{"a":[\[\]{},1"]*\}?|\[1?\]),?){0,6}\}?"#) {
        let _ = Decoder::default().decode(&fields(&["a"]), text.as_bytes());
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
        if let Ok(event) = Decoder::default().decode(&fields, &bytes) {
            prop_assert!(event.event_time >= 0 && !event.event_id().is_empty());
        }
    }

    #[test]
    fn values_come_out_as_they_went_in(text in any::<String>(), int in any::<i64>(), float in -1e15..1e15f64) {
        let line = serde_json::json!({"event_id": "e", "event_time": 1, "properties": {"t": text, "i": int, "f": float}}).to_string();
        let fields = fields(&["t", "i", "f"]);
        let event = Decoder::default().decode(&fields, line.as_bytes()).unwrap();
        let get = |name: &str| event.get(fields.property(name).unwrap()).cloned();
        prop_assert_eq!(get("t"), Some(Value::Text(text.into())));
        prop_assert_eq!(get("i"), Some(Value::Int(int)));
        prop_assert_eq!(get("f").and_then(|v| v.number()), Some(float));
    }
}
