//! Windows: which events fold, and which of the folded a figure is made of at an instant.

use serde_json::Value as Json;

use super::duration::{parse_duration, parse_window_end};

/// The span of time that a condition looks at.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    /// `from <= event_time < until`. Without a `window` in the rule this is from publish on.
    Fixed { from: Option<i64>, until: Option<i64> },
    /// The last so many milliseconds.
    Last(i64),
}

impl Window {
    pub(crate) fn parse(json: Option<&Json>, publish: i64) -> Self {
        let Some(json) = json.filter(|json| !json.is_null()) else {
            return Self::Fixed { from: Some(publish), until: None };
        };
        if let Some(last) = json.get("last") {
            return Self::Last(parse_duration(last.as_str().expect("a duration")));
        }
        let end =
            |name: &str| json.get(name).and_then(Json::as_str).map(|text| parse_window_end(text, publish));
        Self::Fixed { from: end("from"), until: end("until") }
    }

    /// Whether an event of this time is folded at `now`. History needs no other rule: its `now` is its own.
    pub(crate) fn folds(&self, time: i64, now: i64) -> bool {
        match self {
            Self::Fixed { from, until } => {
                from.is_none_or(|from| from <= time) && until.is_none_or(|until| time < until)
            }
            Self::Last(length) => time > now - length,
        }
    }

    /// Whether a figure at `now` contains what was folded with this time. A sliding window holds every bucket that
    /// reaches into it, whole; buckets that begin ahead of `now` wait.
    pub(crate) fn holds(&self, time: i64, now: i64) -> bool {
        match self {
            Self::Fixed { .. } => true,
            Self::Last(length) => {
                let width = (length / 64).max(1);
                let start = time.div_euclid(width) * width;
                now - length - width < start && start <= now
            }
        }
    }

    /// Whether a value that has this time is still in the window; exact, as `last` slides without buckets.
    pub(crate) fn keeps(&self, time: i64, now: i64) -> bool {
        match self {
            Self::Fixed { .. } => true,
            Self::Last(length) => time > now - length,
        }
    }
}
