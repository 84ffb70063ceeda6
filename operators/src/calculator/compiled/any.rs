//! Expressions whose values are of any kind.

use super::{
    function::Function,
    held::Held,
    kind::{Kind, Kinds},
    math::Math,
    place::Place,
    tree::{Float, Input, Int, Slot, Statement, Truth, Variable},
};
use crate::calculator::aggregate::Figure;

/// An expression whose value is of any kind, or of one that has no expressions of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Any {
    Const(Held<'static>),
    /// A property of the event, `()` if it has none.
    Input(Input),
    /// A field that is a text.
    Text(Slot),
    Local(Variable, Kinds),
    Int(Int),
    Float(Float),
    Truth(Truth),
    Math(Math, Box<[Any; 2]>, Place),
    /// As [`Any::Math`], for an assignment of the result to the first operand.
    Assign(Math, Box<[Any; 2]>, Place),
    Call(Box<Call>),
    /// Parts of a text, with their places.
    Join(Vec<(Any, Place)>),
    /// A character of a text, or a bit of an integer.
    Index(Box<[Any; 2]>, Place),
    /// An entry of a constant array or map.
    Entry(Box<Table>, Box<Any>, Place),
    /// Figure at an instant of an aggregate that has several.
    Figure(Slot, Figure, Box<Int>, Place),
    /// Statements, and a value after them.
    After(Vec<Statement>, Box<Any>),
}

/// A call of a native function.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) arguments: [Any; 2],
    /// Whether the first argument is a variable or an entry of a map.
    pub(super) lent: bool,
    pub(super) place: Place,
}

/// A constant array or map of scalars.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Table {
    Array(Vec<Held<'static>>),
    /// Ascending by name.
    Map(Vec<(Box<str>, Held<'static>)>),
}

impl Table {
    fn kinds(&self) -> Kinds {
        match self {
            Table::Array(values) => values.iter().map(Held::kind).collect(),
            Table::Map(entries) => entries.iter().map(|(_, value)| value.kind()).collect(),
        }
    }
}

impl Any {
    pub(super) const UNIT: Any = Any::Const(Held::Unit);

    /// Kinds that its values can have; none if every evaluation fails.
    pub(super) fn kinds(&self) -> Kinds {
        match self {
            Any::Const(held) => held.kind().into(),
            Any::Input(_) => Kinds::INPUT,
            Any::Text(_) | Any::Join(_) => Kind::Text.into(),
            Any::Local(_, kinds) => *kinds,
            Any::Int(_) => Kind::Int.into(),
            Any::Float(_) => Kind::Float.into(),
            Any::Truth(_) => Kind::Bool.into(),
            Any::Math(math, sides, _) => math.kinds(sides[0].kinds(), sides[1].kinds()),
            Any::Assign(math, sides, _) => {
                let [a, b] = [sides[0].kinds(), sides[1].kinds()];
                let kept = *math == Math::Add && a.has(Kind::Char) && b.has(Kind::Text);
                let kept = if kept { Kind::Char.into() } else { Kinds::default() };
                math.kinds(a, b).with(kept)
            }
            Any::Call(call) => call.function.kinds(call.arguments[0].kinds(), call.arguments[1].kinds()),
            Any::Index(sides, _) => index_kinds(sides[0].kinds(), sides[1].kinds()),
            Any::Entry(table, ..) => table.kinds(),
            Any::Figure(_, Figure::Count, ..) => Kind::Int.into(),
            Any::Figure(_, Figure::Sum, ..) => Kind::Float.into(),
            Any::Figure(_, Figure::At, ..) => [Kind::Unit, Kind::Int].into_iter().collect(),
            Any::Figure(_, Figure::Value, ..) => Kinds::INPUT,
            Any::Figure(_, Figure::Min | Figure::Max, ..) => {
                [Kind::Unit, Kind::Int, Kind::Float].into_iter().collect()
            }
            Any::Figure(..) => [Kind::Unit, Kind::Float].into_iter().collect(),
            Any::After(_, value) => value.kinds(),
        }
    }

    /// Whether an evaluation can fail.
    pub(super) fn can_fail(&self) -> bool {
        match self {
            Any::Const(_) | Any::Input(_) | Any::Text(_) | Any::Local(..) => false,
            Any::Int(int) => int.can_fail(),
            Any::Float(float) => float.can_fail(),
            Any::Truth(truth) => truth.can_fail(),
            Any::Math(math, sides, _) | Any::Assign(math, sides, _) => {
                sides.iter().any(Any::can_fail) || math_can_fail(*math, sides)
            }
            Any::Call(call) => {
                let [a, b] = &call.arguments;
                a.can_fail() || b.can_fail() || call.function.can_fail(a.kinds(), b.kinds())
            }
            Any::Figure(_, Figure::At | Figure::Value, ..) => true,
            Any::Figure(_, _, now, _) => now.can_fail(),
            Any::Join(_) | Any::Index(..) | Any::Entry(..) | Any::After(..) => true,
        }
    }
}

/// Whether some operands of these kinds have no result, or a text that could be too long.
fn math_can_fail(math: Math, sides: &[Any; 2]) -> bool {
    let [a, b] = [sides[0].kinds(), sides[1].kinds()];
    let fails = |a: Kind, b: Kind| match math.kind(a, b) {
        None | Some(Kind::Text) => true,
        Some(Kind::Int) => math.can_fail(),
        Some(_) => false,
    };
    a.iter().any(|a| if math.is_unary() { fails(a, a) } else { b.iter().any(|b| fails(a, b)) })
}

fn index_kinds(of: Kinds, by: Kinds) -> Kinds {
    let entries = [(Kind::Text, Kind::Char), (Kind::Int, Kind::Bool)];
    let found = entries.into_iter().filter(|(kind, _)| of.has(*kind) && by.has(Kind::Int));
    found.map(|(_, entry)| entry).collect()
}
