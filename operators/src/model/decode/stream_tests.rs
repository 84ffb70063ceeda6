//! Property tests: a stream decoder returns what `Decoder` returns, whatever it has read before; and it reads
//! usual records itself.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{DecodeError, Decoder, FieldNames, StreamDecoder};
use crate::model::{event::Event, field::Fields, value::Value};

/// Properties that are read; a property may be called like a top-level field.
const READ: [&str; 8] =
    ["keyword", "amt", "n", "a", "重庆", "a name longer than those compared at once", "ip", ""];

/// Names of members, top-level and others.
const NAMES: [&str; 22] = [
    "guid",
    "device_id",
    "deviceId",
    "ip",
    "session_id",
    "event_id",
    "eventId",
    "event_time",
    "eventTime",
    "ts",
    "properties",
    "keyword",
    "amt",
    "n",
    "a",
    "ab",
    "重庆",
    "a name longer than those compared at once",
    "a name longer than those compared at twice",
    "other",
    "eventtime",
    "",
];

fn fields() -> Fields {
    let mut fields = Fields::default();
    for name in READ {
        fields.intern_property(name);
    }
    fields
}

/// Whether two results are the same, down to the bits of floats and to which texts are borrowed.
fn same(a: &Result<Event<'_>, DecodeError>, b: &Result<Event<'_>, DecodeError>) -> bool {
    let same_value = |a: &Option<Value<'_>>, b: &Option<Value<'_>>| match (a, b) {
        (Some(Value::Float(a)), Some(Value::Float(b))) => a.to_bits() == b.to_bits(),
        (Some(Value::Text(a)), Some(Value::Text(b))) => {
            a == b && matches!(a, Cow::Borrowed(_)) == matches!(b, Cow::Borrowed(_))
        }
        (a, b) => a == b,
    };
    match (a, b) {
        (Ok(a), Ok(b)) => {
            (a.guid, a.event_time, a.values.len()) == (b.guid, b.event_time, b.values.len())
                && a.values.iter().zip(&b.values).all(|(a, b)| same_value(a, b))
        }
        (a, b) => a.as_ref().err() == b.as_ref().err(),
    }
}

/// Decodes the records in their order, each twice; the second time its names are expected. Returns how many
/// were handed over.
fn check<R: AsRef<[u8]>>(decoder: &Decoder, records: &[R]) -> Result<u64, TestCaseError> {
    let fields = fields();
    let mut stream = StreamDecoder::new(decoder.clone(), fields.clone());
    for record in records.iter().flat_map(|record| [record, record]) {
        let record = record.as_ref();
        let (fast, present) = (stream.decode(record), decoder.decode(&fields, record));
        let text = String::from_utf8_lossy(record);
        prop_assert!(same(&fast, &present), "{text}\n{fast:?}\n{present:?}");
        fast.into_iter().for_each(|event| stream.recycle(event));
    }
    Ok(stream.unusual())
}

/// Scalars that are read in a single pass, as JSON.
fn usual() -> impl Strategy<Value = String> {
    prop_oneof![
        (-1_000_000_000_000_000i64..1_000_000_000_000_000, 0..16u32)
            .prop_map(|(int, digits)| (int / 10i64.pow(digits)).to_string()),
        (-4_000_000_000i64..4_000_000_000, 0..99u32).prop_map(|(int, part)| format!("{int}.{part}")),
        "\"[ -!#-\\[\\]-~é重庆🙂]{0,20}\"",
        "\"[0-9]{1,20}\"",
        select(vec!["true", "false", "null", "0", "7", "0.0", "0.50", "\"\"", "\"x\"", "999999999999999999"])
            .prop_map(str::to_owned),
    ]
}

/// Values that are read in a single pass, some of them arrays and objects.
fn usual_or_nested() -> impl Strategy<Value = String> {
    let nested = usual().prop_recursive(7, 20, 4, |inner| {
        let member = (select(NAMES.to_vec()), inner.clone());
        let member = member.prop_map(|(name, value)| format!("\"{name}\":{value}"));
        let list = |items: Vec<String>| items.join(",");
        prop_oneof![
            vec(inner, 0..4).prop_map(move |items| format!("[{}]", list(items))),
            vec(member, 0..4).prop_map(move |members| format!("{{{}}}", list(members))),
        ]
    });
    prop_oneof![3 => usual(), 1 => nested]
}

/// Scalars, other values and what is almost one.
fn value() -> impl Strategy<Value = String> {
    let odd = vec![
        "-0",
        "-0.0",
        "1e5",
        "1E5",
        "-1.5e-3",
        "1e999",
        "-1e999",
        "0e0",
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "-",
        "+1",
        "1.5.5",
        "12a",
        "0x1",
        "1234567890123456789",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "0.1234567890123456789",
        "9007199254740993.0",
        "0.30000000000000004",
        "179769313486231570000.5",
        "123456789012345678.5",
        "1.0e",
        "tru",
        "truee",
        "nul",
        "nulL",
        "True",
        "NaN",
        "Infinity",
        "\"",
        "\"a",
        "\"a\\nb\"",
        "\"\\u91cd\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\\\"\"",
        "\"\\\\\"",
        "\"a\tb\"",
        "\"a\u{7f}b\"",
        "\"\u{0}\"",
        "'a'",
        "a",
        "[]",
        "[1]",
        "[1,{\"a\":[]}]",
        "{}",
        "{\"a\":1}",
        "{\"amt\":{}}",
        "[",
        "{",
        "[1,]",
        "{,}",
        "{\"a\"}",
        " 1",
        "1 ",
        "  1",
        "\n1",
        " \"a\"",
        "\u{a0}1",
        "",
    ];
    prop_oneof![6 => usual(), 2 => select(odd).prop_map(str::to_owned), 1 => "[-0-9.eE+]{1,30}"]
}

/// Members of an object, with commas between them that are mostly right.
fn members<V: Strategy<Value = String>>(value: V, most: usize) -> impl Strategy<Value = String> {
    let comma = select(vec![",", ",", ",", ",", ",", ", ", ", ", ",  ", ",\t", " ,", ",,", "", ";"]);
    let colon = select(vec![":", ":", ":", ":", ":", ": ", ": ", " :", ":  ", ":\r", "", "::"]);
    vec((select(NAMES.to_vec()), colon, value, comma), 0..most).prop_map(|members| {
        let mut text = String::new();
        for (i, (name, colon, value, comma)) in members.iter().enumerate() {
            text.push_str(if i == 0 { "" } else { comma });
            text.push_str(&format!("\"{name}\"{colon}{value}"));
        }
        text
    })
}

/// Objects of any members, mostly with those that an event has to have.
fn object() -> impl Strategy<Value = String> {
    let properties =
        prop_oneof![4 => members(value(), 6).prop_map(|members| format!("{{{members}}}")), 1 => value()];
    let required = select(vec![
        "\"event_id\":\"search\",\"event_time\":1766000000123",
        "\"event_id\":\"pay\",\"ts\":5",
        "\"eventId\":9,\"eventTime\":0",
        "\"event_id\":\"pay\",\"ts\":\"5\"",
    ]);
    let ends = select(vec!["", "", "", "", "", " ", "\n", "}", "x", ",", "{}", "\0"]);
    let starts = select(vec!["", "", "", "", "", " ", "\u{feff}", "["]);
    (members(value(), 5), prop::option::weighted(0.8, required), properties, starts, ends).prop_map(
        |(members, required, properties, start, end)| {
            let parts =
                [Some(members), required.map(str::to_owned), Some(format!("\"properties\":{properties}"))];
            let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
            format!("{start}{{{}}}{end}", parts.join(","))
        },
    )
}

/// Usual events: members in any order, top-level ones at most once.
fn usual_event() -> impl Strategy<Value = String> {
    let space = select(vec!["", " "]);
    let top = prop_oneof![
        (usual(), usual(), usual(), usual()).prop_map(|(a, b, c, d)| {
            let names = ["guid", "device_id", "ip", "session_id"];
            names.iter().zip([a, b, c, d]).map(|(name, value)| format!("\"{name}\":{value}")).collect()
        }),
        Just(Vec::new()),
    ];
    let names = select([&READ[..], &["unread", "unread too"]].concat());
    let properties = vec((names, usual_or_nested()), 0..8).prop_map(|mut members| {
        members.sort();
        members.dedup_by(|a, b| a.0 == b.0);
        members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>()
    });
    let properties = prop::option::weighted(0.9, properties);
    let more = (usual(), usual_or_nested());
    (top, select(vec!["search", "pay", "重庆"]), more, properties, space, any::<u64>()).prop_map(
        |(top, event_id, (time, more), properties, space, order)| {
            let mut members: Vec<String> = top;
            let properties = properties.map(|members| format!("{{{}}}", members.join(&format!(",{space}"))));
            members.push(format!("\"event_id\":{space}\"{event_id}\""));
            members.push(format!("\"ts\":{space}{time}"));
            members.push(format!("\"properties\":{space}{}", properties.as_deref().unwrap_or("null")));
            members.push(format!("\"more\":{space}{more}"));
            let turns = order as usize % members.len();
            members.rotate_left(turns);
            format!("{{{}}}", members.join(&format!(",{space}")))
        },
    )
}

/// Changes of bytes: position, new byte, and how.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    let byte = prop_oneof![
        3 => select(b"\"\"\"{}[]:,\\ 0159-.eE+tfn\n\x00\x1f\x7f\x80\xc3\xe9\xff".to_vec()),
        1 => any::<u8>(),
    ];
    vec((any::<prop::sample::Index>(), byte, 0..5u8), 0..4)
}

fn changed(text: &str, changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, byte, how) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = *byte,
            1 => bytes[at] ^= 1 << (byte % 8),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, *byte),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn usual_records_are_read_in_a_single_pass(records in vec(usual_event(), 1..6)) {
        prop_assert_eq!(check(&Decoder::default(), &records)?, 0);
    }

    #[test]
    fn objects_of_any_members_are_decoded_alike(records in vec(object(), 1..6)) {
        check(&Decoder::default(), &records)?;
    }

    #[test]
    fn changed_records_are_decoded_alike(records in vec((prop_oneof![usual_event(), object()], changes()), 1..6)) {
        let records: Vec<Vec<u8>> = records.iter().map(|(text, changes)| changed(text, changes)).collect();
        check(&Decoder::default(), &records)?;
    }

    #[test]
    fn names_of_a_deployment_are_decoded_alike(records in vec(object(), 1..6), names in vec(select(NAMES.to_vec()), 7)) {
        let name = |i: usize| vec![names[i].to_owned(), NAMES[i].to_owned()];
        let names = FieldNames {
            guid: name(0),
            device_id: name(1),
            ip: name(2),
            session_id: name(3),
            event_id: name(4),
            event_time: name(5),
            properties: name(6),
        };
        check(&Decoder::new(&names), &records)?;
    }

    #[test]
    fn any_bytes_are_decoded_alike(records in vec(vec(any::<u8>(), 0..80), 1..4)) {
        check(&Decoder::default(), &records)?;
    }
}

#[test]
fn a_record_cut_anywhere_is_decoded_alike() {
    let event = r#"{"guid":1001,"event_id":"search","ts":1766000000123,"properties":{"keyword":"重庆民宿","amt":25.5,"n":3}}"#;
    let records: Vec<&[u8]> = (0..=event.len()).map(|end| &event.as_bytes()[..end]).collect();
    assert_eq!(check(&Decoder::default(), &records).unwrap(), 2 * event.len() as u64);
}

#[test]
fn values_that_nest_deep_are_left_to_the_decoder_of_any_record() {
    let record = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"event_id":"pay","ts":5,"properties":{{"a":{open}{close},"n":{open}1{close}}}}}"#)
    };
    let unusual = |depths: &[usize]| {
        let records: Vec<String> = depths.iter().map(|depth| record(*depth)).collect();
        check(&Decoder::default(), &records).unwrap()
    };
    assert_eq!(unusual(&[1, 2, 7, 8]), 0);
    // Each record is decoded twice; the last two are refused.
    assert_eq!(unusual(&[9, 63, 64, 65, 100_000]), 10);
}

#[test]
fn a_recycled_event_lends_its_memory_to_the_next() {
    let record = br#"{"event_id":"pay","event_time":5,"properties":{"keyword":"a","n":3}}"#;
    let mut stream = StreamDecoder::new(Decoder::default(), fields());
    let event = stream.decode(record).unwrap();
    let memory = event.values.as_ptr().addr();
    stream.recycle(event);
    let again = stream.decode(record).unwrap();
    assert_eq!(again.values.as_ptr().addr(), memory);
    assert!(same(&Ok(again), &Decoder::default().decode(&fields(), record)));
    // Fields that the record lacks are absent, whatever the event before had.
    let other = br#"{"event_id":"pay","event_time":5}"#;
    let mut stream = StreamDecoder::new(Decoder::default(), fields());
    let event = stream.decode(record).unwrap();
    stream.recycle(event);
    assert!(same(&stream.decode(other), &Decoder::default().decode(&fields(), other)));
}

#[test]
fn an_installed_set_of_fields_counts_from_the_next_record() {
    let record = br#"{"event_id":"pay","event_time":5,"properties":{"amt":2.5,"n":3}}"#;
    let (mut amt, mut n) = (Fields::default(), Fields::default());
    let (first, second) = (amt.intern("amt"), n.intern("n"));
    let mut stream = StreamDecoder::new(Decoder::default(), amt.clone());
    for (fields, field, value) in
        [(&amt, first, Value::Float(2.5)), (&n, second, Value::Int(3)), (&amt, first, Value::Float(2.5))]
    {
        stream.install(fields);
        for _ in 0..2 {
            let event = stream.decode(record).unwrap();
            assert_eq!((event.values.len(), event.get(field)), (fields.len(), Some(&value)));
        }
    }
    assert_eq!(stream.unusual(), 0);
}
