//! JSON as it stands in a line: numbers by their digits, halves of surrogate pairs as U+FFFD.

use std::iter::Peekable;
use std::str::Chars;

/// A parsed value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Members in their order.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Parses a text that is one value; `None` if it is not.
    pub(crate) fn parse(text: &str) -> Option<Node> {
        let mut chars = text.chars().peekable();
        let node = value(&mut chars)?;
        blanks(&mut chars);
        chars.next().is_none().then_some(node)
    }

    /// The value as JSON, without blanks.
    pub(crate) fn to_json(&self) -> String {
        let quoted = |text: &str| serde_json::to_string(text).expect("a text");
        let joined = |parts: Vec<String>| parts.join(",");
        match self {
            Node::Null => "null".to_owned(),
            Node::Bool(b) => b.to_string(),
            Node::Number(digits) => digits.clone(),
            Node::Text(text) => quoted(text),
            Node::List(list) => format!("[{}]", joined(list.iter().map(Node::to_json).collect())),
            Node::Object(members) => {
                let member = |(name, node): &(String, Node)| format!("{}:{}", quoted(name), node.to_json());
                format!("{{{}}}", joined(members.iter().map(member).collect()))
            }
        }
    }

    /// The last member of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        let Node::Object(members) = self else { return None };
        members.iter().rev().find(|(own, _)| own == name).map(|(_, node)| node)
    }
}

fn blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
}

fn value(chars: &mut Peekable<Chars<'_>>) -> Option<Node> {
    blanks(chars);
    match *chars.peek()? {
        '"' => Some(Node::Text(text(chars)?)),
        '[' => list(chars),
        '{' => object(chars),
        '-' | '0'..='9' => number(chars),
        _ => {
            let mut word = String::new();
            while let Some(letter) = chars.next_if(char::is_ascii_lowercase) {
                word.push(letter);
            }
            match word.as_str() {
                "null" => Some(Node::Null),
                "true" => Some(Node::Bool(true)),
                "false" => Some(Node::Bool(false)),
                _ => None,
            }
        }
    }
}

fn list(chars: &mut Peekable<Chars<'_>>) -> Option<Node> {
    let mut items = Vec::new();
    chars.next();
    blanks(chars);
    if chars.next_if_eq(&']').is_some() {
        return Some(Node::List(items));
    }
    loop {
        items.push(value(chars)?);
        blanks(chars);
        match chars.next()? {
            ',' => {}
            ']' => return Some(Node::List(items)),
            _ => return None,
        }
    }
}

fn object(chars: &mut Peekable<Chars<'_>>) -> Option<Node> {
    let mut members = Vec::new();
    chars.next();
    blanks(chars);
    if chars.next_if_eq(&'}').is_some() {
        return Some(Node::Object(members));
    }
    loop {
        blanks(chars);
        let name = text(chars)?;
        blanks(chars);
        if chars.next()? != ':' {
            return None;
        }
        members.push((name, value(chars)?));
        blanks(chars);
        match chars.next()? {
            ',' => {}
            '}' => return Some(Node::Object(members)),
            _ => return None,
        }
    }
}

fn number(chars: &mut Peekable<Chars<'_>>) -> Option<Node> {
    let mut text = String::new();
    while let Some(c) = chars.next_if(|c| matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9')) {
        text.push(c);
    }
    // The grammar of JSON: no zeros in front, and digits on both sides of a point.
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (digits, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let right = [whole, fraction, exponent].iter().all(|part| all_digits(part));
    (right && (whole == "0" || !whole.starts_with('0'))).then_some(Node::Number(text))
}

fn text(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    // UTF-16, as escapes spell it.
    let mut units: Vec<u16> = Vec::new();
    if chars.next()? != '"' {
        return None;
    }
    loop {
        match chars.next()? {
            '"' => return Some(String::from_utf16_lossy(&units)),
            '\\' => units.push(match chars.next()? {
                c @ ('"' | '\\' | '/') => c as u16,
                'b' => 8,
                'f' => 12,
                'n' => 10,
                'r' => 13,
                't' => 9,
                'u' => {
                    let digits: Option<String> =
                        (0..4).map(|_| chars.next_if(char::is_ascii_hexdigit)).collect();
                    u16::from_str_radix(&digits?, 16).ok()?
                }
                _ => return None,
            }),
            c if c < ' ' => return None,
            c => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
        }
    }
}
