//! Compiled outputs: every output is code of its own, so one can be read without the others.

use std::sync::Arc;

use super::{
    code::Code,
    place::{Place, Refusal},
    run::Given,
    slots::Slots,
    tree,
};
use crate::{
    calculator::{
        CallError, Cell, Outputs, ProgramError,
        aggregate::{Figure, Summary},
    },
    model::value::Value,
};

/// Most bytes of a text that `outputs` gives.
const MAX_TEXT: usize = 1_024;

/// Compiled `outputs`.
#[derive(Clone, Debug)]
pub(in crate::calculator) enum Results {
    /// Outputs in the order in which they are written.
    Each {
        /// Names and code.
        outputs: Box<[Named]>,
        /// Whether one of them can fail, which voids all.
        can_fail: bool,
    },
    /// All figures of the aggregate in a field.
    Figures {
        /// The field.
        slot: u8,
        /// Names and figures, ascending by name.
        figures: Box<[(Arc<str>, Figure)]>,
        /// Place of the call.
        place: Place,
    },
}

/// An output.
#[derive(Clone, Debug)]
pub(in crate::calculator) struct Named {
    name: Arc<str>,
    code: Code,
}

impl Results {
    /// Emits the outputs.
    ///
    /// # Errors
    /// If one can't be compiled.
    pub(super) fn of(outputs: tree::Outputs) -> Result<Self, Refusal> {
        let outputs = match outputs {
            tree::Outputs::Figures(slot, figures, place) => {
                let figures = figures.iter().map(|figure| (figure.name().into(), *figure)).collect();
                return Ok(Results::Figures { slot, figures, place });
            }
            tree::Outputs::Each(outputs) => outputs,
        };
        let can_fail = outputs.iter().any(|(_, output)| output.can_fail());
        let named = outputs
            .iter()
            .map(|(name, output)| Ok(Named { name: name.as_str().into(), code: Code::of_output(output)? }));
        Ok(Results::Each { outputs: named.collect::<Result<_, Refusal>>()?, can_fail })
    }

    /// Whether computing them can fail.
    pub(in crate::calculator) fn can_fail(&self, initial: &[Cell]) -> bool {
        match self {
            Results::Each { can_fail, .. } => *can_fail,
            Results::Figures { slot, .. } => !matches!(initial.get(usize::from(*slot)),
                    Some(Cell::Aggregate(aggregate)) if !aggregate.figures().contains(&Figure::Value)),
        }
    }

    /// Position of an output that may be read without the others, as it fails only if all do.
    pub(in crate::calculator) fn position(&self, name: &str) -> Option<usize> {
        match self {
            Results::Each { can_fail: true, .. } => None,
            Results::Each { outputs, .. } => outputs.iter().position(|output| *output.name == *name),
            Results::Figures { figures, .. } => figures.iter().position(|(figure, _)| **figure == *name),
        }
    }

    /// The output at a [position](Results::position) at `now`; `None` if it is absent.
    ///
    /// # Errors
    /// If all outputs fail.
    pub(in crate::calculator) fn one<'s, S: Slots + ?Sized>(
        &self,
        slots: &'s mut S,
        now: i64,
        position: usize,
    ) -> Result<Option<Value<'s>>, CallError> {
        match self {
            Results::Each { outputs, .. } => {
                outputs.get(position).map_or(Ok(None), |output| output.value(slots, now))
            }
            Results::Figures { slot, figures, place } => {
                match (slots.summary(*slot, now), figures.get(position)) {
                    (Some(summary), Some((_, figure))) => Ok(admitted(summary, *place)?.figure(*figure)),
                    _ => Ok(None),
                }
            }
        }
    }

    /// All outputs at `now`.
    ///
    /// # Errors
    /// If one fails.
    pub(in crate::calculator) fn all<S: Slots + ?Sized>(
        &self,
        slots: &mut S,
        now: i64,
    ) -> Result<Outputs, CallError> {
        let mut entries = Vec::new();
        match self {
            Results::Each { outputs, .. } => {
                for output in outputs {
                    entries.push((Arc::clone(&output.name), output.value(slots, now)?));
                }
            }
            Results::Figures { slot, figures, place } => {
                if let Some(summary) = slots.summary(*slot, now) {
                    let summary = admitted(summary, *place)?;
                    let value = |figure: Figure| summary.figure(figure).map(Value::into_owned);
                    entries.extend(figures.iter().map(|(name, f)| (Arc::clone(name), value(*f))));
                }
            }
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(Outputs::new(entries))
    }
}

impl Named {
    fn value<S: Slots + ?Sized>(&self, slots: &mut S, now: i64) -> Result<Option<Value<'static>>, CallError> {
        Ok(match self.code.call(slots, [0, now, 0], |_| None)? {
            Given::Absent => None,
            Given::Truth(truth) => Some(Value::Bool(truth)),
            Given::Int(int) => Some(Value::Int(int)),
        })
    }
}

/// A summary, unless it has a text longer than the interpreter admits.
fn admitted(summary: Summary<'_>, place: Place) -> Result<Summary<'_>, CallError> {
    match summary.figure(Figure::Value) {
        Some(Value::Text(text)) if text.len() > MAX_TEXT => {
            Err(ProgramError::at(place, "Length of string too large").into())
        }
        _ => Ok(summary),
    }
}
