//! Random expressions of a kind.

use super::draw::{Draw, Kind, Place};

impl Draw<'_> {
    /// An expression of a kind, at most so deep.
    pub(super) fn expression(&mut self, kind: Kind, depth: usize) -> String {
        if depth > 0 && self.below(12) == 11 {
            return self.choice_of(kind, depth - 1);
        }
        match kind {
            Kind::Int => self.int(depth),
            Kind::Float => self.float(depth),
            Kind::Truth => self.truth(depth),
            Kind::Text => self.text(depth),
            Kind::Any => self.any(depth),
        }
    }

    fn part(&mut self, kind: Kind, depth: usize) -> String {
        self.expression(kind, depth.saturating_sub(1))
    }

    /// An `if`, a `switch` or a block whose value is of a kind.
    fn choice_of(&mut self, kind: Kind, depth: usize) -> String {
        let kinds = if kind == Kind::Any { [self.kind(), self.kind()] } else { [kind; 2] };
        let [a, b] = kinds.map(|kind| self.scoped(|draw| draw.expression(kind, depth)));
        match self.below(4) {
            0 => format!("(if {} {{ {a} }} else {{ {b} }})", self.truth(depth)),
            1 => {
                let of = self.kind();
                let (value, guard) = (self.expression(of, depth), self.truth(0));
                let literal = self.one(&["0", "7", "\"x\"", "true", "2.5", "()", "'x'", "-5"]);
                let other = self.one(&["1", "\"é\"", "false", "12", "1.25"]);
                format!(
                    "(switch {value} {{ {literal} if {guard} => {a}, {literal} | {other} => {b}, _ => {a} }})"
                )
            }
            2 => {
                let (value, start) = (self.part(Kind::Any, depth), self.below(9));
                let end = start + self.below(30);
                format!(
                    "(switch {value} {{ 3 => {b}, {start}..{end} => {a}, 5..=70 if {} => {b}, _ => {b} }})",
                    self.truth(0)
                )
            }
            _ => {
                let name = self.name();
                format!("{{ let {name} = {a}; {name} }}")
            }
        }
    }

    fn now(&self) -> &'static str {
        if self.place == Place::Event { "event.now" } else { "now" }
    }

    fn known(&mut self, kind: Kind, others: &[&str]) -> String {
        if self.below(2) == 1
            && let Some(name) = self.variable(kind, false)
        {
            return name;
        }
        self.one(others).to_owned()
    }

    fn int(&mut self, depth: usize) -> String {
        let leaf = |draw: &mut Self| {
            let own: &[&str] = match draw.place {
                Place::Event => &["state.a", "state.b", "event.step", "event.time", "event.now"],
                Place::Own => &["4", "9", "31"],
                _ => &["state.a", "state.b", "now"],
            };
            match draw.below(6) {
                0 => draw.below(50).to_string(),
                1 if draw.below(6) == 0 => {
                    draw.one(&["9223372036854775807", "-9223372036854775807"]).to_owned()
                }
                2 if draw.place != Place::Own => {
                    draw.one(&["params.limit", "params.tiers[1]", "params.levels.gold"]).to_owned()
                }
                _ => draw.known(Kind::Int, own),
            }
        };
        if depth == 0 {
            return leaf(self);
        }
        match self.below(16) {
            0..=2 => leaf(self),
            3..=6 => self.binary(Kind::Int, Kind::Int, &["+", "-", "&", "|", "^", ">>"], depth),
            7 => format!(
                "({} {} {})",
                self.part(Kind::Int, depth),
                self.one(&["*", "/", "%", "<<"]),
                self.below(9)
            ),
            8 => self.binary(Kind::Int, Kind::Int, &["*", "/", "%", "**", "<<"], depth),
            9 => format!("{}({})", self.one(&["abs", "-", "to_int"]), self.part(Kind::Int, depth)),
            10 => format!(
                "{}({}, {})",
                self.one(&["min", "max"]),
                self.part(Kind::Int, depth),
                self.part(Kind::Int, depth)
            ),
            11 => format!("to_int({})", self.part(Kind::Float, depth)),
            12 => format!("len({})", self.part(Kind::Text, depth)),
            13 if self.place != Place::Own => {
                let now = self.now();
                self.one(&["state.hits.at(NOW)", "state.seen.at(NOW)", "state.plain.at(NOW)"])
                    .replace("NOW", now)
            }
            14 if self.place != Place::Own => format!("twice({})", self.part(Kind::Int, depth)),
            15 if self.place == Place::Event => "params.tiers[event.step]".to_owned(),
            _ => leaf(self),
        }
    }

    fn binary(&mut self, a: Kind, b: Kind, operators: &[&str], depth: usize) -> String {
        let (a, operator, b) = (self.part(a, depth), self.one(operators), self.part(b, depth));
        format!("({a} {operator} {b})")
    }

    fn float(&mut self, depth: usize) -> String {
        let fields: &[&str] = if self.place == Place::Own { &["0.25"] } else { &["state.f", "state.g"] };
        let operators = ["+", "-", "*", "/", "%", "+", "-"];
        if depth == 0 {
            let constant = self.one(&["1.5", "0.1", "-2.25", "1e300", "0.0"]);
            return self.known(Kind::Float, &[constant, fields[0], fields[fields.len() - 1]]);
        }
        match self.below(9) {
            0 | 1 => self.float(0),
            2 => self.binary(Kind::Float, Kind::Float, &operators, depth),
            3 => self.binary(Kind::Int, Kind::Float, &operators, depth),
            4 => self.binary(Kind::Float, Kind::Int, &operators, depth),
            5 => format!(
                "{}({})",
                self.one(&["floor", "ceil", "round", "abs", "-", "to_float"]),
                self.part(Kind::Float, depth)
            ),
            6 => format!(
                "{}({}, {})",
                self.one(&["min", "max"]),
                self.part(Kind::Float, depth),
                self.part(Kind::Float, depth)
            ),
            7 if self.place != Place::Own => format!("state.nums.figures({}).sum", self.now()),
            _ => format!("to_float({})", self.part(Kind::Int, depth)),
        }
    }

    pub(super) fn truth(&mut self, depth: usize) -> String {
        let field = if self.place == Place::Own { "true" } else { "state.ok" };
        let comparisons = ["==", "!=", "<", "<=", ">", ">="];
        if depth == 0 {
            let input = if self.place == Place::Event { "event.p != ()" } else { field };
            return self.known(Kind::Truth, &["false", field, input]);
        }
        match self.below(12) {
            0 => self.truth(0),
            1..=4 => {
                let kind = self.kind();
                self.binary(kind, kind, &comparisons, depth)
            }
            5 | 6 => {
                let (a, b) = (self.kind(), self.kind());
                self.binary(a, b, &comparisons, depth)
            }
            7 => self.binary(Kind::Truth, Kind::Truth, &["&&", "||", "^", "&", "|"], depth),
            8 => format!("!{}", self.part(Kind::Truth, depth)),
            9 => {
                let function = self.one(&["contains", "starts_with", "ends_with"]);
                format!("{function}({}, {})", self.part(Kind::Text, depth), self.part(Kind::Text, depth))
            }
            10 => self.binary(Kind::Text, Kind::Text, &["in", "!in"], depth),
            _ => format!("is_number({})", self.part(Kind::Any, depth)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let fields: &[&str] = if self.place == Place::Own { &["\"é\""] } else { &["state.t", "state.u"] };
        if depth == 0 {
            let constant = self.one(&["\"x\"", "\"\"", "\"12.5\"", "\"event\"", "\"7\""]);
            return self.known(Kind::Text, &[constant, fields[0], fields[fields.len() - 1]]);
        }
        match self.below(8) {
            0 => self.text(0),
            1 => self.binary(Kind::Text, Kind::Text, &["+", "-"], depth),
            2 => format!("({} {} 'c')", self.part(Kind::Text, depth), self.one(&["+", "-"])),
            3 => format!("({} + ())", self.part(Kind::Text, depth)),
            4 => format!("to_string({})", self.part(Kind::Int, depth)),
            5 => format!("to_string({})", self.part(Kind::Float, depth)),
            6 => {
                let kind = self.kind();
                format!("`{}${{{}}}-`", self.below(9), self.part(kind, depth))
            }
            _ => format!("({}).to_string()", self.part(Kind::Text, depth)),
        }
    }

    fn any(&mut self, depth: usize) -> String {
        let inputs: &[&str] = match self.place {
            Place::Event => &["event.p", "event.q", "event[params.of]"],
            Place::Outputs | Place::Timer => {
                &["state.nums.figures(now).max", "state.last.figures(now).value"]
            }
            Place::Own => &["()", "'c'"],
        };
        let leaf = self.known(Kind::Any, inputs);
        if depth == 0 {
            return leaf;
        }
        let (kind, second) = (self.kind(), self.kind());
        match self.below(10) {
            0 | 1 => leaf,
            2 if self.place != Place::Own => {
                format!("chosen({leaf}, {})", self.part(Kind::Int, depth))
            }
            3 | 4 => self.binary(Kind::Any, kind, &["+", "-", "*", "/", "%", "&"], depth),
            5 => self.binary(kind, second, &["+", "-"], depth),
            6 => format!("({leaf} ?? {})", self.part(kind, depth)),
            7 => format!(
                "{}({})",
                self.one(&["abs", "to_int", "to_float", "to_string", "len", "-", "floor"]),
                leaf
            ),
            8 if self.place != Place::Own => format!("of_any({}, {})", leaf, self.part(kind, depth)),
            _ => format!("(if {} {{ {leaf} }})", self.part(Kind::Truth, depth)),
        }
    }
}
