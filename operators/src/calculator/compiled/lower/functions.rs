//! Calls of native functions, written as functions or as methods.

use rhai::{Expr, FnCallExpr, Position};

use super::{Lower, Lowered, Result, refused};
use crate::calculator::compiled::{
    any::{Any, Call},
    function::Function,
    held::{Held, View},
    kind::{Kind, Kinds},
    math::Math,
    tree::{Int, Truth},
};

impl Lower<'_> {
    /// Lowers `function(..)`, of the script's own or native.
    pub(super) fn function_call(&mut self, call: &FnCallExpr, position: Position) -> Result<Lowered> {
        let name = call.name.as_str();
        if let Some(own) = self.own(name, call.args.len()) {
            return self.own_call(own, &call.args, position);
        }
        let [first, others @ ..] = &call.args[..] else {
            return refused(position, format!("the function `{name}` is not compiled here"));
        };
        let lent = self.variable(first).is_some_and(|at| !self.scope[at].constant);
        let value = self.value(first)?;
        self.native(name, value, others, (lent, position))
    }

    /// Lowers `value.method(..)`. `lent` is whether the value is a variable or an entry of a map.
    pub(super) fn method(
        &mut self,
        value: Lowered,
        call: &FnCallExpr,
        lent: bool,
        position: Position,
    ) -> Result<Lowered> {
        let name = call.name.as_str();
        let own = |arguments| self.own(name, arguments).is_some();
        if own(call.args.len()) || own(call.args.len() + 1) {
            return refused(
                position,
                format!("the script's own function `{name}` is not compiled as a method"),
            );
        }
        self.native(name, value, &call.args, (lent, position))
    }

    /// Lowers the call of a native function. `lent` is whether the first argument is a variable or an entry of
    /// a map.
    pub(super) fn native(
        &mut self,
        name: &str,
        first: Lowered,
        others: &[Expr],
        (lent, position): (bool, Position),
    ) -> Result<Lowered> {
        let not = || refused(position, format!("the function `{name}` is not compiled here"));
        let second = match others {
            [] => None,
            [second] => Some(self.apart(position, |lower| lower.value(second))?),
            _ => return not(),
        };
        let number = 1 + others.len();
        if let Some(math) = of_numbers(name, number) {
            let second = second.unwrap_or(Lowered::Int(Int::Const(0)));
            return self.math(math, [first, second], false, position);
        }
        let Some(function) = Function::named(name, number) else { return not() };
        let second = second.unwrap_or(Lowered::UNIT);
        let kinds = [first.kinds(), second.kinds()];
        if let Some(known) = known(function, &first, kinds[0]) {
            return Ok(known);
        }
        let place = self.place(position);
        if function.kinds(kinds[0], kinds[1]).is_empty() {
            self.faults.without_result(name, &kinds[..number], place);
        }
        let arguments = [self.any(first, position)?, self.any(second, position)?];
        Ok(Lowered::of(Any::Call(Box::new(Call { function, arguments, lent, place }))))
    }
}

/// The function of numbers alone that scripts call by a name with a number of arguments.
fn of_numbers(name: &str, arguments: usize) -> Option<Math> {
    Some(match (name, arguments) {
        ("abs", 1) => Math::Abs,
        ("floor", 1) => Math::Floor,
        ("ceil", 1) => Math::Ceil,
        ("round", 1) => Math::Round,
        ("min", 2) => Math::Min,
        ("max", 2) => Math::Max,
        _ => return None,
    })
}

/// The result if the argument is constant, or its kinds alone decide it.
fn known(function: Function, argument: &Lowered, kinds: Kinds) -> Option<Lowered> {
    let numbers = [Kind::Int, Kind::Float].into_iter().collect();
    let others = [Kind::Unit, Kind::Bool, Kind::Char].into_iter().collect();
    match (function, argument) {
        (Function::ToInt, Lowered::Int(_)) | (Function::ToFloat, Lowered::Float(_)) => Some(argument.clone()),
        (Function::IsNumber, Lowered::Data(_)) => None,
        (Function::IsNumber, Lowered::Any(Any::Const(held))) => {
            let truth = function.call(held.view(), View::Unit, false) == Ok(Held::Bool(true));
            Some(Lowered::Truth(Truth::Const(truth)))
        }
        (Function::IsNumber, argument) if argument.clone().any().is_some_and(|any| any.can_fail()) => None,
        (Function::IsNumber, _) if kinds.is_empty() => None,
        (Function::IsNumber, _) if kinds.within(numbers) => Some(Lowered::Truth(Truth::Const(true))),
        (Function::IsNumber, _) if kinds.within(others) => Some(Lowered::Truth(Truth::Const(false))),
        _ => None,
    }
}
