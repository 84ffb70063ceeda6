//! Durations and instants as rules write them.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const UNITS: [(&str, i64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];
const LONGEST: i64 = 100 * 366 * 86_400_000;

/// A duration in ms, written `"500ms"`, `"15m"`, `"5d"`, `"1d12h"`. At least 1 ms, at most a hundred years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Span(pub i64);

impl TryFrom<Cow<'_, str>> for Span {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        Span::parse(&text)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        for (unit, ms) in UNITS.iter().rev() {
            if span.0 % ms == 0 {
                return format!("{}{unit}", span.0 / ms);
            }
        }
        format!("{}ms", span.0)
    }
}

impl Span {
    /// Parses a duration; the error names what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a duration; write a number and a unit, such as \"500ms\", \"30s\", \"15m\", \"36h\", \"5d\", \"2w\" or \"1d12h\""
            )
        };
        let (mut rest, mut total) = (text, 0i64);
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
            let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
            let unit = &rest[digits..digits + letters];
            let ms = UNITS.iter().find(|(u, _)| *u == unit).ok_or_else(wrong)?.1;
            total = number.checked_mul(ms).and_then(|n| total.checked_add(n)).ok_or_else(wrong)?;
            rest = &rest[digits + letters..];
        }
        if (1..=LONGEST).contains(&total) { Ok(Span(total)) } else { Err(wrong()) }
    }
}

/// A point in time, unix ms, written as RFC 3339 with an offset (`2026-11-20T00:00:00+08:00`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Instant(pub i64);

impl TryFrom<Cow<'_, str>> for Instant {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        text.parse::<Timestamp>().map(|t| Instant(t.as_millisecond())).map_err(|_| {
            format!(
                "`{text}` is not an instant; write RFC 3339 with an offset, such as \"2026-11-20T00:00:00+08:00\""
            )
        })
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> String {
        Timestamp::from_millisecond(instant.0).map_or_else(|_| instant.0.to_string(), |t| t.to_string())
    }
}

/// An edge of a fixed window: an instant, or one relative to the rule's publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub enum Edge {
    /// An instant.
    At(Instant),
    /// `"publish"` (0), or this many ms before it (`"publish-3d"`).
    BeforePublish(i64),
}

impl TryFrom<Cow<'_, str>> for Edge {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        match text.strip_prefix("publish") {
            Some("") => Ok(Edge::BeforePublish(0)),
            Some(rest) => match rest.strip_prefix('-').map(Span::parse) {
                Some(Ok(back)) => Ok(Edge::BeforePublish(back.0)),
                _ => Err(format!(
                    "`{text}` is not an instant; write \"publish\" or, for a time before it, \"publish-3d\""
                )),
            },
            None => Instant::try_from(text.clone())
                .map(Edge::At)
                .map_err(|e| format!("{e}, \"publish\" or \"publish-3d\"")),
        }
    }
}

impl From<Edge> for String {
    fn from(edge: Edge) -> String {
        match edge {
            Edge::At(instant) => instant.into(),
            Edge::BeforePublish(0) => "publish".into(),
            Edge::BeforePublish(back) => format!("publish-{}", String::from(Span(back))),
        }
    }
}

impl Edge {
    /// The edge's instant (unix ms) for a rule published at `publish`.
    pub fn resolve(self, publish: i64) -> i64 {
        match self {
            Edge::At(instant) => instant.0,
            Edge::BeforePublish(back) => publish.saturating_sub(back),
        }
    }
}
