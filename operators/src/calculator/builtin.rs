//! The built-in calculators: name, script, params and default `met` of each.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::runs;

/// Kind of a built-in calculator's param.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// A property or top-level field to read; required.
    Property,
    /// A whole number of 1 to 1000; required.
    Amount,
    /// A duration; required.
    Span,
    /// A duration; optional.
    OptionalSpan,
    /// One of these words; optional, the first is the default.
    Word(&'static [&'static str]),
    /// One of these words; optional, the first is the default and counts as absent. For params that came later: without
    /// them, stored state has the identity that it had before.
    OptionalWord(&'static [&'static str]),
}

/// A built-in calculator.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Name by which rules refer to it.
    pub name: &'static str,
    /// Its script.
    script: &'static str,
    /// Text that identifies its stored state: the script that it had first. It stays as it is.
    pub identity: &'static str,
    /// Its params, with their names.
    pub params: &'static [(&'static str, Param)],
    /// Least and most number of steps; `None` if it takes `event` instead.
    pub steps: Option<(usize, usize)>,
    /// Default of `met`; `None` if the rule must give one.
    pub met: Option<&'static str>,
    /// Whether `value` is a count of completions, so that `{"each": ..}` may name it.
    pub counts: bool,
    /// Whether its figures depend on the order in which events arrive.
    pub ordered: bool,
}

const OF: (&str, Param) = ("of", Param::Property);
const AT_LEAST_ONE: Option<&str> = Some("value >= 1");

/// All built-in calculators.
pub const BUILTINS: [Builtin; 8] = [
    Builtin {
        name: "count",
        script: include_str!("../../calculators/count.rhai"),
        identity: include_str!("../../calculators/count.rhai"),
        params: &[],
        steps: None,
        met: AT_LEAST_ONE,
        counts: true,
        ordered: false,
    },
    Builtin {
        name: "distinct",
        script: include_str!("../../calculators/distinct.rhai"),
        identity: include_str!("../../calculators/distinct.rhai"),
        params: &[OF],
        steps: None,
        met: AT_LEAST_ONE,
        counts: true,
        ordered: false,
    },
    Builtin {
        name: "stats",
        script: include_str!("../../calculators/stats.rhai"),
        identity: include_str!("../../calculators/stats.rhai"),
        params: &[OF],
        steps: None,
        met: None,
        counts: false,
        ordered: false,
    },
    Builtin {
        name: "top",
        script: include_str!("../../calculators/top.rhai"),
        identity: include_str!("../../calculators/top.rhai"),
        params: &[OF, ("n", Param::Amount)],
        steps: None,
        met: None,
        counts: false,
        ordered: false,
    },
    Builtin {
        name: "sequence",
        script: include_str!("../../calculators/sequence.rhai"),
        identity: include_str!("../../calculators/first/sequence.rhai"),
        params: &[("within", Param::OptionalSpan)],
        steps: Some((2, 16)),
        met: AT_LEAST_ONE,
        counts: true,
        ordered: true,
    },
    Builtin {
        name: "gap",
        script: include_str!("../../calculators/gap.rhai"),
        identity: include_str!("../../calculators/first/gap.rhai"),
        params: &[
            ("at_least", Param::OptionalSpan),
            ("at_most", Param::OptionalSpan),
            ("more_than", Param::OptionalSpan),
            ("less_than", Param::OptionalSpan),
            ("anchor", Param::Word(&["adjacent", "latest", "earliest"])),
        ],
        steps: Some((2, 2)),
        met: AT_LEAST_ONE,
        counts: true,
        ordered: true,
    },
    Builtin {
        name: "absence",
        script: include_str!("../../calculators/absence.rhai"),
        identity: include_str!("../../calculators/first/absence.rhai"),
        params: &[("within", Param::Span), ("anchor", Param::OptionalWord(&["earliest", "latest"]))],
        steps: Some((2, 2)),
        met: AT_LEAST_ONE,
        counts: true,
        ordered: true,
    },
    Builtin {
        name: "last",
        script: include_str!("../../calculators/last.rhai"),
        identity: include_str!("../../calculators/last.rhai"),
        params: &[OF],
        steps: None,
        met: None,
        counts: false,
        ordered: true,
    },
];

impl Builtin {
    /// Its script for these params, with so many steps.
    pub fn script(&self, params: &Map<String, Json>, steps: usize) -> Cow<'static, str> {
        match (self.name, params.get("within")) {
            ("sequence", Some(Json::Number(_))) => runs::script(steps).into(),
            _ => self.script.into(),
        }
    }
}

/// Looks up a built-in calculator by name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|b| b.name == name)
}
