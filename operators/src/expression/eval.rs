//! The tree of an expression and its evaluation.
//!
//! The parser bounds the depth of the tree, so recursion is safe.

use super::{
    operand::{EvalError, Kind, Operand},
    operator::{Comparison, Function, Math},
};

/// One node of an expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    Slot(usize),
    /// The number that a slot holds or spells, else what it holds.
    Amount(usize),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Math(Math, Box<[Node; 2]>),
    Compare(Comparison, Box<[Node; 2]>),
    /// Whether two values have the same spelling, or not.
    Same(bool, Box<[Node; 2]>),
    /// Application of a function with one argument.
    Call(Function, Box<Node>),
    /// Application of a function with two arguments.
    Call2(Function, Box<[Node; 2]>),
    /// Conditional: condition, then-branch, else-branch.
    If(Box<[Node; 3]>),
}

impl Node {
    /// The kind of the result, if it does not depend on the slots (absent results aside).
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Node::Bool(_)
            | Node::And(_)
            | Node::Or(_)
            | Node::Not(_)
            | Node::Compare(..)
            | Node::Same(..) => Some(Kind::Bool),
            Node::Int(_)
            | Node::Float(_)
            | Node::Negate(_)
            | Node::Math(..)
            | Node::Call(..)
            | Node::Call2(..) => Some(Kind::Number),
            Node::Text(_) => Some(Kind::Text),
            Node::Slot(_) | Node::Amount(_) => None,
            Node::If(parts) => parts[1].kind().filter(|kind| parts[2].kind() == Some(*kind)),
        }
    }

    /// Calls `change` with every slot in the tree.
    pub(super) fn for_each_slot(&mut self, change: &mut dyn FnMut(&mut usize)) {
        match self {
            Node::Slot(slot) | Node::Amount(slot) => change(slot),
            Node::Bool(_) | Node::Int(_) | Node::Float(_) | Node::Text(_) => {}
            Node::And(parts) | Node::Or(parts) => parts.iter_mut().for_each(|p| p.for_each_slot(change)),
            Node::Not(part) | Node::Negate(part) | Node::Call(_, part) => part.for_each_slot(change),
            Node::Math(_, parts) | Node::Compare(_, parts) | Node::Same(_, parts) | Node::Call2(_, parts) => {
                parts.iter_mut().for_each(|p| p.for_each_slot(change));
            }
            Node::If(parts) => parts.iter_mut().for_each(|p| p.for_each_slot(change)),
        }
    }

    pub(super) fn eval<'a, 'v: 'a>(
        &'a self,
        slots: &mut dyn FnMut(usize) -> Operand<'v>,
    ) -> Result<Operand<'a>, EvalError> {
        Ok(match self {
            Node::Bool(b) => Operand::Bool(*b),
            Node::Int(i) => Operand::Int(*i),
            Node::Float(f) => Operand::Float(*f),
            Node::Text(t) => Operand::Text(t.as_ref().into()),
            Node::Slot(slot) => slots(*slot),
            Node::Amount(slot) => slots(*slot).amount(),
            Node::And(parts) => {
                for part in parts {
                    if !part.eval(slots)?.truth("&&")? {
                        return Ok(Operand::Bool(false));
                    }
                }
                Operand::Bool(true)
            }
            Node::Or(parts) => {
                for part in parts {
                    if part.eval(slots)?.truth("||")? {
                        return Ok(Operand::Bool(true));
                    }
                }
                Operand::Bool(false)
            }
            Node::Not(part) => Operand::Bool(!part.eval(slots)?.truth("!")?),
            Node::Negate(part) => part.eval(slots)?.negate()?,
            Node::Math(math, parts) => {
                let (a, b) = (parts[0].eval(slots)?, parts[1].eval(slots)?);
                math.apply(&a, &b)?
            }
            Node::Compare(comparison, parts) => {
                let (a, b) = (parts[0].eval(slots)?, parts[1].eval(slots)?);
                Operand::Bool(comparison.holds(&a, &b))
            }
            Node::Same(wanted, parts) => {
                let (a, b) = (parts[0].eval(slots)?, parts[1].eval(slots)?);
                Operand::Bool(a.is_spelled_as(&b).is_some_and(|same| same == *wanted))
            }
            Node::Call(function, part) => {
                let a = part.eval(slots)?;
                function.apply(&a, &a)?
            }
            Node::Call2(function, parts) => {
                let (a, b) = (parts[0].eval(slots)?, parts[1].eval(slots)?);
                function.apply(&a, &b)?
            }
            Node::If(parts) => {
                let branch = if parts[0].eval(slots)?.truth("if")? { &parts[1] } else { &parts[2] };
                branch.eval(slots)?
            }
        })
    }
}
