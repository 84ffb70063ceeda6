//! Unit tests of evaluation and refusals.

#![allow(clippy::unwrap_used)]

mod agreement;

use super::{EvalError, Expression, ExpressionError, Literals, Operand};

fn any_name(names: &mut Vec<String>) -> impl FnMut(&str, Option<&str>) -> Result<usize, String> {
    move |id, output| {
        let name = output.map_or_else(|| id.to_owned(), |output| format!("{id}.{output}"));
        let at = names.iter().position(|n| *n == name).unwrap_or(names.len());
        if at == names.len() {
            names.push(name);
        }
        Ok(at)
    }
}

/// Evaluates `text` with these operands; names without an operand are absent.
fn eval(text: &str, given: &[(&str, Operand<'static>)]) -> Result<Operand<'static>, EvalError> {
    let mut names = Vec::new();
    let expression = Expression::compile_with(text, Literals::AsWritten, &mut any_name(&mut names)).unwrap();
    expression.eval(&mut |slot| {
        given
            .iter()
            .find(|(name, _)| *name == names[slot])
            .map_or(Operand::Absent, |(_, operand)| operand.clone())
    })
}

fn refusal(text: &str) -> ExpressionError {
    Expression::compile(text, &mut any_name(&mut Vec::new())).unwrap_err()
}

#[test]
fn expressions_are_evaluated() {
    let given = [
        ("value", Operand::Int(12)),
        ("amt.max", Operand::Float(5.5)),
        ("amt.min", Operand::Float(2.5)),
        ("c1", Operand::Bool(true)),
        ("c2", Operand::Bool(false)),
        ("city", Operand::Text("重庆".into())),
    ];
    for (text, expected) in [
        ("value >= 10", true),
        ("amt.max > 2 * amt.min", true),
        ("c1 && (c2 || !gone)", true),
        ("c1 && !(gone.max > 5)", true),
        ("gone != 5", false),
        ("gone == gone", false),
        ("if gone > 1 { true } else if c2 { false } else { c1 }", true),
        ("city == \"重庆\" && city != 5 && !(city == 5)", true),
        ("city < \"重庆市\"", true),
        ("max(value, 3) - min(amt.min, 1) == 11.0", true),
        ("abs(-3) + round(2.5) + floor(2.9) + ceil(2.1) == 11.0", true),
        ("7 / 2 == 3.5 && 6 / 2 == 3 && 2 ** 3 ** 2 == 512 && -7 % 3 == -1", true),
        ("1 / 0 == 1 || 1 / 0 != 1 || 1 % 0 == 0 || 1.5 / 0.0 > 1 || 1.5 % -0.0 < 1 || 0 / 0 == 0", false),
        ("9007199254740993 % 2 == 1", true),
        ("0.1 + 0.2 == 0.3", true),
    ] {
        assert_eq!(eval(text, &given), Ok(Operand::Bool(expected)), "{text}");
    }
    assert_eq!(eval("gone + 1", &given), Ok(Operand::Absent));
    assert_eq!(eval("1 + 2 / 0", &given), Ok(Operand::Absent));
    assert_eq!(eval("-abs(gone)", &given), Ok(Operand::Absent));
    assert_eq!(eval("\"a\"", &given), Ok(Operand::Text("a".into())));
}

#[test]
fn evaluation_errors_are_returned() {
    let given = [
        ("i", Operand::Int(i64::MAX)),
        ("least", Operand::Int(i64::MIN)),
        ("t", Operand::Text("x".into())),
        ("b", Operand::Bool(true)),
    ];
    for (text, part) in [
        ("i + 1", "`+` overflows"),
        ("least - 1", "`-` overflows"),
        ("-least", "`-` overflows"),
        ("abs(least)", "`abs` overflows"),
        ("least % -1", "`%` overflows"),
        ("i ** 2", "`**` overflows"),
        ("1 ** i", "`**` overflows"),
        ("2 ** -1", "negative power"),
        ("t / 0", "`/` wants a number, not a text"),
        ("1 / b", "`/` wants a number, not true or false"),
        ("t + 1", "`+` wants a number, not a text"),
        ("1 + b", "`+` wants a number, not true or false"),
        ("t + t", "not a text"),
        ("!t", "`!` wants true or false"),
        ("b && i", "`&&` wants true or false, not a number"),
        ("max(t, 1)", "`max` wants a number"),
    ] {
        let error = eval(text, &given).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let bare = Expression::compile("i", &mut any_name(&mut Vec::new())).unwrap();
    assert!(bare.holds(&mut |_| Operand::Int(1)).is_err());
    assert_eq!(bare.holds(&mut |_| Operand::Absent), Ok(false));
}

#[test]
fn slots_are_read_lazily() {
    let expression = Expression::compile("a && b || c", &mut any_name(&mut Vec::new())).unwrap();
    assert_eq!(expression.slots().collect::<Vec<_>>(), [0, 1, 2]);
    let mut asked = Vec::new();
    let held = expression.holds(&mut |slot| {
        asked.push(slot);
        Operand::Bool(slot == 2)
    });
    assert_eq!((held, asked), (Ok(true), vec![0, 2]));
}

#[test]
fn floats_divide_as_in_arithmetic() {
    let expression =
        Expression::compile_floats("7 / 2 == 3.5 && 12.50 == p", &mut any_name(&mut Vec::new())).unwrap();
    for p in [Operand::Float(12.5), Operand::Text("12.500".into())] {
        assert_eq!(expression.holds(&mut |_| p.clone()), Ok(true));
    }
}

#[test]
fn texts_and_slots_are_the_same_by_spelling() {
    for (text, expected) in [
        ("p == q", false),
        ("p != q", true),
        ("p == \"5.0\"", true),
        ("\"5\" == q", true),
        ("q == \"5.0\"", false),
        ("p == 5 && q == 5 && p + 0 == q", true),
        ("absent == p || absent != p", false),
    ] {
        let expression = Expression::compile_floats(text, &mut |name, _| match name {
            "p" => Ok(0),
            "q" => Ok(1),
            _ => Ok(2),
        });
        let given = [Operand::Text("5.0".into()), Operand::Int(5), Operand::Absent];
        assert_eq!(expression.unwrap().holds(&mut |slot| given[slot].clone()), Ok(expected), "{text}");
    }
}

#[test]
fn unsupported_syntax_is_refused_with_its_position() {
    for (text, line, column, part) in [
        ("a >", 1, 4, "write names"),
        ("a = 1", 1, 3, "write names"),
        ("a &&\n b.c.d > 1", 2, 3, "a dot stands only"),
        ("a + b", 1, 1, "compare it"),
        ("\"x\"", 1, 1, "gives a text"),
        ("a > 'x'", 1, 5, "double quotes"),
        ("a ?? 1 > 0", 1, 3, "`??`"),
        ("sqrt(a) > 1", 1, 1, "no function or operator `sqrt`"),
        ("a.abs() > 1", 1, 3, "write `abs(..)`"),
        ("max(a) > 1", 1, 1, "takes 2"),
        ("a in [1, 2]", 1, 3, "contains"),
        ("[1][0] == 1", 1, 1, "not supported"),
        ("a & b", 1, 3, "`&` is not supported"),
        ("1 < a < 5", 1, 7, "do not chain"),
        ("(a > 1) + 2 > 0", 1, 4, "takes a number"),
        ("!(a + 1)", 1, 5, "takes true or false"),
        ("if a { b }", 1, 1, "needs an `else`"),
        ("if a { } else { b }", 1, 8, "write names"),
        ("a?.b > 1", 1, 2, "a dot stands only"),
        ("this > 1", 1, 1, "only be used in functions"),
        ("`${a}` == \"x\"", 1, 1, "not supported"),
        ("{ a }", 1, 1, "write names"),
        ("", 1, 1, "write names"),
        ("while true { }", 1, 1, "write names"),
        ("switch a { 1 => true, _ => false }", 1, 1, "not supported"),
        ("|x| x", 1, 1, ""),
        ("print(a)", 1, 1, "no function"),
        ("prop(\"a\") > 1", 1, 1, "no function"),
        ("eval(\"1\") == 1", 1, 1, ""),
    ] {
        let error = refusal(text);
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
    let error =
        Expression::compile("a && b", &mut |name, _| if name == "b" { Err("no b".into()) } else { Ok(0) });
    assert_eq!(error.unwrap_err(), ExpressionError { line: 1, column: 6, message: "no b".into() });
}

#[test]
fn depth_and_length_are_bounded() {
    let all = (0..64).map(|i| format!("c{i}.value > 1")).collect::<Vec<_>>().join(" && ");
    Expression::compile(&all, &mut any_name(&mut Vec::new())).unwrap();
    let run = || {
        for text in [
            format!("{}a{} > 1", "(".repeat(2000), ")".repeat(2000)),
            format!("{}a", "!".repeat(4000)),
            format!("{}a > 1", "- ".repeat(2000)),
            format!("a{} > 1", " + a".repeat(1000)),
            format!("a{} > 1", " ** a".repeat(800)),
            format!("a{}", ".b".repeat(2000)),
            "if a { b } else ".repeat(200) + "{ c }",
            "abs(".repeat(800) + "a",
            "a > 1 && ".repeat(500),
            "[".repeat(4000),
            "a".repeat(5000),
        ] {
            refusal(&text);
        }
        let fair = format!("{}a{} > 1", "(".repeat(40), ")".repeat(40));
        Expression::compile(&fair, &mut any_name(&mut Vec::new())).unwrap();
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}
