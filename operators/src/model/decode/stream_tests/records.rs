//! Generators of records: usual ones, objects of any members, and changes of bytes.

use proptest::{collection::vec, prelude::*, sample::select};

/// Properties that are read; a property may be called like a top-level field.
pub(super) const READ: [&str; 8] =
    ["keyword", "amt", "n", "a", "重庆", "a name longer than those compared at once", "ip", ""];

/// Names of members, top-level and others.
pub(super) const NAMES: [&str; 22] = [
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
pub(super) fn object() -> impl Strategy<Value = String> {
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
pub(super) fn usual_event() -> impl Strategy<Value = String> {
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
pub(super) fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    let byte = prop_oneof![
        3 => select(b"\"\"\"{}[]:,\\ 0159-.eE+tfn\n\x00\x1f\x7f\x80\xc3\xe9\xff".to_vec()),
        1 => any::<u8>(),
    ];
    vec((any::<prop::sample::Index>(), byte, 0..5u8), 0..4)
}

pub(super) fn changed(text: &str, changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
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
