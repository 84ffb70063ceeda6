//! Programs of calculators, shared by conditions.
//!
//! Thousands of conditions use a few calculators, mostly with few different params. Those with equal script,
//! params, window and number of steps share one program: it is compiled once, and stays in the processor's
//! cache.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use serde_json::{Map, Value as Json};

use super::scripts::ScriptStore;
use crate::calculator::{Execution, Program, ProgramError, aggregate::Cut};

/// Resources for compiling a rule's calculators.
#[derive(Clone, Copy)]
pub struct Calculators<'c> {
    /// Scripts that rules may name besides the built-in calculators.
    pub scripts: &'c dyn ScriptStore,
    /// How the programs are to run.
    pub execution: Execution,
    /// Programs of other conditions.
    pub programs: &'c Programs,
}

/// Input that determines a program completely.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Input {
    execution: Execution,
    script: String,
    /// Params as JSON.
    params: String,
    window: Option<Cut>,
    steps: Option<usize>,
}

/// The programs that some condition has.
#[derive(Debug, Default)]
pub struct Programs(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    programs: HashMap<Input, Weak<Program>>,
    /// Number of entries at which those without a holder are removed.
    sweep_at: usize,
}

impl Programs {
    /// Compiles a program as [`Program::compile_for`] does, or returns the one that is held for equal input.
    ///
    /// # Errors
    /// As for [`Program::compile_for`].
    pub fn compile(
        &self,
        execution: Execution,
        script: &str,
        params: &Map<String, Json>,
        (window, steps): (Option<Cut>, Option<usize>),
    ) -> Result<Arc<Program>, ProgramError> {
        let text = serde_json::to_string(params).unwrap_or_default();
        let input = Input { execution, script: script.to_owned(), params: text, window, steps };
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = lock().programs.get(&input).and_then(Weak::upgrade) {
            return Ok(held);
        }
        let program = Arc::new(Program::compile_for(execution, script, params, window, steps)?);
        let mut held = lock();
        if held.programs.len() >= held.sweep_at {
            held.programs.retain(|_, program| program.strong_count() > 0);
            held.sweep_at = 2 * held.programs.len() + 64;
        }
        held.programs.insert(input, Arc::downgrade(&program));
        Ok(program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str =
        "fn init(params) { #{ n: params.first } } fn outputs(state, params, now) { #{ n: state.n } }
        fn on_event(state, event, params) { state.n += 1; true }";

    fn params(first: i64) -> Map<String, Json> {
        Map::from_iter([("first".to_owned(), first.into())])
    }

    #[test]
    fn equal_programs_are_one_and_others_are_not() {
        let programs = Programs::default();
        let compile = |execution, first, window, steps| {
            programs.compile(execution, SCRIPT, &params(first), (window, steps)).unwrap()
        };
        let first = compile(Execution::Compiled, 1, None, None);
        assert!(Arc::ptr_eq(&first, &compile(Execution::Compiled, 1, None, None)));
        for other in [
            compile(Execution::Interpreted, 1, None, None),
            compile(Execution::Compiled, 2, None, None),
            compile(Execution::Compiled, 1, Some(Cut::last(9)), None),
            compile(Execution::Compiled, 1, None, Some(2)),
        ] {
            assert!(!Arc::ptr_eq(&first, &other));
        }
    }

    #[test]
    fn programs_that_nobody_has_are_let_go() {
        let programs = Programs::default();
        for first in 0..500 {
            programs.compile(Execution::Compiled, SCRIPT, &params(first), (None, None)).unwrap();
        }
        assert!(programs.0.lock().unwrap().programs.len() < 100);
    }
}
