//! The calculator of a condition, and its parameters.

use serde_json::Value as Json;

use super::duration::parse_duration;

/// The eight built-in calculators.
#[derive(Clone, Debug)]
pub(crate) enum Calculator {
    Count,
    Distinct { of: String },
    Stats { of: String },
    Top { of: String, n: usize },
    Last { of: String },
    Sequence { within: Option<i64> },
    Gap { bounds: Bounds, anchor: Anchor },
    Absence { within: i64, anchor: Anchor },
}

/// Bounds of the time from a gap's A to its B.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    at_least: Option<i64>,
    at_most: Option<i64>,
    more_than: Option<i64>,
    less_than: Option<i64>,
}

/// The A that a B is measured from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Anchor {
    Adjacent,
    Latest,
    Earliest,
}

impl Bounds {
    pub(crate) fn hold(&self, distance: i64) -> bool {
        self.at_least.is_none_or(|least| distance >= least)
            && self.at_most.is_none_or(|most| distance <= most)
            && self.more_than.is_none_or(|more| distance > more)
            && self.less_than.is_none_or(|less| distance < less)
    }
}

impl Calculator {
    pub(crate) fn parse(name: &Json, params: &Json) -> Self {
        let of = || params["of"].as_str().expect("params.of").to_owned();
        let duration = |name: &str| params.get(name).and_then(Json::as_str).map(parse_duration);
        match name.as_str().expect("a built-in calculator's name") {
            "count" => Self::Count,
            "distinct" => Self::Distinct { of: of() },
            "stats" => Self::Stats { of: of() },
            "top" => {
                let n = params["n"].as_u64().expect("params.n");
                Self::Top { of: of(), n: usize::try_from(n).expect("a small n") }
            }
            "last" => Self::Last { of: of() },
            "sequence" => Self::Sequence { within: duration("within") },
            "gap" => Self::Gap {
                bounds: Bounds {
                    at_least: duration("at_least"),
                    at_most: duration("at_most"),
                    more_than: duration("more_than"),
                    less_than: duration("less_than"),
                },
                anchor: match params.get("anchor").and_then(Json::as_str) {
                    None | Some("adjacent") => Anchor::Adjacent,
                    Some("latest") => Anchor::Latest,
                    Some("earliest") => Anchor::Earliest,
                    Some(other) => panic!("no anchor: {other}"),
                },
            },
            "absence" => Self::Absence {
                within: duration("within").expect("params.within"),
                anchor: match params.get("anchor").and_then(Json::as_str) {
                    None | Some("earliest") => Anchor::Earliest,
                    Some("latest") => Anchor::Latest,
                    Some(other) => panic!("no anchor: {other}"),
                },
            },
            other => panic!("no calculator: {other}"),
        }
    }

    /// Default of `met`.
    pub(crate) fn default_met(&self) -> Option<&'static str> {
        match self {
            Self::Stats { .. } | Self::Top { .. } | Self::Last { .. } => None,
            _ => Some("value >= 1"),
        }
    }
}
