//! Random whole scripts within what is compiled.

use proptest::prelude::*;
use serde_json::json;

use super::{
    draw::{Draw, Kind, Place, choices},
    pair::Case,
};

const INIT: &str = "#{ a: 0, b: -5, f: 0.5, g: 3.0, ok: false, t: \"start\", u: \"\", plain: count(()), hits: count(params.window),
    seen: distinct(params.window), nums: stats(params.window), last: latest(params.window) }";

const OPERATORS: [(Kind, &[&str]); 4] = [
    (Kind::Int, &["=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "<<=", ">>="]),
    (Kind::Float, &["=", "+=", "-=", "*=", "/=", "%=", "**="]),
    (Kind::Truth, &["=", "|=", "&=", "^="]),
    (Kind::Text, &["=", "+=", "-="]),
];

impl Draw<'_> {
    fn statements(&mut self, most: usize, depth: usize) -> String {
        let number = self.below(most + 1);
        self.scoped(|draw| (0..number).map(|_| draw.statement(depth)).collect::<Vec<_>>().join(" "))
    }

    fn field(&mut self, kind: Kind) -> &'static str {
        match kind {
            Kind::Int => self.one(&["state.a", "state.b"]),
            Kind::Float => self.one(&["state.f", "state.g"]),
            Kind::Truth => "state.ok",
            Kind::Text => self.one(&["state.t", "state.u"]),
            Kind::Any => self.one(&["state.a", "state.f", "state.ok", "state.t"]),
        }
    }

    fn assignment(&mut self, depth: usize) -> String {
        let kind = self.kind();
        let operators = OPERATORS.iter().find(|(of, _)| *of == kind).map_or(&["=", "+="][..], |(_, all)| all);
        let target = match (self.below(2), self.variable(kind, true)) {
            (1, Some(variable)) => variable,
            _ => self.field(kind).to_owned(),
        };
        // A value of another kind now and then: a float may be given an integer.
        let of = match self.below(12) {
            0 => self.kind(),
            1 if kind == Kind::Float => Kind::Int,
            _ => kind,
        };
        format!("{target} {} {};", self.one(operators), self.expression(of, depth))
    }

    fn aggregated(&mut self, depth: usize) -> String {
        let (time, now) =
            if self.place == Place::Event { ("event.time", "event.now") } else { ("now", "now") };
        let field = self.one(&["plain", "hits", "seen", "nums", "last"]);
        if ["plain", "hits"].contains(&field) {
            return format!("state.{field}.add({time}, {now});");
        }
        let kind = self.kind();
        let value = self.expression(kind, depth);
        format!("state.{field}.add({value}, {time}, {now});")
    }

    /// A variable; or one of a field that is changed before the variable is read.
    fn declaration(&mut self) -> String {
        let (kind, name) = (self.kind(), self.name());
        if self.below(3) == 0 {
            let field = self.field(kind);
            let value =
                if kind == Kind::Truth { format!("{field} || state.a > 3") } else { field.to_owned() };
            let change = self.expression(kind, 1);
            self.variables.push((name.clone(), kind, true));
            return format!("let {name} = {value}; {field} = {change}; {} = {name};", self.field(kind));
        }
        let (word, depth) = (self.one(&["let", "let", "const"]), 2 * self.below(2));
        let value = self.expression(kind, depth);
        self.variables.push((name.clone(), kind, word == "let"));
        format!("{word} {name} = {value};")
    }

    fn statement(&mut self, depth: usize) -> String {
        let inner = depth.saturating_sub(1);
        match self.below(13) {
            0..=3 => self.assignment(2),
            4 => self.declaration(),
            5 => self.aggregated(1),
            6 => {
                let now = if self.place == Place::Event { "event.now" } else { "now" };
                match self.below(3) {
                    0 => "clear_timer(state);".to_owned(),
                    1 => format!("set_timer(state, {now} + {});", self.below(9_000)),
                    _ => format!("set_timer(state, {});", self.expression(Kind::Int, 1)),
                }
            }
            7 if depth > 0 => format!("{{ {} }}", self.statements(3, inner)),
            8 if depth > 0 => {
                let (value, first) = (self.expression(Kind::Any, 1), self.statements(2, inner));
                let (second, literal) = (self.statements(2, inner), self.one(&["1", "\"x\"", "2.5", "true"]));
                format!("switch {value} {{ {literal} => {{ {first} }} 3..9 => {{ {second} }} _ => {{ }} }}")
            }
            9 => {
                let kind = self.kind();
                format!("{};", self.expression(kind, 2).trim_matches(['{', '}']))
            }
            10 if depth < 2 => format!("return {};", self.expression(Kind::Truth, 1)),
            _ => {
                let (test, yes) = (self.expression(Kind::Truth, 2), self.statements(3, inner));
                match self.below(2) {
                    0 => format!("if {test} {{ {yes} }}"),
                    _ => format!("if {test} {{ {yes} }} else {{ {} }}", self.statements(3, inner)),
                }
            }
        }
    }

    fn body(&mut self) -> String {
        let number = 1 + self.below(5);
        let statements: Vec<_> = (0..number).map(|_| self.statement(1)).collect();
        let kind = if self.below(3) == 0 { self.kind() } else { Kind::Truth };
        format!("{}\n    {}", statements.join("\n    "), self.expression(kind, 1))
    }
}

impl Draw<'_> {
    fn map(&mut self) -> String {
        let names = ["value", "other", "third"];
        let entries = names.map(|name| {
            let kind = self.kind();
            format!("{name}: {}", self.expression(kind, 2))
        });
        format!("#{{ {} }}", entries.join(", "))
    }

    /// A map, or statements that give one of two.
    fn outputs(&mut self) -> String {
        if self.below(2) == 0 {
            return self.map();
        }
        let (kind, name) = (self.kind(), self.name());
        let value = self.expression(kind, 1);
        self.variables.push((name.clone(), kind, true));
        let (test, first, second) = (self.expression(Kind::Truth, 1), self.map(), self.map());
        format!("let {name} = {value}; if {test} {{ return {first}; }} {second}")
    }
}

/// Body of a function of the script's own that returns at its end only.
fn chosen(mut own: Draw<'_>) -> String {
    own.variables.extend([("v".to_owned(), Kind::Any, true), ("n".to_owned(), Kind::Int, true)]);
    let (kind, name) = (own.kind(), own.name());
    let value = own.expression(kind, 2);
    own.variables.push((name.clone(), kind, true));
    let change = match own.below(5) {
        0 => format!("n += {};", own.expression(Kind::Int, 1)),
        1 => format!("v = {};", own.expression(Kind::Any, 1)),
        2 => format!("{name} = {};", own.expression(kind, 1)),
        _ => String::new(),
    };
    let (test, yes) = (own.truth(1), own.expression(Kind::Any, 2));
    let no = own.expression(Kind::Int, 2);
    format!("let {name} = {value}; {change} if {test} {{ {yes} }} else {{ {no} }}")
}

/// The script that choices make.
fn script(choices: &[u16]) -> String {
    let all = &mut choices.iter().copied();
    let event = Draw::new(all, Place::Event).body();
    let outputs = Draw::new(all, Place::Outputs).outputs();
    let [timer, dropped] = [(); 2].map(|()| Draw::new(all, Place::Timer).body());
    let mut own = Draw::new(all, Place::Own);
    own.variables.push(("n".to_owned(), Kind::Int, false));
    let twice = own.expression(Kind::Int, 2);
    let mut own = Draw::new(all, Place::Own);
    own.variables.push(("v".to_owned(), Kind::Any, false));
    let (test, of_any) = (own.truth(1), own.expression(Kind::Any, 2));
    let chosen = chosen(Draw::new(all, Place::Own));
    format!(
        "fn init(params) {{ {INIT} }}\nfn twice(n) {{ {twice} }}\n\
         fn of_any(v, w) {{ if {test} {{ return w; }} let z = {of_any}; z }}\n\
         fn chosen(v, n) {{ {chosen} }}\n\
         fn on_event(state, event, params) {{\n    {event}\n}}\n\
         fn on_timer(state, now, params) {{\n    {timer}\n}}\n\
         fn on_timer_dropped(state, now, params) {{\n    {dropped}\n}}\n\
         fn outputs(state, params, now) {{ {outputs} }}"
    )
}

/// A script with its params.
pub(super) fn cases() -> impl Strategy<Value = Case> {
    (choices(), prop_oneof![Just(None), Just(Some(1_000i64))]).prop_map(|(choices, window)| {
        let params = json!({"limit": 40, "of": "p", "tiers": [1, 2, 3], "levels": {"gold": 9, "event": 1}});
        let params = params.as_object().cloned().unwrap_or_default();
        Case { script: script(&choices), params, window, steps: Some(3) }
    })
}
