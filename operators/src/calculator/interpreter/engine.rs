//! Rhai with its safety profile and the native functions of scripts.
//!
//! One engine serves all threads and is never changed. It is `Engine::new_raw` without any package: `sleep`
//! and `exit` come with Rhai's core package and no limit stops them, so none is loaded; operators on numbers,
//! strings, maps and arrays are built in.
//!
//! Limits: loops, modules, closures, `eval` and `try` do not parse; steps, depth and sizes are bounded, so
//! every call ends soon.

use std::sync::LazyLock;

use rhai::{Dynamic, Engine, FLOAT, INT, ImmutableString, Map};

use super::{
    aggregates,
    values::{Native, fails, number},
};
use crate::{document::span::Span, model::value::parse_number};

/// State field with the armed timer's deadline in unix ms, -1 if no timer is armed. Scripts reach it only by
/// `set_timer` and `clear_timer`: its name is not a Rhai identifier.
pub const TIMER: &str = "@timer";

/// Names of the native functions and methods that scripts may call.
pub const NATIVE: [&str; 26] = [
    "count",
    "stats",
    "top",
    "distinct",
    "latest",
    "window_count",
    "add",
    "at",
    "figures",
    "set_timer",
    "clear_timer",
    "ms",
    "abs",
    "min",
    "max",
    "floor",
    "ceil",
    "round",
    "to_int",
    "to_float",
    "to_string",
    "len",
    "contains",
    "starts_with",
    "ends_with",
    "is_number",
];

/// The engine that runs all calculators.
pub static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut engine = Engine::new_raw();
    engine
        .set_max_operations(5_000)
        .set_max_call_levels(4)
        .set_max_string_size(1_024)
        .set_max_array_size(64)
        .set_max_map_size(64)
        .set_max_expr_depths(32, 24)
        .set_max_variables(32)
        .set_max_functions(16)
        .set_allow_looping(false)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        .set_allow_anonymous_fn(false)
        .set_allow_shadowing(false);
    for symbol in
        ["eval", "import", "export", "print", "debug", "Fn", "call", "curry", "try", "catch", "throw"]
    {
        engine.disable_symbol(symbol);
    }
    aggregates::register(&mut engine);
    timers(&mut engine);
    functions(&mut engine);
    engine
});

fn timers(engine: &mut Engine) {
    fn set(state: &mut Map, at: INT) -> Native<()> {
        match state.get_mut(TIMER) {
            Some(timer) => {
                *timer = at.into();
                Ok(())
            }
            None => fails("set_timer needs an on_timer function in the script"),
        }
    }
    engine.register_fn("set_timer", |state: &mut Map, at: INT| {
        if at < 0 { fails("set_timer needs a time in unix ms") } else { set(state, at) }
    });
    engine.register_fn("clear_timer", |state: &mut Map| set(state, -1));
}

fn functions(engine: &mut Engine) {
    engine.register_fn("ms", |text: &str| Span::parse(text).map(|span| span.0).or_else(fails));
    engine.register_fn("abs", |x: INT| x.checked_abs().map_or_else(|| fails("abs overflows"), Ok));
    engine.register_fn("abs", |x: FLOAT| x.abs());
    engine.register_fn("min", |a: INT, b: INT| a.min(b));
    engine.register_fn("max", |a: INT, b: INT| a.max(b));
    engine.register_fn("min", |a: FLOAT, b: FLOAT| a.min(b));
    engine.register_fn("max", |a: FLOAT, b: FLOAT| a.max(b));
    engine.register_fn("floor", |x: FLOAT| x.floor());
    engine.register_fn("ceil", |x: FLOAT| x.ceil());
    engine.register_fn("round", |x: FLOAT| x.round());
    engine.register_fn("to_int", |x: FLOAT| {
        if x.abs() < 9.2e18 { Ok(x as INT) } else { fails("to_int: the number is too large") }
    });
    engine.register_fn("to_int", |x: INT| x);
    engine.register_fn("to_int", |x: &str| {
        x.parse::<INT>().or_else(|_| fails("to_int: the text is not a whole number"))
    });
    engine.register_fn("to_float", |x: INT| x as FLOAT);
    engine.register_fn("to_float", |x: FLOAT| x);
    engine.register_fn("to_float", |x: &str| {
        parse_number(x).map_or_else(|| fails("to_float: the text is not a number"), Ok)
    });
    engine.register_fn("is_number", |x: Dynamic| number(&x).is_ok());
    engine.register_fn("to_string", |x: INT| x.to_string());
    engine.register_fn("to_string", |x: FLOAT| x.to_string());
    engine.register_fn("to_string", |x: ImmutableString| x);
    engine.register_fn("len", |x: &str| x.chars().count() as INT);
    engine.register_fn("contains", |x: &str, y: &str| x.contains(y));
    engine.register_fn("starts_with", |x: &str, y: &str| x.starts_with(y));
    engine.register_fn("ends_with", |x: &str, y: &str| x.ends_with(y));
}
