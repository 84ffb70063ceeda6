//! Tests that the reference decodes what it always did.

use xxhash_rust::xxh3::xxh3_64;

use super::{Decoder, Fields, Value};
use crate::workload::Settings;

#[test]
fn the_reference_decodes_what_it_always_did() {
    let fields = Fields::new(["page_id", "amt", "dur", "keyword", "amt"]);
    let decoder = Decoder::default();
    let mut all = String::new();
    for line in (Settings { events: 2_000, users: 100, rules: 1, seed: 7 }).event_lines() {
        let event = decoder.decode(&fields, &line).unwrap();
        assert_eq!(event.values.len(), 10);
        all += &format!("{:?}", event);
    }
    assert_eq!(format!("{:016x}", xxh3_64(all.as_bytes())), "737dd0c4d2c6bb1b");
}

#[test]
fn what_is_no_event_is_refused() {
    let fields = Fields::new(["a"]);
    let decode = |line: &'static str| Decoder::default().decode(&fields, line.as_bytes());
    for (line, part) in [
        (" ", "empty"),
        ("[1]", "not a JSON object"),
        (r#"{"event_id":"a","ts":5"#, "broken JSON"),
        (r#"{"ts":5}"#, "event_id"),
        (r#"{"event_id":"a","ts":-5}"#, "event_time"),
        (r#"{"event_id":"a","ts":5,"guid":"u"}"#, "guid"),
        (r#"{"event_id":"a","ts":5,"properties":[1]}"#, "`properties` is an array"),
    ] {
        let error = decode(line).unwrap_err();
        assert!(error.contains(part), "{line}: {error}");
    }
    let event = decode(r#"{"event_id":7,"ts":5,"guid":"9","properties":{"a":1.5,"b":[{}]}}"#).unwrap();
    assert_eq!((event.guid, event.event_time), (Some(9), 5));
    assert_eq!(
        (&event.values[4], &event.values[6]),
        (&Some(Value::Text("7".into())), &Some(Value::Float(1.5)))
    );
}
