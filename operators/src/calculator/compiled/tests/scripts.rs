//! Random scripts within what is compiled, and a little beyond.

use proptest::prelude::*;
use serde_json::json;

use super::pair::Case;

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Event,
    Timer,
    Outputs,
}

const INIT: &str = "#{ a: 0, b: -5, ok: false, hits: count(params.window), seen: distinct(params.window), nums: stats(params.window) }";

fn constant() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => (-3i64..70).prop_map(|i| i.to_string()),
        1 => Just(i64::MAX.to_string()),
        1 => Just("-9223372036854775807".to_owned()),
        1 => Just("params.limit".to_owned()),
    ]
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(words).prop_map(str::to_owned)
}

fn int(place: Place) -> BoxedStrategy<String> {
    let leaf: &[&str] = match place {
        Place::Event => &[
            "state.a",
            "state.b",
            "event.time",
            "event.now",
            "event.step",
            "x",
            "state.hits.at(event.now)",
            "state.seen.at(event.time)",
        ],
        Place::Timer => &["state.a", "state.b", "now", "x", "state.hits.at(now)", "state.seen.at(now)"],
        Place::Outputs => &["state.a", "state.b", "now", "state.hits.at(now)", "state.seen.at(now)"],
    };
    let leaf = prop_oneof![2 => constant(), 3 => one_of(leaf)];
    let binary = one_of(&["+", "+", "+", "-", "-", "-", "&", "|", "^", ">>"]);
    let other = one_of(&["*", "/", "%", "<<", "**"]);
    leaf.prop_recursive(2, 6, 2, move |part| {
        let small = (part.clone(), one_of(&["*", "/", "%", "<<"]), 1..9);
        prop_oneof![
            40 => (part.clone(), binary.clone(), part.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            10 => small.prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => (part.clone(), other.clone(), part.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            3 => (0..3, 0..40).prop_map(|(a, b)| format!("(abs({a}) ** {b})")),
            5 => part.clone().prop_map(|a| format!("-({a})")),
            5 => part.clone().prop_map(|a| format!("abs({a})")),
            5 => (one_of(&["min", "max"]), part.clone(), part).prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
        ]
    })
    .boxed()
}

fn truth(place: Place) -> BoxedStrategy<String> {
    let known: &[&str] = match place {
        Place::Event => &["state.ok", "y", "event.p != ()", "event.p == ()", "event[params.of] > ()"],
        Place::Timer => &["state.ok", "y"],
        Place::Outputs => &["state.ok"],
    };
    let always = one_of(&[
        "true",
        "false",
        "params.none == ()",
        "params.none != ()",
        "params.word == \"w\"",
        "() >= ()",
    ]);
    let comparison = one_of(&["==", "!=", "<", "<=", ">", ">="]);
    let compared =
        (int(place), comparison.clone(), int(place)).prop_map(|(a, op, b)| format!("{a} {op} {b}"));
    let odd = (int(place), comparison, one_of(&["()", "\"t\"", "params.none"]))
        .prop_map(|(a, op, b)| format!("{a} {op} {b}"));
    let input = match place {
        Place::Event => one_of(&[
            "event.p > 3",
            "7 >= event.p",
            "event.p == \"x\"",
            "event.p < \"event\"",
            "2.5 < event.p",
            "event.p == 1.25",
            "event.p != true",
            "event.p <= state.a",
            "event.p >= event.step + 3",
            "!(event.p < 2.25)",
        ]),
        _ => one_of(&["true"]),
    };
    let leaf = prop_oneof![2 => one_of(known), 2 => input, 1 => always, 5 => compared, 1 => odd];
    leaf.prop_recursive(1, 3, 2, |part| {
        prop_oneof![
            2 => (part.clone(), one_of(&["&&", "||"]), part.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => part.clone().prop_map(|a| format!("!({a})")),
            1 => (part, one_of(&["== true", "!= false"])).prop_map(|(a, b)| format!("(({a}) {b})")),
        ]
    })
    .boxed()
}

fn statement(place: Place) -> BoxedStrategy<String> {
    let (time, now) = if place == Place::Event { ("event.time", "event.now") } else { ("now", "now") };
    let value = if place == Place::Event { "event.p" } else { "x" };
    let leaf = prop_oneof![
        3 => (one_of(&["state.a", "state.b", "x"]), one_of(&["=", "+=", "-=", "*=", "/=", "%=", "|="]), int(place))
            .prop_map(|(to, op, a)| format!("{to} {op} {a};")),
        2 => (one_of(&["state.ok", "y"]), truth(place)).prop_map(|(to, a)| format!("{to} = {a};")),
        1 => Just(format!("state.hits.add({time}, {now});")),
        1 => (one_of(&["seen", "nums"]), one_of(&["VALUE", "x", "3"]))
            .prop_map(move |(field, what)| format!("state.{field}.add({}, {time}, {now});", what.replace("VALUE", value))),
        1 => (0i64..9_000).prop_map(move |after| format!("set_timer(state, {now} + {after});")),
        1 => int(place).prop_map(|at| format!("if {at} >= -1 {{ set_timer(state, {at}); }}")),
        1 => Just("clear_timer(state);".to_owned()),
        1 => truth(place).prop_map(|a| format!("return {a};")),
        1 => int(place).prop_map(|a| format!("{a};")),
        1 => int(place).prop_map(|a| format!("{{ let z = {a}; state.a = z - 1; }}")),
    ];
    leaf.prop_recursive(2, 8, 3, move |part| {
        let block = prop::collection::vec(part, 0..3).prop_map(|s| s.join(" "));
        let branch = (truth(place), block.clone(), block.clone());
        prop_oneof![
            branch.prop_map(|(test, yes, no)| format!("if {test} {{ {yes} }} else {{ {no} }}")),
            (truth(place), block.clone()).prop_map(|(test, yes)| format!("if {test} {{ {yes} }}")),
            block.prop_map(|s| format!("{{ {s} }}")),
        ]
    })
    .boxed()
}

fn body(place: Place) -> BoxedStrategy<String> {
    let tail = prop_oneof![3 => truth(place), 1 => int(place), 1 => Just(String::new())];
    (constant(), any::<bool>(), prop::collection::vec(statement(place), 0..5), tail)
        .prop_map(|(x, y, statements, tail)| {
            format!("let x = {x}; let y = {y}; {} {tail}", statements.join("\n    "))
        })
        .boxed()
}

/// A script with its params.
pub(super) fn cases() -> impl Strategy<Value = Case> {
    let output = prop_oneof![
        int(Place::Outputs),
        truth(Place::Outputs),
        (truth(Place::Outputs), int(Place::Outputs))
            .prop_map(|(test, a)| format!("if {test} {{ () }} else {{ {a} }}")),
    ];
    let functions = (body(Place::Event), body(Place::Timer), body(Place::Timer), output.clone(), output);
    (functions, prop_oneof![Just(None), Just(Some(1_000i64))]).prop_map(|(functions, window)| {
        let (event, timer, dropped, value, other) = functions;
        let script = format!(
            "fn init(params) {{ {INIT} }}\nfn on_event(state, event, params) {{\n    {event}\n}}\n\
             fn on_timer(state, now, params) {{\n    {timer}\n}}\n\
             fn on_timer_dropped(state, now, params) {{\n    {dropped}\n}}\n\
             fn outputs(state, params, now) {{ #{{ value: {value}, other: {other} }} }}"
        );
        let params = json!({"limit": 40, "none": null, "word": "w", "of": "p"});
        let params = params.as_object().cloned().unwrap_or_default();
        Case { script, params, window, steps: Some(3) }
    })
}
