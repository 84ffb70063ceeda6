//! Windows of time and periods of the calendar, as rules write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::span::{Edge, Span};
use crate::model::{
    calendar::{Calendar, Day, Unit},
    zone::Zone,
};

/// The window of time that a condition looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RawWindow", into = "RawWindow")]
#[schemars(with = "RawWindow")]
pub enum Window {
    /// Sliding: the last N ms before `now`.
    Sliding(Span),
    /// The day, week or month in which `now` lies.
    This(Period),
    /// Fixed: from an instant until another, half open; absent ends are open.
    Fixed {
        /// First instant inside the window.
        from: Option<Edge>,
        /// First instant behind the window.
        until: Option<Edge>,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawWindow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    last: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    this: Option<Unit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    zone: Option<Zone>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    week_starts: Option<Day>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    from: Option<Edge>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    until: Option<Edge>,
}

impl TryFrom<RawWindow> for Window {
    type Error = String;

    fn try_from(raw: RawWindow) -> Result<Self, String> {
        let RawWindow { last, this, zone, week_starts, from, until } = raw;
        match (last, this, zone, week_starts, from, until) {
            (Some(span), None, None, None, None, None) => Ok(Window::Sliding(span)),
            (None, Some(this), Some(zone), week_starts, None, None) => {
                Ok(Window::This(Period { this, zone, week_starts }))
            }
            (None, None, None, None, from, until) => Ok(Window::Fixed { from, until }),
            _ => Err("a window is one of {\"last\": \"5d\"}, {\"this\": \"day\", \"zone\": \"Asia/Shanghai\"} and {\"from\": T, \"until\": T}".into()),
        }
    }
}

impl From<Window> for RawWindow {
    fn from(window: Window) -> RawWindow {
        match window {
            Window::Sliding(span) => RawWindow { last: Some(span), ..RawWindow::default() },
            Window::This(Period { this, zone, week_starts }) => {
                RawWindow { this: Some(this), zone: Some(zone), week_starts, ..RawWindow::default() }
            }
            Window::Fixed { from, until } => RawWindow { from, until, ..RawWindow::default() },
        }
    }
}

/// The period of the calendar in which an instant lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// A day, a week or a month.
    pub this: Unit,
    /// The time zone: a name such as `Asia/Shanghai`, or an offset such as `+08:00`.
    #[schemars(with = "String")]
    pub zone: Zone,
    /// The day with which a week begins; Monday if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week_starts: Option<Day>,
}

impl Period {
    /// The calendar that it is of.
    pub fn calendar(&self) -> Calendar {
        Calendar::new(self.this, &self.zone, self.week_starts.unwrap_or_default())
    }
}

/// The time in which a limit counts firings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a duration such as \"1d\", or {\"this\": \"day\", \"zone\": \"Asia/Shanghai\"}"
)]
pub enum Per {
    /// Any span of this length.
    Last(#[schemars(with = "String")] Span),
    /// Each day, week or month.
    This(Period),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_one_of_three_forms() {
        for text in [
            r#"{"last":"5d"}"#,
            r#"{"this":"day","zone":"Asia/Shanghai"}"#,
            r#"{"this":"week","zone":"+08:00","week_starts":"sunday"}"#,
            r#"{"until":"publish"}"#,
        ] {
            let window: Window = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&window).unwrap(), text);
        }
        for text in [
            r#"{"this":"day"}"#,
            r#"{"zone":"UTC"}"#,
            r#"{"last":"5d","zone":"UTC"}"#,
            r#"{"this":"day","zone":"UTC","from":"publish"}"#,
            r#"{"this":"year","zone":"UTC"}"#,
            r#"{"this":"day","zone":"Peking"}"#,
        ] {
            assert!(serde_json::from_str::<Window>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_counts_in_spans_or_in_periods() {
        let per = |text| serde_json::from_str::<Per>(text);
        assert_eq!(per(r#""1d""#).unwrap(), Per::Last(Span(86_400_000)));
        assert!(matches!(per(r#"{"this": "day", "zone": "UTC"}"#), Ok(Per::This(_))));
        for wrong in [r#""day""#, r#"{"this": "day"}"#] {
            assert!(per(wrong).unwrap_err().to_string().contains("expected a duration"), "{wrong}");
        }
    }
}
