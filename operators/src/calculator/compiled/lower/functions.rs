//! Calls of native functions, written as functions or as methods.

use rhai::{Expr, FnCallExpr, Position};

use super::{Lower, Lowered, Result, refused};
use crate::calculator::compiled::{
    any::{Any, Call},
    function::Function,
    math::Math,
    tree::Int,
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
        let lent = self.variable(first).is_some_and(|at| !self.scope[at].constant || at < self.first);
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
        let number = |name: &str| {
            Some(match name {
                "abs" => (Math::Abs, 1),
                "floor" => (Math::Floor, 1),
                "ceil" => (Math::Ceil, 1),
                "round" => (Math::Round, 1),
                "min" => (Math::Min, 2),
                "max" => (Math::Max, 2),
                _ => return None,
            })
        };
        let arguments = 1 + others.len();
        let second = |unused| second.unwrap_or(unused);
        if let Some((math, takes)) = number(name) {
            if takes != arguments {
                return not();
            }
            return self.math(math, [first, second(Lowered::Int(Int::Const(0)))], false, position);
        }
        let Some(function) = Function::named(name, arguments) else { return not() };
        match (function, first) {
            (Function::ToInt, first @ Lowered::Int(_)) => Ok(first),
            (Function::ToFloat, first @ Lowered::Float(_)) => Ok(first),
            (function, first) => {
                let second = second(Lowered::UNIT);
                let kinds = [first.kinds(), second.kinds()];
                if function.kinds(kinds[0], kinds[1]).is_empty() {
                    let place = self.place(position);
                    self.faults.without_result(name, &kinds[..arguments], place);
                }
                let second = self.any(second, position)?;
                let arguments = [self.any(first, position)?, second];
                let place = self.place(position);
                Ok(Lowered::of(Any::Call(Box::new(Call { function, arguments, lent, place }))))
            }
        }
    }
}
