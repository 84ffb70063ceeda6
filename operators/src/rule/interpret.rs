//! Which rules run their calculators by the interpreter, though they could be compiled.

use std::collections::BTreeSet;

use crate::calculator::Execution;

/// Rules whose calculators are interpreted: to compare results, or to work around a fault of the compiler.
///
/// ```
/// use strateye_operators::{calculator::Execution, rule::interpret::Interpret};
///
/// let interpret = Interpret::parse("coupon, unpaid");
/// assert_eq!(interpret.execution("unpaid"), Execution::Interpreted);
/// assert_eq!(interpret.execution("fav"), Execution::Compiled);
/// assert_eq!(Interpret::parse("all").execution("fav"), Execution::Interpreted);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Interpret {
    /// No rule.
    #[default]
    None,
    /// All rules.
    All,
    /// The rules with these ids.
    Rules(BTreeSet<String>),
}

impl Interpret {
    /// Reads `all`, or rule ids with commas between them.
    pub fn parse(text: &str) -> Self {
        let ids: BTreeSet<String> =
            text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        match text.trim() {
            "all" => Interpret::All,
            _ if ids.is_empty() => Interpret::None,
            _ => Interpret::Rules(ids),
        }
    }

    /// How the calculators of a rule run.
    pub fn execution(&self, rule_id: &str) -> Execution {
        match self {
            Interpret::All => Execution::Interpreted,
            Interpret::Rules(ids) if ids.contains(rule_id) => Execution::Interpreted,
            _ => Execution::Compiled,
        }
    }
}
