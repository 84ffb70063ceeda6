//! Windows: the events that fold, and those of the folded that count at an instant.

use serde_json::Value as Json;

use super::duration::{parse_duration, parse_window_end};

/// The window of a condition.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    /// What comes in from publish on, if the rule says nothing.
    Since(i64),
    /// `from <= event_time < until`.
    Fixed { from: Option<i64>, until: Option<i64> },
    /// The last milliseconds, this many.
    Last(i64),
}

impl Window {
    pub(crate) fn parse(json: Option<&Json>, publish: i64) -> Self {
        let Some(json) = json.filter(|json| !json.is_null()) else {
            return Self::Since(publish);
        };
        if let Some(last) = json.get("last") {
            return Self::Last(parse_duration(last.as_str().expect("a duration")));
        }
        let end =
            |name: &str| json.get(name).and_then(Json::as_str).map(|text| parse_window_end(text, publish));
        Self::Fixed { from: end("from"), until: end("until") }
    }

    /// Whether an event of this time is folded at `now`. History needs no special case: its `now` is its own.
    pub(crate) fn folds(&self, time: i64, now: i64) -> bool {
        match self {
            Self::Since(publish) => now >= *publish,
            Self::Fixed { from, until } => {
                from.is_none_or(|from| from <= time) && until.is_none_or(|until| time < until)
            }
            Self::Last(length) => time > now - length,
        }
    }

    /// Whether a figure at `now` includes what was folded with this time. A sliding window includes every
    /// bucket that reaches into it, whole; buckets that start after `now` wait.
    pub(crate) fn holds(&self, time: i64, now: i64) -> bool {
        match self {
            Self::Since(_) | Self::Fixed { .. } => true,
            Self::Last(length) => {
                let width = (length / 64).max(1);
                let start = time.div_euclid(width) * width;
                now - length - width < start && start <= now
            }
        }
    }

    /// Whether a value of this time is still in the window; exact, as `last` slides without buckets.
    pub(crate) fn keeps(&self, time: i64, now: i64) -> bool {
        match self {
            Self::Since(_) | Self::Fixed { .. } => true,
            Self::Last(length) => time > now - length,
        }
    }
}
