//! Random rules over the whole format, and random event streams that collide with them: few keys, few event
//! ids, few values, times close together.
//!
//! Everything is drawn with proptest, so that failures shrink. Rules are always valid. Times are relative to
//! [`BASE`]. Numbers are multiples of 0.5, so that sums are exact in whatever order they are added; there are
//! fewer than 64 distinct values, so that `distinct` is exact too.
//!
//! - `rules`: whole rules; `conditions`, `filters`, `crowds`: their parts
//! - `events`: event streams

mod conditions;
mod crowds;
mod events;
mod filters;
mod rules;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy};
use proptest::sample::select;
use serde_json::{Value as Json, json};

pub use crowds::{crowd, profiles};
pub use events::{event_lines, events};
pub use filters::filter;
pub use rules::rule;

use crate::reference::Options;

/// Start of random streams: 2026-09-22T00:00:00Z, a multiple of every bucket's width.
pub const BASE: i64 = 20_718 * 86_400_000;

/// The third user of random streams, and of crowds.
const TEXT_GUID: &str = "u-3";

/// A random case: rules, events, and when the rules are published.
#[derive(Clone, Debug)]
pub struct RandomCase {
    /// Valid rules with different ids.
    pub rules: Vec<Json>,
    /// Lines of JSON; with `bad_lines` some that are no events.
    pub events: Vec<String>,
    /// Options of the reference.
    pub options: Options,
}

/// Shape of random cases.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Most rules.
    pub rules: usize,
    /// Most events.
    pub events: usize,
    /// Most that an event may lie behind the highest time before it, ms; 0: all in order.
    pub lateness: i64,
    /// Whether lines that are no events are mixed in.
    pub bad_lines: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self { rules: 4, events: 120, lateness: 30_000, bad_lines: false }
    }
}

/// Random cases of a shape.
pub fn case(shape: Shape) -> impl Strategy<Value = RandomCase> {
    let rules = vec(rule(), 1..=shape.rules.max(1)).prop_map(|mut rules| {
        for (number, rule) in rules.iter_mut().enumerate() {
            rule["rule_id"] = Json::from(format!("rule-{number}"));
        }
        rules
    });
    let publish_at = option::weighted(0.5, (0i64..240).prop_map(|halves| BASE + halves * 500));
    (rules, event_lines(shape), publish_at, profiles()).prop_map(|(rules, events, publish_at, profiles)| {
        RandomCase {
            rules,
            events,
            options: Options { publish_at, profiles: Some(profiles), ..Options::default() },
        }
    })
}

/// One of a few durations that the times of random streams are related to.
pub fn duration() -> impl Strategy<Value = &'static str> {
    select(vec!["1ms", "500ms", "1s", "3s", "10s", "30s", "1m", "1m30s", "5m"])
}

/// A period of the calendar, most of them with a boundary in the span of random streams.
fn period() -> impl Strategy<Value = Json> {
    select(vec![
        json!({"this": "day", "zone": "-00:01"}),
        json!({"this": "week", "zone": "-00:01", "week_starts": "tuesday"}),
        json!({"this": "week", "zone": "+23:59"}),
        json!({"this": "month", "zone": "Asia/Shanghai"}),
    ])
}

/// An instant in the span of random streams, unix ms.
fn moment() -> impl Strategy<Value = i64> {
    (0i64..240, select(vec![0i64, 0, 1])).prop_map(|(halves, more)| BASE + halves * 500 + more)
}

/// An instant as RFC 3339 text.
fn rfc_3339(moment: i64) -> String {
    jiff::Timestamp::from_millisecond(moment).expect("an instant in range").to_string()
}

/// `Some` of a value with probability `chance`, else `None`.
fn maybe<S>(chance: f64, strategy: S) -> impl Strategy<Value = Option<S::Value>>
where
    S: Strategy,
{
    option::weighted(chance, strategy)
}

/// A fixed JSON value.
fn just(value: impl Into<Json>) -> Just<Json> {
    Just(value.into())
}

/// A multiple of 0.5: as an integer if it is one.
fn half(halves: i64) -> Json {
    if halves % 2 == 0 { Json::from(halves / 2) } else { Json::from(halves as f64 / 2.0) }
}
