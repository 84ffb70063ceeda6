//! A calculator's script, compiled with its params: what can be refused before it runs is refused here.

use std::collections::BTreeSet;

use rhai::{
    AST, ASTNode, CallFnOptions, Dynamic, Engine, Expr, INT, Identifier, Map, ParseError, Position, Scope,
    Stmt,
};

use super::{
    Aggregate, Cell,
    engine::{ENGINE, NATIVE, TIMER},
    runner::{CallError, FoldInput, Runner},
};
use crate::model::value::Value;

/// What `event` always has.
const EVENT: [&str; 3] = ["time", "now", "step"];

/// Why a script is no calculator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(*.line, *.column))]
pub struct ProgramError {
    /// Line in the script, from 1; 0 where no line is to blame.
    pub line: usize,
    /// Column, from 1; 0 where none is to blame.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

fn place(line: usize, column: usize) -> String {
    if line == 0 { String::new() } else { format!("line {line}, column {column}: ") }
}

impl ProgramError {
    pub(super) fn new(position: Position, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > 400 {
            message = format!("{}..", message.chars().take(400).collect::<String>());
        }
        ProgramError { line: position.line().unwrap_or(0), column: position.position().unwrap_or(0), message }
    }
}

impl From<ParseError> for ProgramError {
    fn from(error: ParseError) -> Self {
        let mut message = error.err_type().to_string();
        if ["'loop'", "'while'", "'for'", "'do'", "'until'"].iter().any(|word| message.contains(word)) {
            message.push_str("; scripts have no loops: fold one event at a time, and keep what you need in native aggregates");
        }
        ProgramError::new(error.position(), message)
    }
}

/// A function of the script as a block of its own: the interpreter runs it on a scope that holds the arguments in
/// their order, so that `state` is changed in place.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) ast: AST,
    /// Names the script gives its arguments.
    pub(super) arguments: Vec<Identifier>,
}

/// What a script reads of an event.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Inputs(pub Vec<String>);

/// A compiled calculator.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) on_event: Body,
    pub(super) outputs: Body,
    pub(super) on_timer: Option<Body>,
    pub(super) on_timer_dropped: Option<Body>,
    pub(super) params: Map,
    /// Names of the state fields, ascending.
    pub(super) names: Vec<Identifier>,
    initial: Vec<Cell>,
    timer: Option<usize>,
    inputs: Inputs,
    output_names: Vec<String>,
    /// Whether a failing call could leave an aggregate half changed.
    pub(super) guarded: bool,
}

impl Program {
    /// Compiles a script for given params, window length (ms, sliding windows only) and number of steps.
    ///
    /// # Errors
    /// Whatever would keep it from running: syntax, missing functions, unknown calls, a failing `init`, and a dry run
    /// that fails with numbers as well as with texts.
    pub fn compile(
        script: &str,
        params: &serde_json::Map<String, serde_json::Value>,
        window: Option<i64>,
        steps: Option<usize>,
    ) -> Result<Self, ProgramError> {
        if script.len() > 64 * 1024 {
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
        let mut all: Map = params.iter().map(|(k, v)| (k.as_str().into(), to_dynamic(v))).collect();
        all.insert("window".into(), window.map_or(Dynamic::UNIT, |w| w.into()));
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
        let guarded = initial.iter().any(|c| matches!(c, Cell::Aggregate(_)));
        let on_timer_dropped = body("on_timer_dropped");
        let output_names = Vec::new();
        let mut program = Program {
            on_event,
            outputs,
            on_timer,
            on_timer_dropped,
            params: all,
            names,
            initial,
            timer,
            inputs,
            output_names,
            guarded,
        };
        program.dry_run(steps.unwrap_or(1).max(1))?;
        Ok(program)
    }

    /// The state of a key that nothing was folded for.
    pub fn initial(&self) -> &[Cell] {
        &self.initial
    }

    /// Names of the state fields, in the order of the cells.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(Identifier::as_str)
    }

    /// Which cell holds the timer's deadline, if the script has timers.
    pub fn timer(&self) -> Option<usize> {
        self.timer
    }

    /// The properties and fields the script reads.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// What `met` and `when` may name.
    pub fn output_names(&self) -> &[String] {
        &self.output_names
    }

    /// Runs every function once per kind of value a property may have; one kind has to work. Collects the outputs' names.
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
                self.output_names = names.into_iter().collect();
                Ok(())
            }
        }
    }

    fn dry_run_with(&self, value: &Value<'_>, steps: usize) -> Result<Vec<String>, CallError> {
        const NOW: i64 = 1_700_000_000_000;
        let mut runner = Runner::new(self);
        let mut cells = self.initial.clone();
        let mut names: Vec<String> =
            runner.outputs(self, &mut cells, NOW)?.names().map(str::to_owned).collect();
        let values = vec![Some(value.clone()); self.inputs.0.len()];
        for round in 0..2 {
            for step in 0..steps {
                let input = FoldInput { time: NOW + round, now: NOW + round, step };
                runner.on_event(self, &mut cells, input, values.iter().map(Option::as_ref))?;
            }
        }
        names.extend(runner.outputs(self, &mut cells, NOW + 2)?.names().map(str::to_owned));
        runner.on_timer_dropped(self, &mut cells.clone(), NOW + 2)?;
        if self.timer.is_some() {
            runner.on_timer(self, &mut cells, NOW + 2)?;
        }
        Ok(names)
    }
}

fn to_dynamic(value: &serde_json::Value) -> Dynamic {
    match value {
        serde_json::Value::Null => Dynamic::UNIT,
        serde_json::Value::Bool(b) => (*b).into(),
        serde_json::Value::Number(n) => {
            n.as_i64().map_or_else(|| n.as_f64().unwrap_or(0.0).into(), Dynamic::from_int)
        }
        serde_json::Value::String(s) => s.as_str().into(),
        serde_json::Value::Array(items) => items.iter().map(to_dynamic).collect::<rhai::Array>().into(),
        serde_json::Value::Object(map) => {
            map.iter().map(|(k, v)| (k.as_str().into(), to_dynamic(v))).collect::<Map>().into()
        }
    }
}

fn check_functions(ast: &AST) -> Result<(), ProgramError> {
    let defined: Vec<String> = ast.iter_functions().map(|f| f.name.to_owned()).collect();
    for function in ast.iter_functions() {
        let contract: &[&str] = match function.name {
            "init" => &["params"],
            "on_event" => &["state", "event", "params"],
            "outputs" => &["state", "params", "now"],
            "on_timer" | "on_timer_dropped" => &["state", "now", "params"],
            "merge" => &["state", "history", "params"],
            _ => continue,
        };
        if function.params != contract {
            let message = format!("write `fn {}({})`", function.name, contract.join(", "));
            return Err(ProgramError::new(Position::NONE, message));
        }
    }
    let mut wrong = None;
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Stmt(Stmt::Assignment(assignment))) = path.last()
            && let Some(name) =
                assigned(&assignment.1.lhs).filter(|name| ["event", "params", "now"].contains(&name.as_str()))
        {
            let message =
                format!("`{name}` can't be assigned to; only `state` and the function's own variables can");
            wrong = Some(ProgramError::new(assignment.1.lhs.position(), message));
        }
        let call = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))) => {
                Some((call, position))
            }
            Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => Some((call, position)),
            _ => None,
        };
        if let Some((call, position)) = call
            && call.op_token.is_none()
            && !NATIVE.contains(&call.name.as_str())
            && !defined.iter().any(|name| *name == call.name.as_str())
        {
            let message =
                format!("there is no function `{}`; native ones are {}", call.name, NATIVE.join(" "));
            wrong = Some(ProgramError::new(*position, message));
        }
        wrong.is_none()
    });
    wrong.map_or(Ok(()), Err)
}

/// The variable that an assignment's left side begins with.
fn assigned(target: &Expr) -> Option<String> {
    match target {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Dot(inner, ..) | Expr::Index(inner, ..) => assigned(&inner.lhs),
        _ => None,
    }
}

/// The statements of one function as an AST of their own that still knows all functions.
fn body(ast: &AST, name: &str) -> Option<Body> {
    let arguments =
        ast.iter_functions().find(|f| f.name == name)?.params.iter().map(|p| (*p).into()).collect();
    let mut only = ast.clone();
    only.retain_functions(|_, _, function, _| function == name);
    let mut statements = Vec::new();
    only.walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            statements.push((*statement).clone());
        }
        true
    });
    Some(Body { ast: AST::new(statements, ast.shared_lib().clone()), arguments })
}

/// Names of properties that `on_event` reads: `event.NAME`, `event["NAME"]` and `event[params.NAME]`.
fn inputs(on_event: &Body, params: &Map) -> Result<Inputs, ProgramError> {
    let (event, given) = ("event", "params");
    let variable = |e: &Expr, name: &str| matches!(e, Expr::Variable(v, ..) if v.1.as_str() == name);
    let property = |e: &Expr| match e {
        Expr::Property(p, _) => Some(p.2.to_string()),
        _ => None,
    };
    let mut names = BTreeSet::new();
    let mut wrong = None;
    on_event.ast.walk(&mut |path: &[ASTNode<'_>]| {
        let Some(ASTNode::Expr(node)) = path.last() else { return true };
        let (name, position) = match node {
            Expr::Dot(dot, _, position) if variable(&dot.lhs, event) => {
                let name = match &dot.rhs {
                    Expr::Dot(inner, ..) | Expr::Index(inner, ..) => property(&inner.lhs),
                    other => property(other),
                };
                (name, position)
            }
            Expr::Index(index, _, position) if variable(&index.lhs, event) => {
                let key = match &index.rhs {
                    Expr::Index(inner, ..) | Expr::Dot(inner, ..) if !variable(&inner.lhs, given) => &inner.lhs,
                    other => other,
                };
                let name = match key {
                    Expr::StringConstant(text, _) => Some(text.to_string()),
                    Expr::Dot(dot, ..) if variable(&dot.lhs, given) => property(&dot.rhs)
                        .and_then(|p| params.get(p.as_str()).and_then(|v| v.clone().into_string().ok())),
                    _ => None,
                };
                (name, position)
            }
            _ => return true,
        };
        match name {
            Some(name) => {
                names.insert(name);
            }
            None => {
                let message = format!("write {event}.NAME, {event}[\"NAME\"] or {event}[{given}.NAME], so that the property is known at publish");
                wrong = Some(ProgramError::new(*position, message));
            }
        }
        wrong.is_none()
    });
    EVENT.iter().for_each(|own| {
        names.remove(*own);
    });
    wrong.map_or(Ok(Inputs(names.into_iter().collect())), Err)
}

fn init(
    engine: &Engine,
    ast: &AST,
    params: &Map,
    timer: bool,
) -> Result<(Vec<Identifier>, Vec<Cell>), ProgramError> {
    if !ast.iter_functions().any(|f| f.name == "init") {
        return Err(ProgramError::new(Position::NONE, "the function `init` is missing"));
    }
    let options = CallFnOptions::new().eval_ast(false);
    let made: Dynamic = engine
        .call_fn_with_options(options, &mut Scope::new(), ast, "init", (params.clone(),))
        .map_err(|e| failed(&e))?;
    let type_name = made.type_name().to_owned();
    let mut fields: Map = made.try_cast().ok_or_else(|| {
        ProgramError::new(
            Position::NONE,
            format!("`init` must give a map of state fields, such as #{{ value: 0 }}, not {type_name}"),
        )
    })?;
    if timer {
        fields.insert(TIMER.into(), (-1 as INT).into());
    }
    let cell = |name: &Identifier, value: &Dynamic| {
        to_cell(value).ok_or_else(|| {
            let message = format!("state field `{name}` is {}; a field is an integer, a float, a boolean, a string or a native aggregate", value.type_name());
            ProgramError::new(Position::NONE, message)
        })
    };
    let cells = fields.iter().map(|(name, value)| cell(name, value)).collect::<Result<_, _>>()?;
    Ok((fields.into_keys().collect(), cells))
}

fn to_cell(value: &Dynamic) -> Option<Cell> {
    if let Ok(i) = value.as_int() {
        return Some(Cell::Int(i));
    }
    if let Ok(f) = value.as_float() {
        return Some(Cell::Float(f));
    }
    if let Ok(b) = value.as_bool() {
        return Some(Cell::Bool(b));
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Some(Cell::Text(text.as_str().into()));
    }
    value.read_lock::<Aggregate>().map(|a| Cell::Aggregate(Box::new(a.clone())))
}

/// An error of the interpreter, at the place in the script where it happened.
pub(super) fn failed(error: &rhai::EvalAltResult) -> ProgramError {
    let inner = error.unwrap_inner();
    let position = if inner.position().is_none() { error.position() } else { inner.position() };
    let mut plain = inner.to_string();
    if let Some(at) = plain.rfind(" (line ") {
        plain.truncate(at);
    }
    ProgramError::new(position, plain)
}
