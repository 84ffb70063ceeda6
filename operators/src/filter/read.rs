//! Comparisons that say what their two sides are read as: `as`, `ignore_case` and `in_cidr`.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::Timestamp;
use regex::Regex;
use serde_json::Value as Json;

use super::{
    compare::{Unparsed, scalar, spelled},
    compile::{list, literal, needle, regex, text},
    predicate::{Order, TextPosition},
    version::Version,
};
use crate::{
    document::spec::{Comparison, Op, Reading},
    model::{decode::instant_of, number::Number, text::folded, value::Value},
};

/// A comparison of what a value is read as. Of `!=` it is the `=` that this negates.
#[derive(Clone, Debug)]
pub(super) struct Read {
    kind: Kind,
    test: Test,
}

/// What a value is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Folded,
    Number,
    Date,
    Version,
    Ip,
}

/// What a value was read as. Only those of one kind are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Text(Box<str>),
    Number(Number),
    Date(Timestamp),
    Version(Version),
    Ip(IpAddr),
}

#[derive(Clone, Debug)]
enum Test {
    OneOf(Box<[Form]>),
    Ordered(Order, Form),
    /// Both ends included.
    Between([Form; 2]),
    Text(TextPosition, Box<str>),
    Regex(Regex),
    Within(Box<[IpNet]>),
}

/// What is wrong with a comparison: the member of the document, and the message.
pub(super) type Misread = (&'static str, String);

impl Read {
    /// Compiles a comparison; `None` if it does not say what its sides are read as.
    pub(super) fn compile(comparison: &Comparison) -> Result<Option<Read>, Misread> {
        let Comparison { op, value, reading, ignore_case, .. } = comparison;
        let kind = match (op, reading, ignore_case) {
            (_, None, false) => return Ok(None),
            (_, None | Some(Reading::Text), true) => Kind::Folded,
            (_, Some(_), true) => {
                return Err(("ignore_case", "only texts have case; leave it out, or `as`".into()));
            }
            (_, Some(Reading::Text), false) => Kind::Text,
            (_, Some(Reading::Number), false) => Kind::Number,
            (_, Some(Reading::Date), false) => Kind::Date,
            (_, Some(Reading::Version), false) => Kind::Version,
            (_, Some(Reading::Ip), false) => Kind::Ip,
        };
        let test = test(*op, value, kind).map_err(|message| ("value", message))?;
        let of_text = matches!(test, Some(Test::Text(..) | Test::Regex(_)));
        match test {
            Some(test) if !of_text || matches!(kind, Kind::Text | Kind::Folded) => {
                Ok(Some(Read { kind, test }))
            }
            _ => {
                let member = if reading.is_some() { "as" } else { "ignore_case" };
                Err((member, "this operator does not read its sides so; leave it out".into()))
            }
        }
    }

    /// Whether a value is an address in one of the networks of `in_cidr`.
    pub(super) fn within(value: &Json) -> Result<Read, String> {
        Ok(Read { kind: Kind::Ip, test: Test::Within(networks(value)?) })
    }

    /// Whether the comparison holds for a value that is present.
    ///
    /// # Errors
    /// If the value can't be read so.
    pub(super) fn holds(&self, value: &Value<'_>, buffer: &mut String) -> Result<bool, Unparsed> {
        let mut form = || self.kind.read(value, buffer).ok_or(Unparsed);
        Ok(match &self.test {
            Test::OneOf(forms) => forms.contains(&form()?),
            Test::Ordered(order, bound) => order.accepts(form()?.cmp(bound)),
            Test::Between([low, high]) => (low..=high).contains(&&form()?),
            Test::Text(position, needle) => match self.kind {
                Kind::Folded => position.has(&folded(spelled(value, buffer)), needle),
                _ => position.has(spelled(value, buffer), needle),
            },
            Test::Regex(regex) => regex.is_match(spelled(value, buffer)),
            Test::Within(networks) => match form()? {
                Form::Ip(ip) => networks.iter().any(|network| network.contains(&ip)),
                _ => false,
            },
        })
    }
}

/// The test of an operator; `None` if its sides are not read.
fn test(op: Op, value: &Json, kind: Kind) -> Result<Option<Test>, String> {
    let one = || kind.literal(value);
    let needle = |name| match kind {
        Kind::Folded => text(value, name).map(|text| folded(text).into()),
        _ => needle(value, name),
    };
    Ok(Some(match op {
        Op::Eq | Op::Ne => Test::OneOf([one()?].into()),
        Op::In => {
            list(value)?;
            let values = value.as_array().into_iter().flatten();
            Test::OneOf(values.map(|value| kind.literal(value)).collect::<Result<_, _>>()?)
        }
        Op::Between => {
            let right =
                || "`between` needs two values, the lower first, such as [\"1.2\", \"1.10\"]".to_owned();
            let values = value.as_array().ok_or_else(right)?;
            let [low, high] = <&[Json; 2]>::try_from(values.as_slice()).map_err(|_| right())?;
            let ends = [kind.literal(low)?, kind.literal(high)?];
            if ends[0] > ends[1] {
                return Err(format!("{low} is above {high}; write the lower first: [{high}, {low}]"));
            }
            Test::Between(ends)
        }
        Op::Gt | Op::Ge | Op::Lt | Op::Le => match Order::of(op) {
            Some(order) => Test::Ordered(order, one()?),
            None => return Ok(None),
        },
        Op::Contains => Test::Text(TextPosition::Anywhere, needle("contains")?),
        Op::StartsWith => Test::Text(TextPosition::Start, needle("starts_with")?),
        Op::EndsWith => Test::Text(TextPosition::End, needle("ends_with")?),
        Op::Regex => Test::Regex(regex(value, kind == Kind::Folded)?),
        Op::Exists | Op::InCidr => return Ok(None),
    }))
}

/// The networks of `in_cidr`: one, or a list.
fn networks(value: &Json) -> Result<Box<[IpNet]>, String> {
    let right = "`in_cidr` takes a network such as \"10.0.0.0/8\", or a list of them";
    let all = match value {
        Json::String(_) => std::slice::from_ref(value),
        Json::Array(values) if !values.is_empty() => values,
        _ => return Err(right.into()),
    };
    let network = |value: &Json| {
        let text = value.as_str().ok_or_else(|| right.to_owned())?;
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or_else(|_| address()).map(canonical_network).map_err(|_| {
            format!("\"{text}\" is no network; write one such as \"10.0.0.0/8\" or \"2001:db8::/32\"")
        })
    };
    all.iter().map(network).collect()
}

/// The network of IPv4 addresses that one of IPv6 addresses which stand for those is.
fn canonical_network(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let canonical = |v6: Ipv6Net| {
        let v4 = v6.network().to_ipv4_mapped()?;
        Ipv4Net::new(v4, v6.prefix_len().checked_sub(96)?).ok()
    };
    canonical(v6).map_or(network, IpNet::V4)
}

impl Kind {
    /// What a value is read as; `None` if it can't be.
    fn read(self, value: &Value<'_>, buffer: &mut String) -> Option<Form> {
        let text = || match value {
            Value::Text(text) => Some(text.as_ref()),
            _ => None,
        };
        Some(match self {
            Kind::Text => Form::Text(spelled(value, buffer).into()),
            Kind::Folded => Form::Text(folded(spelled(value, buffer)).into()),
            Kind::Number => Form::Number(Number::of(value)?),
            Kind::Date => Form::Date(instant_of(value)?),
            Kind::Version => Form::Version(Version::parse(spelled(value, buffer))?),
            Kind::Ip => Form::Ip(text()?.trim().parse::<IpAddr>().ok()?.to_canonical()),
        })
    }

    fn literal(self, value: &Json) -> Result<Form, String> {
        literal(value)?;
        let form = scalar(value).and_then(|value| self.read(&value, &mut String::new()));
        form.ok_or_else(|| {
            let right = match self {
                Kind::Text | Kind::Folded => "a text",
                Kind::Number => "a number",
                Kind::Date => "a date such as \"2026-11-20\" or \"2026-11-20T08:00:00+08:00\"",
                Kind::Version => "a version such as \"2.10.3\", in quotes",
                Kind::Ip => "an IP address such as \"10.0.0.1\"",
            };
            format!("{value} is not read so; write {right}")
        })
    }
}
