//! Emission of values of any kind.

use super::Emitter;
use crate::calculator::compiled::{
    any::{Any, Table},
    code::{Destination, Op, Source},
    held::Held,
    kind::Kind,
    place::Place,
    tree::{Float, Int, Truth, Variable},
};

impl Emitter {
    pub(super) fn put(&mut self, variable: Variable, any: &Any) {
        match self.source_to(Some(Destination::Held(variable)), any) {
            Source::Held(from) if from == variable => {}
            from => {
                self.push(Op::Put(variable, from));
            }
        }
    }

    /// Emits a map, whose texts Rhai limits together.
    pub(super) fn map(&mut self, map: u8, values: &[(Any, Place)], first: Variable) {
        let mut number = 0;
        for (value, place) in values {
            self.released(|emitter| emitter.put(first + number, value));
            number += 1;
            if value.kinds().has(Kind::Text) {
                self.push_at(Op::CheckTexts(first, number), *place);
            }
        }
        self.push(Op::GiveMap(map, first, number));
    }

    /// Emits the operations before a value. Returns where it is.
    pub(super) fn source(&mut self, any: &Any) -> Source {
        self.source_to(None, any)
    }

    /// Emits the operations before a value, which is at the target if it has to be made. The target may be one
    /// that is read, as it is written last.
    pub(super) fn source_to(&mut self, to: Option<Destination>, any: &Any) -> Source {
        match any {
            Any::Const(held) => self.constant(held),
            Any::Input(input) => Source::Input(*input),
            Any::Text(slot) => Source::Text(*slot),
            Any::Local(variable, _) => Source::Held(*variable),
            Any::Int(Int::Const(int)) => self.constant(&Held::Int(*int)),
            Any::Int(int) => Source::Int(self.int(int)),
            Any::Float(Float::Const(float)) => self.constant(&Held::Float(*float)),
            Any::Float(float) => Source::Float(self.float(float)),
            Any::Truth(Truth::Const(truth)) => self.constant(&Held::Bool(*truth)),
            Any::Truth(truth) => Source::Truth(self.truth(truth)),
            Any::Math(math, sides, place) => {
                let [a, b] = self.sides(sides, math.is_unary());
                self.made(to, *place, |to| Op::Calculate(*math, to, a, b))
            }
            Any::Assign(math, sides, place) => {
                let [a, b] = self.sides(sides, false);
                self.made(to, *place, |to| Op::Assign(*math, to, a, b))
            }
            Any::Call(call) => {
                let sides = self.sides(&call.arguments, call.function.is_unary());
                self.made(to, call.place, |to| Op::Call(call.function, to, sides, call.lent))
            }
            Any::Join(parts) => self.join(parts),
            Any::Index(sides, place) => {
                let [of, by] = self.sides(sides, false);
                self.made(to, *place, |to| Op::Index(to, of, by))
            }
            Any::Entry(table, by, place) => {
                let by = self.released(|emitter| emitter.source(by));
                let at = self.table(table);
                self.made(to, *place, |to| Op::Entry(to, at, by))
            }
            Any::Figure(slot, figure, now, place) => {
                let now = self.released(|emitter| emitter.int(now));
                self.made(to, *place, |to| Op::Figure(to, *slot, *figure, now))
            }
            Any::After(statements, value) => {
                self.block(statements);
                self.source_to(to, value)
            }
        }
    }

    fn constant(&mut self, held: &Held<'static>) -> Source {
        // 0.0 equals -0.0, but is another word.
        let same = |other: &Held<'static>| other == held && other.view().word() == held.view().word();
        let position = self.constants.iter().position(same).unwrap_or_else(|| {
            self.constants.push(held.clone());
            self.constants.len() - 1
        });
        Source::Constant(u8::try_from(position).unwrap_or(u8::MAX))
    }

    /// Both operands; the first one twice if there is one only.
    fn sides(&mut self, sides: &[Any; 2], unary: bool) -> [Source; 2] {
        self.released(|emitter| {
            let a = emitter.source(&sides[0]);
            [a, if unary { a } else { emitter.source(&sides[1]) }]
        })
    }

    /// Emits an operation that makes a value. It may write the variable of an operand, as it reads all of them
    /// before.
    fn made(&mut self, to: Option<Destination>, place: Place, op: impl FnOnce(Destination) -> Op) -> Source {
        let to = to.unwrap_or_else(|| Destination::Held(self.held.take()));
        self.push_at(op(to), place);
        match to {
            Destination::Held(variable) => Source::Held(variable),
            Destination::Word(register) => Source::Int(register),
        }
    }

    fn join(&mut self, parts: &[(Any, Place)]) -> Source {
        let empty = self.constant(&String::new().into());
        let to = self.held.take();
        self.push(Op::Put(to, empty));
        for (part, place) in parts {
            let from = self.released(|emitter| emitter.source(part));
            self.push_at(Op::Append(to, from), *place);
        }
        Source::Held(to)
    }

    fn table(&mut self, table: &Table) -> u8 {
        self.tables.push(table.clone());
        u8::try_from(self.tables.len() - 1).unwrap_or(u8::MAX)
    }
}
