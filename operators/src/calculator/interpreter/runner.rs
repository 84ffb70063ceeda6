//! Runs a program on the fields of one key: its compiled functions as they are, the others by the
//! interpreter.
//!
//! The interpreter works on maps. A runner keeps one map per function, writes a copy of the fields into it
//! before a call, and sets the fields after it.
//!
//! **Invariant**: a call that fails leaves the fields unchanged.

use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, INT, Map, Scope};

use super::{
    cells::{load, state_map, store},
    engine::ENGINE,
    values::{NotFolded, from_value, to_value},
};
use crate::{
    calculator::{
        Cell, Outputs, Program, ProgramError,
        compiled::{Code, Slots},
        program::{Body, Function, script_error},
    },
    model::value::Value,
};

/// Error of a call. The call has had no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// An aggregate can't fold the value. Counted; not an error of the rule.
    #[error("not folded: {0}")]
    NotFolded(String),
    /// The script failed.
    #[error(transparent)]
    Failed(#[from] ProgramError),
}

/// Times and step of an event that is folded.
#[derive(Clone, Copy, Debug)]
pub struct FoldInput {
    /// The event's own time, unix ms.
    pub time: i64,
    /// The ingest time, unix ms.
    pub now: i64,
    /// Number of the step that it matches; 0 without steps.
    pub step: usize,
}

/// Source of one entry of the `event` map.
#[derive(Clone, Copy, Debug)]
enum EventEntry {
    Time,
    Now,
    Step,
    Input(usize),
}

/// Runs one program; holds the working maps of its interpreted functions. Owned by one worker.
pub struct Runner {
    on_event: Scope<'static>,
    outputs: Scope<'static>,
    on_timer: Scope<'static>,
    on_timer_dropped: Scope<'static>,
    /// Sources of the `event` map's entries, in the order of its keys.
    event: Vec<EventEntry>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("event", &self.event).finish_non_exhaustive()
    }
}

impl Runner {
    /// Allocates the working maps for the interpreted functions of `program`; the runner must be used with no
    /// other.
    pub fn new(program: &Program) -> Self {
        let mut event: Map =
            program.inputs().0.iter().map(|name| (name.as_str().into(), Dynamic::UNIT)).collect();
        for (name, value) in [("time", 0), ("now", 0), ("step", 0 as INT)] {
            event.insert(name.into(), value.into());
        }
        let entry = |name: &str| match name {
            "time" => EventEntry::Time,
            "now" => EventEntry::Now,
            "step" => EventEntry::Step,
            name => EventEntry::Input(program.inputs().0.iter().position(|i| i == name).unwrap_or(0)),
        };
        let entries = event.keys().map(|k| entry(k)).collect();
        let scope = |body: Option<&Body>, second: Dynamic, third: Dynamic| {
            let mut scope = Scope::new();
            if let Some(body) = body {
                scope.push_dynamic(body.arguments[0].clone(), state_map(program).into());
                scope.push_dynamic(body.arguments[1].clone(), second);
                scope.push_dynamic(body.arguments[2].clone(), third);
            }
            scope
        };
        let params = || Dynamic::from(program.params.clone());
        let now = || Dynamic::from_int(0);
        Runner {
            on_event: scope(program.on_event.body(), event.into(), params()),
            outputs: scope(program.outputs.body(), params(), now()),
            on_timer: scope(program.on_timer.as_ref().and_then(Function::body), now(), params()),
            on_timer_dropped: scope(
                program.on_timer_dropped.as_ref().and_then(Function::body),
                now(),
                params(),
            ),
            event: entries,
        }
    }

    /// Folds one event for one step. `values` are the program's inputs in their order. Returns whether the
    /// calculator has used the event up, so that no further step is called with it.
    ///
    /// # Errors
    /// If the script failed or refused the value; the fields are unchanged.
    pub fn on_event<'v, S: Slots + ?Sized>(
        &mut self,
        program: &Program,
        fields: &mut S,
        input: FoldInput,
        values: impl Iterator<Item = Option<&'v Value<'v>>> + Clone,
    ) -> Result<bool, CallError> {
        let body = match &program.on_event {
            Function::Interpreted(body, _) => body,
            Function::Compiled(code) => {
                return code.fold(fields, input, |i| values.clone().nth(i).flatten()).map_err(|error| *error);
            }
        };
        let scope = &mut self.on_event;
        if let Some(mut event) = scope.get_mut("event").and_then(|e| e.write_lock::<Map>()) {
            for (slot, entry) in event.values_mut().zip(&self.event) {
                *slot = match entry {
                    EventEntry::Time => input.time.into(),
                    EventEntry::Now => input.now.into(),
                    EventEntry::Step => (input.step as INT).into(),
                    EventEntry::Input(i) => {
                        values.clone().nth(*i).flatten().map_or(Dynamic::UNIT, from_value)
                    }
                };
            }
        }
        let result = change(scope, program, body, fields)?;
        Ok(result.as_bool().unwrap_or(false))
    }

    /// Computes the outputs at `now`, unix ms. The fields are lent to the script and come back unchanged.
    ///
    /// # Errors
    /// If the script failed.
    pub fn outputs<S: Slots + ?Sized>(
        &mut self,
        program: &Program,
        fields: &mut S,
        now: i64,
    ) -> Result<Outputs, CallError> {
        let body = match &program.outputs {
            Function::Interpreted(body, _) => body,
            Function::Compiled(results) => return results.all(fields, now),
        };
        self.outputs.set_or_push("now", now);
        let result = call(&mut self.outputs, program, body, &mut cells(program, fields))?;
        let type_name = result.type_name().to_owned();
        result.try_cast::<Map>().map(|map| to_outputs(program, &map)).ok_or_else(|| {
            let message =
                format!("`outputs` must give a map, such as #{{ value: state.value }}, not {type_name}");
            ProgramError::new(rhai::Position::NONE, message).into()
        })
    }

    /// Runs `on_timer` for a timer that is due at `now`, unix ms. The timer is cleared before; the script may
    /// set another.
    ///
    /// # Errors
    /// If the script failed.
    pub fn on_timer<S: Slots + ?Sized>(
        &mut self,
        program: &Program,
        fields: &mut S,
        now: i64,
    ) -> Result<(), CallError> {
        Self::timer(&mut self.on_timer, program, program.on_timer.as_ref(), fields, now)
    }

    /// Runs `on_timer_dropped` for a timer that was due at `now` and must not count. The timer is cleared
    /// before.
    ///
    /// # Errors
    /// If the script failed.
    pub fn on_timer_dropped<S: Slots + ?Sized>(
        &mut self,
        program: &Program,
        fields: &mut S,
        now: i64,
    ) -> Result<(), CallError> {
        Self::timer(&mut self.on_timer_dropped, program, program.on_timer_dropped.as_ref(), fields, now)
    }

    fn timer<S: Slots + ?Sized>(
        scope: &mut Scope<'static>,
        program: &Program,
        function: Option<&Function<Code>>,
        fields: &mut S,
        now: i64,
    ) -> Result<(), CallError> {
        if let Some(timer) = program.timer() {
            fields.set_word(timer as u8, -1);
        }
        let body = match function {
            None => return Ok(()),
            Some(Function::Interpreted(body, _)) => body,
            Some(Function::Compiled(code)) => return code.call(fields, [0, now, 0], |_| None).map(|_| ()),
        };
        scope.set_or_push("now", now);
        change(scope, program, body, fields).map(|_| ())
    }
}

/// Converts a script's outputs. Names that the program lists are shared with it, not copied.
fn to_outputs(program: &Program, map: &Map) -> Outputs {
    let known = program.output_names();
    let name = |name: &str| match known.binary_search_by(|known| (**known).cmp(name)) {
        Ok(i) => Arc::clone(&known[i]),
        Err(_) => name.into(),
    };
    Outputs::new(map.iter().map(|(key, value)| (name(key), to_value(value))).collect())
}

/// Copies of all fields.
fn cells<S: Slots + ?Sized>(program: &Program, fields: &S) -> Vec<Cell> {
    (0..program.names.len()).map(|slot| fields.cell(slot as u8)).collect()
}

/// Calls a function that may change the fields.
fn change<S: Slots + ?Sized>(
    scope: &mut Scope<'static>,
    program: &Program,
    body: &Body,
    fields: &mut S,
) -> Result<Dynamic, CallError> {
    let mut cells = cells(program, fields);
    let result = call(scope, program, body, &mut cells)?;
    cells.into_iter().enumerate().for_each(|(slot, cell)| fields.set_cell(slot as u8, cell));
    Ok(result)
}

/// Calls a function on copies of the fields, which it leaves in any state if it fails.
fn call(
    scope: &mut Scope<'static>,
    program: &Program,
    body: &Body,
    cells: &mut [Cell],
) -> Result<Dynamic, CallError> {
    load(scope, cells);
    let result = ENGINE.eval_ast_with_scope::<Dynamic>(scope, &body.ast);
    scope.rewind(body.arguments.len());
    let stored = result
        .map_err(|e| call_error(&e))
        .and_then(|value| Ok(store(scope, program, cells).map(|()| value)?));
    if stored.is_err()
        && let Some(state) = scope.get_mut("state")
    {
        *state = state_map(program).into();
    }
    stored
}

fn call_error(error: &EvalAltResult) -> CallError {
    if let EvalAltResult::ErrorRuntime(value, _) = error.unwrap_inner()
        && let Some(reason) = value.read_lock::<NotFolded>()
    {
        return CallError::NotFolded(reason.0.clone());
    }
    CallError::Failed(script_error(error))
}
