//! What a rule asks of its conditions: their outputs, whether they are met, and `when`.

use crate::{
    calculator::{Direct, Program},
    expression::{Expression, Threshold},
};

/// A condition's `met`.
#[derive(Clone, Debug)]
pub struct Met {
    /// The expression.
    pub expression: Expression,
    /// The output that each slot names.
    pub outputs: Vec<OutputPlan>,
    /// What the expression compares with what, if it compares an output that is read without running code
    /// with a literal; then no output can fail.
    pub threshold: Option<(Direct, Threshold)>,
}

impl Met {
    /// Makes the `met` of a condition.
    pub fn new(expression: Expression, outputs: Vec<OutputPlan>) -> Self {
        let threshold =
            expression.threshold().and_then(|threshold| match outputs.get(threshold.slot())?.read {
                Read::Direct(direct) => Some((direct, threshold)),
                Read::Alone(_) | Read::Together => None,
            });
        Met { expression, outputs, threshold }
    }
}

/// An output that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPlan {
    /// Its name.
    pub name: String,
    /// How it is read.
    pub read: Read,
}

/// How an output is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// From the state, without running code; no output of the calculator can fail.
    Direct(Direct),
    /// Without the others, by its [position](Program::output_position).
    Alone(usize),
    /// Together with all others, by its name.
    Together,
}

impl OutputPlan {
    /// The output of a name.
    pub fn new(name: &str, program: &Program) -> Self {
        let read = match program.output_position(name) {
            Some(position) => program.direct(position).map_or(Read::Alone(position), Read::Direct),
            None => Read::Together,
        };
        OutputPlan { name: name.to_owned(), read }
    }
}

/// A rule's `when`.
#[derive(Clone, Debug)]
pub struct When {
    /// The expression.
    pub expression: Expression,
    /// Per slot: a condition, and one of its outputs or whether it is met.
    pub slots: Vec<(usize, Option<OutputPlan>)>,
}
