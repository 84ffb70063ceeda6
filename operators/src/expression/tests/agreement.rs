//! Property tests: results agree with Rhai's interpreter, and no text causes a panic.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;
use rhai::{
    Dynamic, Engine, EvalAltResult, Scope,
    packages::{ArithmeticPackage, BasicMathPackage, LogicPackage, Package},
};

use super::any_name;
use crate::expression::{EvalError, Expression, Literals, Operand};

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0..4u8).prop_map(|i| format!("n{i}")),
        (0..4u8).prop_map(|i| format!("f{i}")),
        (-9..99i64).prop_map(|i| i.to_string()),
        (0..40i32).prop_map(|i| format!("{}.{}", i / 4, (i % 4) * 25)),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let op = prop_oneof![Just("+"), Just("-"), Just("*"), Just("/"), Just("%"), Just("**")];
        prop_oneof![
            4 => (inner.clone(), op.clone(), inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            2 => (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            1 => inner.clone().prop_map(|a| format!("-({a})")),
            1 => inner.clone().prop_map(|a| format!("abs({a})")),
            1 => (prop_oneof![Just("round"), Just("floor"), Just("ceil")], inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            1 => (prop_oneof![Just("min"), Just("max")], inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(if {a} > {b} {{ {b} }} else {{ {c} }})")),
        ]
    })
}

fn truth() -> impl Strategy<Value = String> {
    let cmp = || prop_oneof![Just("=="), Just("!="), Just(">"), Just(">="), Just("<"), Just("<=")];
    let leaf = prop_oneof![
        4 => (number(), cmp(), number()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        1 => (0..2u8).prop_map(|i| format!("b{i}")),
        1 => ((0..4u8), cmp(), (0..2u8)).prop_map(|(a, op, b)| format!("n{a} {op} b{b}")),
        1 => ((0..2u8), cmp(), (0..2u8)).prop_map(|(a, op, b)| format!("b{a} {op} b{b}")),
        1 => ((0..2u8), cmp()).prop_map(|(a, op)| format!("t{a} {op} \"重庆\"")),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} || ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("(if {a} {{ {b} }} else {{ {c} }})")),
        ]
    })
}

fn int() -> impl Strategy<Value = i64> {
    prop_oneof![-5..20i64, Just(0), Just(i64::MAX), Just(i64::MIN), any::<i64>()]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-8..40i32).prop_map(|i| f64::from(i) / 4.0),
        -1e9..1e9f64,
        any::<f64>(),
        Just(0.1 + 0.2),
        Just(1e-20)
    ]
}

fn rhai() -> Engine {
    let mut engine = Engine::new_raw();
    engine.set_max_expr_depths(0, 0);
    ArithmeticPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    engine.register_fn("ceil", |x: f64| x.ceil());
    for name in ["round", "floor", "ceil"] {
        engine.register_fn(name, |x: i64| x);
    }
    // Division is of floats, and there is none by zero.
    engine.set_fast_operators(false);
    engine.register_fn("/", |a: i64, b: i64| divided(a as f64, b as f64));
    engine.register_fn("/", |a: f64, b: i64| divided(a, b as f64));
    engine.register_fn("/", |a: i64, b: f64| divided(a as f64, b));
    engine.register_fn("/", divided);
    engine.register_fn("%", whole_remainder);
    engine.register_fn("%", |a: f64, b: i64| remainder(a, b as f64));
    engine.register_fn("%", |a: i64, b: f64| remainder(a as f64, b));
    engine.register_fn("%", remainder);
    engine
}

type Floats = Result<f64, Box<EvalAltResult>>;

const BY_ZERO: &str = "by zero";

fn divided(a: f64, b: f64) -> Floats {
    if b == 0.0 { Err(BY_ZERO.into()) } else { Ok(a / b) }
}

fn whole_remainder(a: i64, b: i64) -> Result<i64, Box<EvalAltResult>> {
    if b == 0 { Err(BY_ZERO.into()) } else { a.checked_rem(b).ok_or_else(|| "overflow".into()) }
}

fn remainder(a: f64, b: f64) -> Floats {
    if b == 0.0 { Err(BY_ZERO.into()) } else { Ok(a % b) }
}

fn same(ours: &Result<Operand<'static>, EvalError>, theirs: &Result<Dynamic, Box<EvalAltResult>>) -> bool {
    match (ours, theirs) {
        (Err(_), Err(_)) => true,
        (Ok(Operand::Bool(a)), Ok(b)) => b.as_bool() == Ok(*a),
        (Ok(Operand::Int(a)), Ok(b)) => b.as_int() == Ok(*a),
        (Ok(Operand::Float(a)), Ok(b)) => {
            b.as_float().is_ok_and(|b| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn rhai_agrees(
        text in prop_oneof![truth(), number()],
        ints in prop::array::uniform4(int()),
        floats in prop::array::uniform4(float()),
        bools in any::<[bool; 2]>(),
    ) {
        let mut given: HashMap<String, Operand<'static>> = HashMap::new();
        let mut scope = Scope::new();
        for (i, n) in ints.into_iter().enumerate() {
            given.insert(format!("n{i}"), Operand::Int(n));
            scope.push(format!("n{i}"), n);
        }
        for (i, f) in floats.into_iter().enumerate() {
            given.insert(format!("f{i}"), Operand::Float(f));
            scope.push(format!("f{i}"), f);
        }
        for (i, b) in bools.into_iter().enumerate() {
            given.insert(format!("b{i}"), Operand::Bool(b));
            scope.push(format!("b{i}"), b);
        }
        for (i, t) in ["重庆", "a"].into_iter().enumerate() {
            given.insert(format!("t{i}"), Operand::Text(t.into()));
            scope.push(format!("t{i}"), t.to_owned());
        }
        let mut names = Vec::new();
        let ours = Expression::compile_with(&text, Literals::AsWritten, &mut any_name(&mut names));
        // Refused when compiled: too deep, or a literal of a kind that its place can't take.
        let Ok(ours) = ours else { return Ok(()) };
        let ours = ours.eval(&mut |slot| given[&names[slot]].clone());
        let theirs = rhai().eval_expression_with_scope::<Dynamic>(&mut scope, &text);
        // Absent, which Rhai does not know.
        if theirs.as_ref().is_err_and(|error| error.to_string().contains(BY_ZERO)) {
            return Ok(());
        }
        prop_assert!(same(&ours, &theirs), "{text}: {ours:?} {theirs:?}");
    }

    #[test]
    fn any_text_is_answered(text in r#"([a-c.0-9 ]|[-+*/%<>=!&|(){}"',;:?#`$\[\]]|if|else|max|重|\n){0,40}"#) {
        let mut names = Vec::new();
        let compiled = Expression::compile_with(&text, Literals::AsWritten, &mut any_name(&mut names));
        if let Ok(compiled) = compiled {
            let _ = compiled.eval(&mut |slot| Operand::Int(slot as i64));
        }
    }
}
