//! Lowering of Rhai's syntax tree to [`Node`]s; syntax without a node is refused.
//!
//! Rhai's tree may change with every release of Rhai, hence the exact version in the workspace. The only
//! other modules that read it are `calculator::interpreter::script` and `calculator::compiled::lower`.

use rhai::{ASTFlags, Engine, Expr, FnCallExpr, OptimizationLevel, Position, Stmt, StmtBlock, Token};

use super::{
    ExpressionError, Literals, MAX_BYTES, Resolve,
    eval::Node,
    operand::Kind,
    operator::{Comparison, Function, Math},
};
use crate::model::value::parse_number;

/// Deepest nesting of an expression; every operator of a chain counts.
const MAX_DEPTH: usize = 100;

const ALLOWED: &str = "write names, `id.output`, numbers, \"texts\", + - * / % **, == != > >= < <=, && || !, (..), `if a { b } else { c }` and abs min max round floor ceil";

type Lowered = Result<Node, ExpressionError>;

pub(super) struct Lower<'r, 's> {
    literals: Literals,
    resolve: &'s mut Resolve<'r>,
    slots: Vec<usize>,
}

impl<'r, 's> Lower<'r, 's> {
    /// Parses and lowers `text`; returns the tree and every slot that it names.
    pub(super) fn read(
        text: &str,
        literals: Literals,
        resolve: &'s mut Resolve<'r>,
    ) -> Result<(Node, Vec<usize>), ExpressionError> {
        if text.len() > MAX_BYTES {
            let message =
                format!("an expression has at most {MAX_BYTES} bytes, this one has {}; split it", text.len());
            return Err(ExpressionError { line: 1, column: 1, message });
        }
        let mut engine = Engine::new_raw();
        engine.set_optimization_level(OptimizationLevel::None).set_max_expr_depths(MAX_DEPTH, MAX_DEPTH);
        let ast = engine.compile_expression(text).map_err(|e| refused(e.1, format!("{}; {ALLOWED}", e.0)))?;
        let mut lower = Lower { literals, resolve, slots: Vec::new() };
        let root = match ast.statements() {
            [Stmt::Expr(expr)] => lower.expr(expr)?,
            [Stmt::FnCall(call, position)] => lower.call(call, *position)?,
            _ => return Err(refused(Position::NONE, format!("this is not an expression; {ALLOWED}"))),
        };
        Ok((root, lower.slots))
    }

    fn expr(&mut self, expr: &Expr) -> Lowered {
        match expr {
            Expr::BoolConstant(b, _) => Ok(Node::Bool(*b)),
            Expr::IntegerConstant(i, _) if self.literals == Literals::Floats => Ok(Node::Float(*i as f64)),
            Expr::IntegerConstant(i, _) => Ok(Node::Int(*i)),
            Expr::FloatConstant(f, _) => Ok(Node::Float(**f)),
            Expr::StringConstant(s, _) => Ok(match parse_number(s) {
                Some(f) if self.literals == Literals::Floats => Node::Float(f),
                _ => Node::Text(s.as_str().into()),
            }),
            Expr::Variable(name, _, position) => self.slot(&name.1, None, *position),
            Expr::Dot(parts, flags, position) => match (&parts.lhs, &parts.rhs) {
                (Expr::Variable(name, _, start), Expr::Property(output, _))
                    if !flags.contains(ASTFlags::NEGATED) =>
                {
                    self.slot(&name.1, Some(&output.2), *start)
                }
                (_, Expr::MethodCall(call, at)) => Err(refused(
                    *at,
                    match Function::named(&call.name) {
                        Some(_) => format!("write `{0}(..)` instead of `.{0}()`", call.name),
                        None => format!("there is no function `{}`; {ALLOWED}", call.name),
                    },
                )),
                _ => Err(refused(
                    *position,
                    "a dot stands only between an id and its output, as in `amt.max`".into(),
                )),
            },
            Expr::And(parts, _) => self.truths(parts, "`&&`").map(Node::And),
            Expr::Or(parts, _) => self.truths(parts, "`||`").map(Node::Or),
            Expr::FnCall(call, position) => self.call(call, *position),
            Expr::Stmt(block) => self.block(block, block.position()),
            Expr::CharConstant(c, position) => Err(refused(
                *position,
                format!("texts stand in double quotes: write \"{c}\" instead of '{c}'"),
            )),
            Expr::Coalesce(_, position) => Err(refused(
                *position,
                "`??` is not supported; what is absent makes a comparison false".into(),
            )),
            other => Err(refused(other.start_position(), format!("this is not supported; {ALLOWED}"))),
        }
    }

    fn slot(&mut self, name: &str, output: Option<&str>, position: Position) -> Lowered {
        let slot = (self.resolve)(name, output).map_err(|message| refused(position, message))?;
        self.slots.push(slot);
        Ok(match self.literals {
            Literals::AsWritten => Node::Slot(slot),
            Literals::Floats => Node::Amount(slot),
        })
    }

    /// The sides of a comparison for equality that asks whether two values are the same: a property and another, or a
    /// text. Where one is computed, or a number, it asks how much they are.
    fn same(&mut self, sides: [&Expr; 2]) -> Result<Option<[Node; 2]>, ExpressionError> {
        let is_text = |side: &Expr| matches!(side, Expr::StringConstant(..));
        let is_property = |side: &Expr| match side {
            Expr::Variable(..) => true,
            Expr::FnCall(call, _) => call.name == "prop",
            _ => false,
        };
        let asks = sides.iter().all(|side| is_text(side) || is_property(side));
        if self.literals != Literals::Floats || !asks || sides.iter().all(|side| is_text(side)) {
            return Ok(None);
        }
        let mut side = |side: &Expr| match side {
            Expr::StringConstant(text, _) => Ok(Node::Text(text.as_str().into())),
            property => self.expr(property).map(|node| match node {
                Node::Amount(slot) => Node::Slot(slot),
                other => other,
            }),
        };
        let [a, b] = sides;
        Ok(Some([side(a)?, side(b)?]))
    }

    fn truths(&mut self, parts: &[Expr], place: &str) -> Result<Box<[Node]>, ExpressionError> {
        parts.iter().map(|part| self.of_kind(part, Kind::Bool, place)).collect()
    }

    /// Lowers an operand; refused if it can never be of the kind that `place` requires.
    fn of_kind(&mut self, expr: &Expr, wanted: Kind, place: &str) -> Lowered {
        let node = self.expr(expr)?;
        match node.kind() {
            Some(kind) if kind != wanted => {
                Err(refused(expr.start_position(), format!("{place} takes {wanted}, and this is {kind}")))
            }
            _ => Ok(node),
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position) -> Lowered {
        match (&call.op_token, call.args.as_slice()) {
            (Some(Token::Bang), [part]) => Ok(Node::Not(Box::new(self.of_kind(part, Kind::Bool, "`!`")?))),
            (Some(Token::Minus), [part]) => {
                Ok(Node::Negate(Box::new(self.of_kind(part, Kind::Number, "`-`")?)))
            }
            (Some(token), [a, b]) => {
                if let Some(math) = math(token) {
                    let place = format!("`{}`", math.name());
                    let parts =
                        [self.of_kind(a, Kind::Number, &place)?, self.of_kind(b, Kind::Number, &place)?];
                    Ok(Node::Math(math, Box::new(parts)))
                } else if let Some(comparison) = comparison(token) {
                    if let (Comparison::Eq | Comparison::Ne, Some(sides)) = (comparison, self.same([a, b])?) {
                        return Ok(Node::Same(comparison == Comparison::Eq, Box::new(sides)));
                    }
                    let parts = [self.expr(a)?, self.expr(b)?];
                    chained(&parts, position)?;
                    Ok(Node::Compare(comparison, Box::new(parts)))
                } else {
                    Err(refused(
                        position,
                        format!("the operator `{}` is not supported; {ALLOWED}", call.name),
                    ))
                }
            }
            (None, [Expr::StringConstant(name, position)])
                if call.name == "prop" && self.literals == Literals::Floats =>
            {
                self.slot(name, None, *position)
            }
            (None, arguments) if !call.capture_parent_scope => match (Function::named(&call.name), arguments)
            {
                (Some((function, 1)), [a]) => {
                    Ok(Node::Call(function, Box::new(self.of_kind(a, Kind::Number, &call.name)?)))
                }
                (Some((function, 2)), [a, b]) => {
                    let parts = [
                        self.of_kind(a, Kind::Number, &call.name)?,
                        self.of_kind(b, Kind::Number, &call.name)?,
                    ];
                    Ok(Node::Call2(function, Box::new(parts)))
                }
                (Some((_, wanted)), _) => Err(refused(
                    position,
                    format!("`{}` takes {wanted} number(s), not {}", call.name, arguments.len()),
                )),
                (None, _) => Err(refused(
                    position,
                    format!("there is no function or operator `{}`; {ALLOWED}", call.name),
                )),
            },
            _ => Err(refused(
                position,
                format!("the operator `{}` is not supported here; {ALLOWED}", call.name),
            )),
        }
    }

    /// Lowers a block, which must hold exactly one expression.
    fn block(&mut self, block: &StmtBlock, position: Position) -> Lowered {
        match block.statements() {
            [statement] => self.statement(statement),
            _ => Err(refused(
                position,
                "a block holds exactly one expression, as in `if a { b } else { c }`".into(),
            )),
        }
    }

    fn statement(&mut self, statement: &Stmt) -> Lowered {
        match statement {
            Stmt::Expr(expr) => self.expr(expr),
            Stmt::FnCall(call, position) => self.call(call, *position),
            Stmt::Block(block) => self.block(block, block.position()),
            Stmt::If(parts, position) if parts.branch.is_empty() => {
                Err(refused(*position, "`if` needs an `else`: write `if a { b } else { c }`".into()))
            }
            Stmt::If(parts, position) => Ok(Node::If(Box::new([
                self.of_kind(&parts.expr, Kind::Bool, "`if`")?,
                self.block(&parts.body, *position)?,
                self.block(&parts.branch, *position)?,
            ]))),
            other => Err(refused(other.position(), format!("statements are not supported; {ALLOWED}"))),
        }
    }
}

/// Refuses `1 < x < 5`, which would compare a boolean with a number.
fn chained(parts: &[Node; 2], position: Position) -> Result<(), ExpressionError> {
    let compares = |node: &Node| matches!(node, Node::Compare(..) | Node::Same(..));
    let other = |node: &Node| node.kind().is_some_and(|kind| kind != Kind::Bool);
    let [a, b] = parts;
    if (compares(a) && other(b)) || (compares(b) && other(a)) {
        return Err(refused(position, "comparisons do not chain: write `1 < x && x < 5`".into()));
    }
    Ok(())
}

fn math(token: &Token) -> Option<Math> {
    Some(match token {
        Token::Plus => Math::Add,
        Token::Minus => Math::Subtract,
        Token::Multiply => Math::Multiply,
        Token::Divide => Math::Divide,
        Token::Modulo => Math::Remainder,
        Token::PowerOf => Math::Power,
        _ => return None,
    })
}

fn comparison(token: &Token) -> Option<Comparison> {
    Some(match token {
        Token::EqualsTo => Comparison::Eq,
        Token::NotEqualsTo => Comparison::Ne,
        Token::GreaterThan => Comparison::Gt,
        Token::GreaterThanEqualsTo => Comparison::Ge,
        Token::LessThan => Comparison::Lt,
        Token::LessThanEqualsTo => Comparison::Le,
        _ => return None,
    })
}

fn refused(position: Position, message: String) -> ExpressionError {
    ExpressionError { line: position.line().unwrap_or(1), column: position.position().unwrap_or(1), message }
}
