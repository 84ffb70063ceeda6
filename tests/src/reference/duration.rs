//! Durations (`"1d12h"`) and instants (`"2026-11-20T00:00:00+08:00"`, `"publish-3d"`), all in milliseconds.

/// Length of a duration such as `"500ms"`, `"5d"` or `"1d12h"`.
pub(crate) fn parse_duration(text: &str) -> i64 {
    let mut total = 0;
    let mut rest = text;
    assert!(!rest.is_empty(), "an empty duration");
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let count: i64 = rest[..digits].parse().unwrap_or_else(|_| panic!("no duration: {text}"));
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => panic!("no duration: {text}"),
        };
        rest = &rest[letters..];
        total += count * unit;
    }
    total
}

/// An RFC 3339 instant.
pub(crate) fn parse_instant(text: &str) -> i64 {
    let instant: jiff::Timestamp = text.parse().unwrap_or_else(|e| panic!("no instant: {text}: {e}"));
    instant.as_millisecond()
}

/// An instant that may be relative to publish: `"publish"`, `"publish-3d"`.
pub(crate) fn parse_window_end(text: &str, publish: i64) -> i64 {
    match text.strip_prefix("publish") {
        Some("") => publish,
        Some(rest) => {
            let back = rest.strip_prefix('-').unwrap_or_else(|| panic!("no instant: {text}"));
            publish - parse_duration(back)
        }
        None => parse_instant(text),
    }
}
