//! Analysis of a script's syntax tree: calls, properties read, state fields declared.

use std::collections::BTreeSet;

use rhai::{
    AST, ASTNode, CallFnOptions, Dynamic, Engine, Expr, INT, Identifier, Map, Position, Scope,
    ScriptFnMetadata, Stmt,
};

use super::engine::{NATIVE, TIMER};
use crate::calculator::{
    Aggregate, Cell,
    compiled::Own,
    program::{Body, Inputs, ProgramError, script_error},
};

/// Entries that `event` always has.
const EVENT_FIELDS: [&str; 3] = ["time", "now", "step"];

pub(in crate::calculator) fn to_dynamic(value: &serde_json::Value) -> Dynamic {
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

/// Checks the parameters of the functions that the engine calls, all assignments and all calls.
pub(in crate::calculator) fn check_functions(ast: &AST) -> Result<(), ProgramError> {
    let defined: Vec<&str> = ast.iter_functions().map(|function| function.name).collect();
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
    let mut fault = None;
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        fault = fault.take().or_else(|| fault_of(path.last()?, &defined));
        fault.is_none()
    });
    fault.map_or(Ok(()), Err)
}

/// Fault of a node: an assignment to an argument other than `state`, or a call of an unknown function.
fn fault_of(node: &ASTNode<'_>, defined: &[&str]) -> Option<ProgramError> {
    let (call, position) = match node {
        ASTNode::Stmt(Stmt::Assignment(assignment)) => {
            let target = &assignment.1.lhs;
            let name = assigned(target).filter(|name| ["event", "params", "now"].contains(&name.as_str()))?;
            let message =
                format!("`{name}` can't be assigned to; only `state` and the function's own variables can");
            return Some(ProgramError::new(target.position(), message));
        }
        ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))
        | ASTNode::Stmt(Stmt::FnCall(call, position)) => (call, position),
        _ => return None,
    };
    let name = call.name.as_str();
    if call.op_token.is_some() || NATIVE.contains(&name) || defined.contains(&name) {
        return None;
    }
    let message = format!("there is no function `{name}`; native ones are {}", NATIVE.join(" "));
    Some(ProgramError::new(*position, message))
}

/// Variable at the root of an assignment's left side.
fn assigned(target: &Expr) -> Option<String> {
    match target {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Dot(inner, ..) | Expr::Index(inner, ..) => assigned(&inner.lhs),
        _ => None,
    }
}

/// The statements of one function as an AST of their own, which still contains all functions.
pub(in crate::calculator) fn body(ast: &AST, name: &str) -> Option<Body> {
    let function = ast.iter_functions().find(|f| f.name == name)?;
    let statements = statements(ast, name, function.params.len());
    let arguments = function.params.iter().map(|p| (*p).into()).collect();
    Some(Body { ast: AST::new(statements, ast.shared_lib().clone()), arguments })
}

/// All functions that are called by their names alone.
pub(in crate::calculator) fn functions(ast: &AST) -> Vec<Own> {
    let plain = ast.iter_functions().filter(|function| function.this_type.is_none());
    let own = |function: ScriptFnMetadata<'_>| {
        let arguments = function.params.iter().map(|p| (*p).into()).collect();
        Own::new(function.name.into(), arguments, statements(ast, function.name, function.params.len()))
    };
    plain.map(own).collect()
}

/// The statements of the function of a name with a number of parameters.
fn statements(ast: &AST, name: &str, parameters: usize) -> Vec<Stmt> {
    let mut only = ast.clone();
    only.retain_functions(|_, _, function, number| function == name && number == parameters);
    let mut statements = Vec::new();
    only.walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            statements.push((*statement).clone());
        }
        true
    });
    statements
}

/// Names of the properties that `on_event` reads as `event.NAME`, `event["NAME"]` or `event[params.NAME]`.
pub(in crate::calculator) fn inputs(on_event: &Body, params: &Map) -> Result<Inputs, ProgramError> {
    let mut names = BTreeSet::new();
    let mut unknown = None;
    on_event.ast.walk(&mut |path: &[ASTNode<'_>]| {
        let Some(ASTNode::Expr(node)) = path.last() else { return true };
        match entry_of_event(node, params) {
            Some((Some(name), _)) => {
                names.insert(name);
            }
            Some((None, position)) => unknown = Some(position),
            None => {}
        }
        unknown.is_none()
    });
    if let Some(position) = unknown {
        let message = "write event.NAME, event[\"NAME\"] or event[params.NAME], so that the property is known at publish";
        return Err(ProgramError::new(position, message));
    }
    names.retain(|name| !EVENT_FIELDS.contains(&name.as_str()));
    Ok(Inputs(names.into_iter().collect()))
}

/// Name and position of the entry of `event` that an expression reads, `None` if it reads none; the name is
/// `None` if it is known only at run time.
fn entry_of_event(node: &Expr, params: &Map) -> Option<(Option<String>, Position)> {
    let variable = |e: &Expr, name: &str| matches!(e, Expr::Variable(v, ..) if v.1.as_str() == name);
    let property = |e: &Expr| match e {
        Expr::Property(p, _) => Some(p.2.to_string()),
        _ => None,
    };
    match node {
        Expr::Dot(dot, _, position) if variable(&dot.lhs, "event") => {
            let name = match &dot.rhs {
                Expr::Dot(inner, ..) | Expr::Index(inner, ..) => property(&inner.lhs),
                other => property(other),
            };
            Some((name, *position))
        }
        Expr::Index(index, _, position) if variable(&index.lhs, "event") => {
            let key = match &index.rhs {
                Expr::Index(inner, ..) | Expr::Dot(inner, ..) if !variable(&inner.lhs, "params") => {
                    &inner.lhs
                }
                other => other,
            };
            let param = |name: String| params.get(name.as_str())?.clone().into_string().ok();
            let name = match key {
                Expr::StringConstant(text, _) => Some(text.to_string()),
                Expr::Dot(dot, ..) if variable(&dot.lhs, "params") => property(&dot.rhs).and_then(param),
                _ => None,
            };
            Some((name, *position))
        }
        _ => None,
    }
}

pub(in crate::calculator) fn init(
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
        .map_err(|e| script_error(&e))?;
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
