//! Analysis of a script's syntax tree: calls, properties read, state fields declared.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, CallFnOptions, Dynamic, Engine, Expr, INT, Identifier, Map, Position, Scope, Stmt};

use super::engine::{NATIVE, TIMER};
use crate::calculator::{
    Aggregate, Cell,
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

pub(in crate::calculator) fn check_functions(ast: &AST) -> Result<(), ProgramError> {
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

/// Names of the properties that `on_event` reads as `event.NAME`, `event["NAME"]` or `event[params.NAME]`.
pub(in crate::calculator) fn inputs(on_event: &Body, params: &Map) -> Result<Inputs, ProgramError> {
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
    EVENT_FIELDS.iter().for_each(|own| {
        names.remove(*own);
    });
    wrong.map_or(Ok(Inputs(names.into_iter().collect())), Err)
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
