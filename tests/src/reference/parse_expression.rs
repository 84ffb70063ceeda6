//! Parser of expressions: Rhai's syntax and precedence, restricted to what rules may contain.

use super::node::{Comparison, Node};
use super::value::Value;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    Symbol(&'static str),
}

/// Longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 22] = [
    "**", "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "(", ")", "{", "}",
    ",", ".", ";",
];

/// Parses an expression; with `floats` its integer literals are floats.
pub(crate) fn parse(text: &str, floats: bool) -> Result<Node, String> {
    let mut parser = Parser { tokens: tokenize(text)?, at: 0, floats };
    let node = parser.binary(0)?;
    if parser.at < parser.tokens.len() {
        return Err(format!("unexpected {:?}", parser.tokens[parser.at]));
    }
    Ok(node)
}

fn tokenize(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() {
            let (token, length) = number(rest)?;
            tokens.push(token);
            length
        } else if first.is_ascii_alphabetic() || first == '_' {
            let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let length = rest.find(|c| !name(c)).unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..length].to_owned()));
            length
        } else if first == '"' {
            let (text, length) = quoted(rest)?;
            tokens.push(Token::Text(text));
            length
        } else {
            let symbol =
                SYMBOLS.iter().find(|s| rest.starts_with(**s)).ok_or(format!("unexpected {first}"))?;
            tokens.push(Token::Symbol(symbol));
            symbol.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn number(rest: &str) -> Result<(Token, usize), String> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let mut length = digits(rest);
    let mut float = false;
    if rest[length..].starts_with('.') && rest[length + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        float = true;
        length += 1 + digits(&rest[length + 1..]);
    }
    if float && rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        length += 1 + sign + digits(&rest[length + 1 + sign..]);
    }
    let plain = rest[..length].replace('_', "");
    let token = if float {
        Token::Float(plain.parse().map_err(|e| format!("{plain}: {e}"))?)
    } else {
        Token::Int(plain.parse().map_err(|e| format!("{plain}: {e}"))?)
    };
    Ok((token, length))
}

fn quoted(rest: &str) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((text, at + 1)),
            '\\' => text.push(match chars.next().map(|(_, c)| c) {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(c @ ('"' | '\\' | '\'')) => c,
                other => return Err(format!("escape {other:?}")),
            }),
            c => text.push(c),
        }
    }
    Err("a text without its end".to_owned())
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    floats: bool,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Symbol(s)) if *s == symbol);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.take(symbol) { Ok(()) } else { Err(format!("{symbol} expected, not {:?}", self.peek())) }
    }

    /// Parses operators that bind tighter than `above`.
    fn binary(&mut self, above: u8) -> Result<Node, String> {
        let mut left = self.unary()?;
        while let Some(Token::Symbol(symbol)) = self.peek() {
            let symbol = *symbol;
            let Some(binding) = precedence(symbol).filter(|binding| *binding > above) else { break };
            self.at += 1;
            // Powers group to the right, everything else to the left.
            let right = self.binary(if symbol == "**" { binding - 1 } else { binding })?;
            let sides = (Box::new(left), Box::new(right));
            left = match symbol {
                "==" | "!=" if self.floats && are_spelled(&sides) => {
                    Node::Same(symbol == "==", sides.0, sides.1)
                }
                _ => join(symbol, sides.0, sides.1),
            };
        }
        Ok(left)
    }

    /// Signs bind tighter than every binary operator, `**` included.
    fn unary(&mut self) -> Result<Node, String> {
        if self.take("-") {
            Ok(Node::Negate(Box::new(self.unary()?)))
        } else if self.take("!") {
            Ok(Node::Not(Box::new(self.unary()?)))
        } else {
            self.primary()
        }
    }

    fn primary(&mut self) -> Result<Node, String> {
        let token = self.peek().cloned().ok_or("the expression ends too early")?;
        self.at += 1;
        Ok(match token {
            Token::Int(i) if self.floats => Node::Literal(Value::Float(i as f64)),
            Token::Int(i) => Node::Literal(Value::Int(i.into())),
            Token::Float(f) => Node::Literal(Value::Float(f)),
            Token::Text(text) => Node::Literal(Value::Text(text)),
            Token::Symbol("(") => {
                let inner = self.binary(0)?;
                self.expect(")")?;
                inner
            }
            Token::Name(name) => match name.as_str() {
                "true" => Node::Literal(Value::Bool(true)),
                "false" => Node::Literal(Value::Bool(false)),
                "if" => self.branches()?,
                _ if self.take("(") => match (name.as_str(), self.arguments()?.as_slice()) {
                    ("prop", [Node::Literal(Value::Text(property))]) => Node::Name(property.clone()),
                    (_, arguments) => Node::Call(name, arguments.to_vec()),
                },
                _ if self.take(".") => match self.peek().cloned() {
                    Some(Token::Name(output)) => {
                        self.at += 1;
                        Node::Output(name, output)
                    }
                    other => return Err(format!("an output's name expected, not {other:?}")),
                },
                _ => Node::Name(name),
            },
            Token::Symbol(symbol) => return Err(format!("unexpected {symbol}")),
        })
    }

    fn arguments(&mut self) -> Result<Vec<Node>, String> {
        let mut list = vec![self.binary(0)?];
        while self.take(",") {
            list.push(self.binary(0)?);
        }
        self.expect(")")?;
        Ok(list)
    }

    fn branches(&mut self) -> Result<Node, String> {
        let condition = self.binary(0)?;
        let yes = self.block()?;
        match self.peek() {
            Some(Token::Name(name)) if name == "else" => self.at += 1,
            other => return Err(format!("else expected, not {other:?}")),
        }
        let no = if matches!(self.peek(), Some(Token::Name(name)) if name == "if") {
            self.at += 1;
            self.branches()?
        } else {
            self.block()?
        };
        Ok(Node::If(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn block(&mut self) -> Result<Node, String> {
        self.expect("{")?;
        let inner = self.binary(0)?;
        self.expect("}")?;
        Ok(inner)
    }
}

/// Whether equality asks how two sides are spelled: both are properties, or one is and the other a text.
fn are_spelled((a, b): &(Box<Node>, Box<Node>)) -> bool {
    let is_name = |side: &Node| matches!(side, Node::Name(_));
    let asks = |side: &Node| is_name(side) || matches!(side, Node::Literal(Value::Text(_)));
    asks(a) && asks(b) && (is_name(a) || is_name(b))
}

/// Precedence of a binary operator, as in Rhai.
fn precedence(symbol: &str) -> Option<u8> {
    Some(match symbol {
        "||" => 30,
        "&&" => 60,
        "==" | "!=" => 90,
        "<" | "<=" | ">" | ">=" => 130,
        "+" | "-" => 150,
        "*" | "/" | "%" => 180,
        "**" => 190,
        _ => return None,
    })
}

fn join(symbol: &str, left: Box<Node>, right: Box<Node>) -> Node {
    let comparison = match symbol {
        "||" => return Node::Or(left, right),
        "&&" => return Node::And(left, right),
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        "**" => return Node::Arithmetic('^', left, right),
        arithmetic => return Node::Arithmetic(arithmetic.chars().next().unwrap_or('+'), left, right),
    };
    Node::Compare(comparison, left, right)
}
