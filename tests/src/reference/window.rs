//! Windows: the events that fold, and those of the folded that count at an instant.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::calendar::Calendar;
use super::duration::{parse_duration, parse_window_end};
use super::value::Value;

/// The window of a condition.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    /// What comes in from publish on, if the rule says nothing.
    Since(i64),
    /// `from <= event_time < until`.
    Fixed { from: Option<i64>, until: Option<i64> },
    /// The last milliseconds, this many.
    Last(i64),
    /// The period of the calendar in which `now` lies.
    This(Calendar),
}

impl Window {
    pub(crate) fn parse(json: Option<&Json>, publish: i64) -> Self {
        let Some(json) = json.filter(|json| !json.is_null()) else {
            return Self::Since(publish);
        };
        if let Some(last) = json.get("last") {
            return Self::Last(parse_duration(last.as_str().expect("a duration")));
        }
        if json.get("this").is_some() {
            return Self::This(Calendar::parse(json));
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
            Self::This(calendar) => calendar.period(time) >= calendar.period(now),
        }
    }

    /// Values that a figure at `now` includes, of those that were folded with their times. A sliding window is
    /// exact if the buckets that reach into it or lie ahead hold at most 64 of them, those with one text counted
    /// once; else it includes the buckets whole. Buckets that start after `now` wait.
    pub(crate) fn held<'f>(
        &self,
        folded: &'f [(i64, Value)],
        text: impl Fn(&'f Value) -> Option<String>,
        now: i64,
    ) -> Vec<&'f Value> {
        let length = match self {
            Self::Since(_) | Self::Fixed { .. } => return folded.iter().map(|(_, value)| value).collect(),
            Self::This(calendar) => {
                let own = |(time, _): &&(i64, Value)| calendar.period(*time) == calendar.period(now);
                return folded.iter().filter(own).map(|(_, value)| value).collect();
            }
            Self::Last(length) => length,
        };
        let width = (length / 64).max(1);
        let start = |time: i64| time.div_euclid(width) * width;
        let reaching: Vec<_> =
            folded.iter().filter(|(time, _)| now - length - width < start(*time)).collect();
        let texts: BTreeSet<String> = reaching.iter().filter_map(|(_, value)| text(value)).collect();
        let without = reaching.iter().filter(|(_, value)| text(value).is_none()).count();
        let is_exact = texts.len() + without <= 64;
        let begun = reaching.into_iter().filter(|(time, _)| start(*time) <= now);
        begun.filter(|(time, _)| !is_exact || now - length < *time).map(|(_, value)| value).collect()
    }

    /// Whether a value of this time is still in the window, as `last` slides, without buckets.
    pub(crate) fn keeps(&self, time: i64, now: i64) -> bool {
        match self {
            Self::Since(_) | Self::Fixed { .. } => true,
            Self::Last(length) => time > now - length,
            Self::This(calendar) => calendar.period(time) >= calendar.period(now),
        }
    }
}
