//! Compiled outputs: every output is code of its own, so one can be read without the others.

use std::sync::Arc;

use super::{
    code::Code,
    direct::Direct,
    dynamic::MAX_TEXT,
    fault::Fault,
    place::{Place, Refusal},
    run::Given,
    slots::Slots,
    tree,
};
use crate::{
    calculator::{
        CallError, Cell, Outputs,
        aggregate::{Figure, Summary},
    },
    model::value::Value,
};

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
    /// Code that gives one of several maps, with their names.
    Script {
        /// The code.
        code: Code,
        /// Names of the maps' outputs, in the order in which they are written.
        maps: Box<[Box<[Arc<str>]>]>,
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
    place: Place,
}

impl Results {
    /// Emits the outputs.
    ///
    /// # Errors
    /// If one can't be compiled.
    pub(super) fn of(outputs: tree::Outputs) -> Result<Self, Refusal> {
        let (outputs, function) = match outputs {
            tree::Outputs::Figures(slot, figures, place) => {
                let figures = figures.iter().map(|figure| (figure.name().into(), *figure)).collect();
                return Ok(Results::Figures { slot, figures, place });
            }
            tree::Outputs::Script(function, maps) => {
                let names = |map: &Vec<String>| map.iter().map(|name| name.as_str().into()).collect();
                let maps = maps.iter().map(names).collect();
                return Ok(Results::Script { code: Code::of_function(&function)?, maps });
            }
            tree::Outputs::Each(outputs, function) => (outputs, function),
        };
        let texts = outputs.iter().filter(|output| output.value.is_text()).count();
        let can_fail = texts > 1 || outputs.iter().any(|output| output.value.can_fail());
        let named = outputs.iter().map(|output| {
            let code = Code::of_output(&output.value, &function)?;
            Ok(Named { name: output.name.as_str().into(), code, place: output.place })
        });
        Ok(Results::Each { outputs: named.collect::<Result<_, Refusal>>()?, can_fail })
    }

    /// Whether computing them can fail.
    pub(in crate::calculator) fn can_fail(&self, initial: &[Cell]) -> bool {
        match self {
            Results::Each { can_fail, .. } => *can_fail,
            Results::Script { .. } => true,
            Results::Figures { slot, .. } => !matches!(initial.get(usize::from(*slot)),
                    Some(Cell::Aggregate(aggregate)) if !aggregate.figures().contains(&Figure::Value)),
        }
    }

    /// Position of an output that may be read without the others, as it fails only if all do.
    pub(in crate::calculator) fn position(&self, name: &str) -> Option<usize> {
        match self {
            Results::Each { can_fail: true, .. } | Results::Script { .. } => None,
            Results::Each { outputs, .. } => outputs.iter().position(|output| *output.name == *name),
            Results::Figures { figures, .. } => figures.iter().position(|(figure, _)| **figure == *name),
        }
    }

    /// Where the output at a position is read, if no code has to run for it and none can fail.
    pub(in crate::calculator) fn direct(&self, initial: &[Cell], position: usize) -> Option<Direct> {
        match self {
            _ if self.can_fail(initial) => None,
            Results::Each { outputs, .. } => Direct::of(&outputs.get(position)?.code),
            Results::Script { .. } => None,
            Results::Figures { slot, figures, .. } => Some(Direct::Figure(*slot, figures.get(position)?.1)),
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
            Results::Script { .. } => Ok(None),
            Results::Figures { slot, figures, place } => {
                match (slots.summary(*slot, now), figures.get(position)) {
                    (Some(summary), Some((_, figure))) => {
                        let summary = admitted(summary).map_err(|fault| fault.error(*place))?;
                        Ok(summary.figure(*figure))
                    }
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
                let mut length = 0;
                for output in outputs {
                    let value = output.value(slots, now)?;
                    if let Some(Value::Text(text)) = &value {
                        length += text.len();
                    }
                    if length > MAX_TEXT {
                        return Err(Fault::TooLong.error(output.place));
                    }
                    entries.push((Arc::clone(&output.name), value));
                }
            }
            Results::Script { code, maps } => {
                if let Given::Map(map, values) = code.call(slots, [0, now, 0], |_| None)?
                    && let Some(names) = maps.get(usize::from(map))
                {
                    entries.extend(names.iter().map(Arc::clone).zip(values));
                }
            }
            Results::Figures { slot, figures, place } => {
                if let Some(summary) = slots.summary(*slot, now) {
                    let summary = admitted(summary).map_err(|fault| fault.error(*place))?;
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
            Given::Absent | Given::Map(..) => None,
            Given::Truth(truth) => Some(Value::Bool(truth)),
            Given::Int(int) => Some(Value::Int(int)),
            Given::Float(float) => Some(Value::Float(float)),
            Given::Text(text) => Some(Value::Text(String::from(text).into())),
        })
    }
}

/// A summary, unless it has a text longer than the interpreter admits.
pub(super) fn admitted(summary: Summary<'_>) -> Result<Summary<'_>, Fault> {
    match summary.figure(Figure::Value) {
        Some(Value::Text(text)) if text.len() > MAX_TEXT => Err(Fault::TooLong),
        _ => Ok(summary),
    }
}
