//! State fields and their methods.

use rhai::{Expr, FnCallExpr, Position};

use super::{
    Lower, Lowered, Result,
    access::{Link, Part, chain},
    inferred::Key,
    refused,
};
use crate::calculator::{
    Aggregate, Cell,
    compiled::{
        any::Any,
        kind::Kind,
        tree::{Float, Folded, Int, Shadow, Slot, Statement, Truth, Variable},
    },
};

impl<'l> Lower<'l> {
    /// Position and first value of a field.
    pub(super) fn slot(&self, name: &str, position: Position) -> Result<(Slot, &'l Cell)> {
        let index = self.context.names.iter().position(|field| field.as_str() == name);
        let found = index.and_then(|i| Some((u8::try_from(i).ok()?, self.context.initial.get(i)?)));
        found.map_or_else(|| refused(position, format!("`init` makes no field `{name}`")), Ok)
    }

    /// The variable that stands for a field, if the function changes a copy of it.
    pub(super) fn shadow(&self, slot: Slot) -> Option<Variable> {
        let found = self.inferred.fields().position(|field| field == slot)?;
        u8::try_from(found).ok()
    }

    /// Fields of which the function changes a copy.
    pub(super) fn shadows(&self) -> Vec<Shadow> {
        let shadow = |slot: Slot| {
            let kind = Kind::of_cell(self.context.initial.get(usize::from(slot))?)?;
            let name = self.context.names.get(usize::from(slot))?.as_str().into();
            let kinds = self.inferred.kinds(Key::Field(slot)).with(kind.into());
            Some(Shadow { slot, name, kind, kinds })
        };
        self.inferred.fields().filter_map(shadow).collect()
    }

    /// The value of a field of a kind.
    pub(super) fn field_value(&self, slot: Slot, kind: Kind) -> Lowered {
        if let Some(variable) = self.shadow(slot) {
            let kinds = self.inferred.kinds(Key::Field(slot)).with(kind.into());
            return Lowered::of(Any::Local(variable, kinds));
        }
        match kind {
            Kind::Int => Lowered::Int(Int::Slot(slot)),
            Kind::Float => Lowered::Float(Float::Slot(slot)),
            Kind::Bool => Lowered::Truth(Truth::Slot(slot)),
            _ => Lowered::Any(Any::Text(slot)),
        }
    }

    /// Lowers what is read of the state.
    pub(super) fn of_state(&mut self, links: &[Link<'_>], position: Position) -> Result<Lowered> {
        let (name, others) = match links {
            [Link { part: Part::Name(name), .. }, others @ ..] => ((*name).to_owned(), others),
            [Link { part: Part::Index(Expr::StringConstant(name, _)), .. }, others @ ..] => {
                (name.to_string(), others)
            }
            _ => return self.unknown(position),
        };
        let (slot, cell) = self.slot(&name, position)?;
        match (Kind::of_cell(cell), others) {
            (None, [Link { part: Part::Method(call), position, .. }, others @ ..]) => {
                let value = self.figure(slot, cell, (call, others), *position)?;
                let rest = if call.name == "figures" { &others[1..] } else { others };
                self.follow(value, rest, false)
            }
            (None, _) => refused(position, "a field that is a native aggregate is not compiled here"),
            (Some(Kind::Int), [Link { part: Part::Method(call), position, .. }]) if call.name == "at" => {
                self.plain_count(slot, call, *position)
            }
            (Some(kind), others) => {
                let value = self.field_value(slot, kind);
                self.follow(value, others, true)
            }
        }
    }

    /// Lowers `FIELD.at(now)` of a plain count.
    fn plain_count(&mut self, slot: Slot, call: &FnCallExpr, position: Position) -> Result<Lowered> {
        let ([now], None, None) = (&call.args[..], self.own("at", 1), self.shadow(slot)) else {
            return refused(position, "`.at` is not compiled here");
        };
        match self.int(now)? {
            now if !now.can_fail() => Ok(Lowered::Int(Int::Slot(slot))),
            _ => refused(position, "`.at` is not compiled here"),
        }
    }

    /// Lowers `FIELD.at(now)` or `FIELD.figures(now).NAME` of an aggregate.
    fn figure(
        &mut self,
        slot: Slot,
        cell: &Cell,
        (call, others): (&FnCallExpr, &[Link<'_>]),
        position: Position,
    ) -> Result<Lowered> {
        let name = call.name.as_str();
        let (Cell::Aggregate(aggregate), [now], None) = (cell, &call.args[..], self.own(name, 1)) else {
            return refused(position, format!("the value of `.{name}` is not compiled"));
        };
        let now = self.int(now)?;
        let figure = match others {
            [Link { part: Part::Name(name), .. }, ..] => {
                aggregate.figures().iter().find(|figure| figure.name() == *name)
            }
            _ => None,
        };
        match (name, figure) {
            ("at", _) if aggregate.at(0).is_some() => Ok(Lowered::Int(Int::At(slot, Box::new(now)))),
            ("figures", Some(figure)) => {
                Ok(Lowered::of(Any::Figure(slot, *figure, Box::new(now), self.place(position))))
            }
            _ => refused(position, format!("`.{name}` is not compiled here")),
        }
    }

    /// Lowers `state.FIELD.add(..)`; `None` if the expression is something else.
    pub(super) fn add(&mut self, expr: &Expr) -> Result<Option<Statement>> {
        let Some((root, links)) = chain(expr) else { return Ok(None) };
        let (true, [Link { part: Part::Name(field), .. }, Link { part: Part::Method(call), position, .. }]) =
            (self.is_state(root), &links[..])
        else {
            return Ok(None);
        };
        if call.name != "add" || self.own("add", call.args.len()).is_some() {
            return Ok(None);
        }
        let (slot, cell) = self.slot(field, *position)?;
        let done = match (cell, &call.args[..]) {
            (Cell::Int(_), [time, now]) if self.shadow(slot).is_none() => {
                let times = [self.int(time)?, self.int(now)?];
                if times.iter().any(Int::can_fail) {
                    return refused(*position, "the arguments of this `add` are not compiled");
                }
                Statement::Increment(slot)
            }
            (Cell::Aggregate(aggregate), [time, now]) if matches!(**aggregate, Aggregate::Count(_)) => {
                let times = [self.int(time)?, self.apart(*position, |lower| lower.int(now))?];
                Statement::CountEvent(slot, times)
            }
            (Cell::Aggregate(aggregate), [value, times @ ..]) => {
                let value = self.folded(value)?;
                let times = self.apart(*position, |lower| lower.times(aggregate, times, *position))?;
                Statement::Fold(slot, value, times, self.place(*position))
            }
            _ => return refused(*position, "this `add` is not compiled"),
        };
        self.change(0);
        Ok(Some(done))
    }

    fn folded(&mut self, value: &Expr) -> Result<Folded> {
        let position = value.position();
        match self.value(value)? {
            Lowered::Any(Any::Input(input)) => Ok(Folded::Input(input)),
            Lowered::Int(int) => Ok(Folded::Int(int)),
            value => Ok(Folded::Any(self.any(value, position)?)),
        }
    }

    /// Time and now of a fold; aggregates of everything need neither.
    fn times(&mut self, aggregate: &Aggregate, times: &[Expr], position: Position) -> Result<[Int; 2]> {
        match (aggregate, times) {
            (Aggregate::Count(_), _) => refused(position, "a count folds no value"),
            (_, [time, now]) => Ok([self.int(time)?, self.int(now)?]),
            (Aggregate::Stats(_) | Aggregate::Top(_) | Aggregate::Distinct(_), []) => {
                Ok([Int::Const(0), Int::Const(0)])
            }
            _ => refused(position, "this aggregate needs the time"),
        }
    }
}
