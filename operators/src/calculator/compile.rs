//! Compilation of a script to a [`Program`]; a script that could not run is refused here.

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use rhai::{AST, Dynamic, INT, Map, Position};

use super::{
    Shape,
    aggregate::Cut,
    compiled::{self, Context, Place, Refusal},
    interpreter::{
        engine::{ENGINE, TIMER},
        runner::{CallError, FoldInput, Runner},
        script::{body, check_functions, functions, init, inputs, to_dynamic},
    },
    program::{Body, Execution, Function, Program, ProgramError},
};
use crate::model::value::Value;

/// Most bytes of a script.
const MAX_SCRIPT: usize = 64 << 10;

/// Whether functions may be compiled.
fn admitted(execution: Execution) -> Result<(), Refusal> {
    match execution {
        Execution::Compiled => Ok(()),
        Execution::Interpreted => Err(Refusal::new(Place::default(), "the interpreter is forced")),
    }
}

/// Parses a script and checks its functions.
fn parsed(script: &str) -> Result<AST, ProgramError> {
    if script.len() > MAX_SCRIPT {
        return Err(ProgramError::new(Position::NONE, "a script may have 64 KiB at most"));
    }
    let ast = ENGINE.compile(script)?;
    if let Some(statement) = ast.statements().first() {
        return Err(ProgramError::new(
            statement.position(),
            "only functions may stand at the top of a script",
        ));
    }
    check_functions(&ast)?;
    Ok(ast)
}

impl Program {
    /// Compiles a script for given params, window (of those that move with `now`) and number of steps.
    ///
    /// # Errors
    /// If the script could not run: syntax, a missing function, an unknown call, a failing `init`, operands
    /// that no operator or function takes, or a dry run that fails with every kind of value.
    pub fn compile(
        script: &str,
        params: &serde_json::Map<String, serde_json::Value>,
        window: Option<Cut>,
        steps: Option<usize>,
    ) -> Result<Self, ProgramError> {
        let program = Program::compile_for(Execution::Compiled, script, params, window, steps)?;
        match program.faults.first() {
            Some(fault) => Err(fault.clone()),
            None => Ok(program),
        }
    }

    /// Compiles a script as [`Program::compile`] does, to be run in a certain way; with statements that fail
    /// whenever they are reached, see [`Program::faults`].
    ///
    /// # Errors
    /// If the script could not run at all.
    pub fn compile_for(
        execution: Execution,
        script: &str,
        params: &serde_json::Map<String, serde_json::Value>,
        window: Option<Cut>,
        steps: Option<usize>,
    ) -> Result<Self, ProgramError> {
        let mut program = Program::prepare(execution, script, params, window, steps)?;
        match (program.dry_run(steps.unwrap_or(1).max(1)), program.faults.first()) {
            (Ok(()), _) => Ok(program),
            (Err(_), Some(fault)) => Err(fault.clone()),
            (Err(error), None) => Err(error),
        }
    }

    /// Statements that fail whenever they are reached, each with its position. A script with any is not
    /// published.
    pub fn faults(&self) -> &[ProgramError] {
        &self.faults
    }

    /// Compiles a script without a dry run, so that it may fail whenever it is called, and names no outputs.
    pub(super) fn prepare(
        execution: Execution,
        script: &str,
        params: &serde_json::Map<String, serde_json::Value>,
        window: Option<Cut>,
        steps: Option<usize>,
    ) -> Result<Self, ProgramError> {
        let ast = parsed(script)?;
        let mut all: Map = params.iter().map(|(k, v)| (k.as_str().into(), to_dynamic(v))).collect();
        all.insert(
            "window".into(),
            match window {
                None => Dynamic::UNIT,
                Some(Cut::Sliding(sliding)) => sliding.span().into(),
                Some(Cut::Calendar(calendar)) => calendar.to_string().into(),
            },
        );
        all.insert("steps".into(), (steps.unwrap_or(0) as INT).into());
        let body = |name: &str| body(&ast, name);
        let required = |name: &str| {
            body(name)
                .ok_or_else(|| ProgramError::new(Position::NONE, format!("the function `{name}` is missing")))
        };
        let on_event = required("on_event")?;
        let outputs = required("outputs")?;
        let on_timer = body("on_timer");
        let inputs = inputs(&on_event, &all)?;
        let (names, initial) = init(&ENGINE, &ast, &all, on_timer.is_some())?;
        let timer = names.iter().position(|n| n == TIMER);
        let functions = functions(&ast);
        let faults = RefCell::new(Vec::new());
        let context = Context {
            params: &all,
            names: &names,
            initial: &initial,
            timer,
            inputs: &inputs,
            functions: &functions,
            faults: &faults,
        };
        let code = |body: Body| {
            Function::new(body, |body| {
                let code = compiled::function(body, &context);
                admitted(execution).and(code)
            })
        };
        let (on_event, on_timer) = (code(on_event), on_timer.map(code));
        let on_timer_dropped = body("on_timer_dropped").map(code);
        let outputs = Function::new(outputs, |body| {
            let results = compiled::outputs(body, &context);
            admitted(execution).and(results)
        });
        let output_names = Vec::new();
        Ok(Program {
            on_event,
            outputs,
            on_timer,
            on_timer_dropped,
            params: all,
            names,
            shape: Arc::new(Shape::new(initial)),
            timer,
            inputs,
            output_names,
            faults: faults.take(),
        })
    }

    /// Runs every function once per kind of value that a property may have, and collects the names of the
    /// outputs. One kind has to succeed.
    fn dry_run(&mut self, steps: usize) -> Result<(), ProgramError> {
        let kinds = [Value::Float(1.5), Value::Int(1), Value::Text("1".into()), Value::Bool(true)];
        let mut names = BTreeSet::new();
        let mut failure = None;
        let mut worked = false;
        for kind in kinds {
            match self.dry_run_with(&kind, steps) {
                Ok(outputs) => {
                    worked = true;
                    names.extend(outputs);
                }
                Err(CallError::NotFolded(_)) => {}
                Err(CallError::Failed(error)) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) if !worked => Err(error),
            _ => {
                self.output_names = names.into_iter().map(Into::into).collect();
                Ok(())
            }
        }
    }

    fn dry_run_with(&self, value: &Value<'_>, steps: usize) -> Result<Vec<String>, CallError> {
        const NOW: i64 = 1_700_000_000_000;
        let mut runner = Runner::new(self);
        let mut cells = self.initial().to_vec();
        let mut names: Vec<String> =
            runner.outputs(self, &mut cells[..], NOW)?.names().map(str::to_owned).collect();
        let values = vec![Some(value.clone()); self.inputs.0.len()];
        for round in 0..2 {
            for step in 0..steps {
                let input = FoldInput { time: NOW + round, now: NOW + round, step };
                runner.on_event(self, &mut cells[..], input, values.iter().map(Option::as_ref))?;
            }
        }
        names.extend(runner.outputs(self, &mut cells[..], NOW + 2)?.names().map(str::to_owned));
        runner.on_timer_dropped(self, &mut cells.clone()[..], NOW + 2)?;
        if self.timer.is_some() {
            runner.on_timer(self, &mut cells[..], NOW + 2)?;
        }
        Ok(names)
    }
}
