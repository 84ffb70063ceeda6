//! The built-in calculators: name, script, params and default `met` of each.

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
}

/// A built-in calculator.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Name by which rules refer to it.
    pub name: &'static str,
    /// Its script.
    pub script: &'static str,
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
        params: &[],
        steps: None,
        met: AT_LEAST_ONE,
        counts: true,
        ordered: false,
    },
    Builtin {
        name: "distinct",
        script: include_str!("../../calculators/distinct.rhai"),
        params: &[OF],
        steps: None,
        met: AT_LEAST_ONE,
        counts: true,
        ordered: false,
    },
    Builtin {
        name: "stats",
        script: include_str!("../../calculators/stats.rhai"),
        params: &[OF],
        steps: None,
        met: None,
        counts: false,
        ordered: false,
    },
    Builtin {
        name: "top",
        script: include_str!("../../calculators/top.rhai"),
        params: &[OF, ("n", Param::Amount)],
        steps: None,
        met: None,
        counts: false,
        ordered: false,
    },
    Builtin {
        name: "sequence",
        script: include_str!("../../calculators/sequence.rhai"),
        params: &[("within", Param::OptionalSpan)],
        steps: Some((2, 16)),
        met: AT_LEAST_ONE,
        counts: true,
        ordered: true,
    },
    Builtin {
        name: "gap",
        script: include_str!("../../calculators/gap.rhai"),
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
        params: &[("within", Param::Span)],
        steps: Some((2, 2)),
        met: AT_LEAST_ONE,
        counts: true,
        ordered: true,
    },
    Builtin {
        name: "last",
        script: include_str!("../../calculators/last.rhai"),
        params: &[OF],
        steps: None,
        met: None,
        counts: false,
        ordered: true,
    },
];

/// Looks up a built-in calculator by name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|b| b.name == name)
}
