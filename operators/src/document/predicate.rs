//! Predicates on properties and tags, as rules write them: comparisons, nested by `all`, `any` and `not`.
//!
//! Both kinds share one JSON shape; a node that is neither is refused with what may be written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A predicate on a profile's tags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RawNode", into = "RawNode")]
#[schemars(with = "RawNode")]
pub enum Query {
    /// Every part holds.
    All(Vec<Query>),
    /// Some part holds.
    Any(Vec<Query>),
    /// The part does not hold.
    Not(Box<Query>),
    /// A tag compared with a value.
    Tag(Comparison),
}

/// A predicate on an event's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RawNode", into = "RawNode")]
#[schemars(with = "RawNode")]
pub enum Predicate {
    /// Every part holds.
    All(Vec<Predicate>),
    /// Some part holds.
    Any(Vec<Predicate>),
    /// The part does not hold.
    Not(Box<Predicate>),
    /// One element of a list, an object, of which all parts hold.
    AnyOf {
        /// The list.
        list: String,
        /// What holds of the element's members.
        parts: Vec<Predicate>,
    },
    /// A property compared with a value.
    Property(Comparison),
    /// A Rhai expression over the properties.
    Expr(String),
}

/// `NAME OP VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The property, top-level field or tag.
    pub name: String,
    /// Operator of the comparison.
    pub op: Op,
    /// Value to compare with.
    pub value: serde_json::Value,
    /// What both sides are read as; by default a number or a text, as the value is one.
    pub reading: Option<Reading>,
    /// Whether upper and lower case are the same, and so are characters that differ in their form only.
    pub ignore_case: bool,
}

/// What the two sides of a comparison are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// instants: RFC 3339, without an offset of UTC, a date as its midnight, or a unix time of any unit
    Date,
    /// version numbers such as `2.10.3` or `v3.0-rc.1`
    Version,
    /// texts, by code point
    Text,
    /// numbers
    Number,
    /// IP addresses
    Ip,
}

/// Operators of comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// equal
    #[serde(rename = "=")]
    Eq,
    /// not equal; true for an absent name
    #[serde(rename = "!=")]
    Ne,
    /// greater
    #[serde(rename = ">")]
    Gt,
    /// greater or equal
    #[serde(rename = ">=")]
    Ge,
    /// less
    #[serde(rename = "<")]
    Lt,
    /// less or equal
    #[serde(rename = "<=")]
    Le,
    /// one of a list
    In,
    /// contains the text
    Contains,
    /// begins with the text
    StartsWith,
    /// ends with the text
    EndsWith,
    /// matches the regular expression somewhere
    Regex,
    /// is present (`true`) or absent (`false`)
    Exists,
    /// between two values, both included
    Between,
    /// an IP address in one of the networks, such as `10.0.0.0/8`
    InCidr,
}

impl Op {
    /// All operators, as documents write them.
    const NAMES: [&str; 14] = [
        "=",
        "!=",
        ">",
        ">=",
        "<",
        "<=",
        "in",
        "contains",
        "starts_with",
        "ends_with",
        "regex",
        "exists",
        "between",
        "in_cidr",
    ];
}

/// The JSON shape shared by [`Query`] and [`Predicate`]: one of `all`, `any`, `not`, `expr`, `any_of` with `where`, or a
/// comparison.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawNode {
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Vec<RawNode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    any: Option<Vec<RawNode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not: Option<Box<RawNode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    any_of: Option<String>,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    predicates: Option<Vec<RawNode>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    property: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<Op>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    reading: Option<Reading>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_case: Option<bool>,
}

impl RawNode {
    /// Number of fields that are given, and whether some of them say how a comparison reads its sides.
    fn fields(&self) -> (usize, bool) {
        let RawNode {
            all,
            any,
            not,
            expr,
            any_of,
            predicates,
            property,
            tag,
            op,
            value,
            reading,
            ignore_case,
        } = self;
        let given = [
            all.is_some(),
            any.is_some(),
            not.is_some(),
            expr.is_some(),
            any_of.is_some(),
            predicates.is_some(),
            property.is_some(),
            tag.is_some(),
            op.is_some(),
            value.is_some(),
        ];
        let given = given.into_iter().filter(|given| *given).count();
        (given, reading.is_some() || ignore_case.is_some())
    }
}

const NODE: &str = "write one of {\"property\", \"op\", \"value\"} with \"as\" or \"ignore_case\" if need be, {\"any\": [..]}, {\"all\": [..]}, {\"not\": {..}}, {\"any_of\": \"LIST\", \"where\": [..]} or {\"expr\": \"..\"}";
const QUERY: &str =
    "write one of {\"tag\", \"op\", \"value\"}, {\"any\": [..]}, {\"all\": [..]} or {\"not\": {..}}";

impl TryFrom<RawNode> for Predicate {
    type Error = String;

    fn try_from(node: RawNode) -> Result<Self, String> {
        let each = |nodes: Vec<RawNode>| nodes.into_iter().map(Predicate::try_from).collect::<Result<_, _>>();
        let fields = node.fields();
        let (alone, paired, compared) = (fields == (1, false), fields == (2, false), fields.0 == 3);
        match node {
            RawNode { any_of: Some(list), predicates: Some(parts), .. } if paired => {
                Ok(Predicate::AnyOf { list, parts: each(parts)? })
            }
            RawNode { all: Some(parts), .. } if alone => Ok(Predicate::All(each(parts)?)),
            RawNode { any: Some(parts), .. } if alone => Ok(Predicate::Any(each(parts)?)),
            RawNode { not: Some(part), .. } if alone => {
                Ok(Predicate::Not(Box::new(Predicate::try_from(*part)?)))
            }
            RawNode { expr: Some(text), .. } if alone => Ok(Predicate::Expr(text)),
            RawNode {
                property: Some(name), op: Some(op), value: Some(value), reading, ignore_case, ..
            } if compared => {
                let ignore_case = ignore_case == Some(true);
                Ok(Predicate::Property(Comparison { name, op, value, reading, ignore_case }))
            }
            RawNode { property: Some(name), op: None, .. } => {
                Err(format!("`op` is missing for property `{name}`; write one of {}", Op::NAMES.join(" ")))
            }
            RawNode { property: Some(name), value: None, .. } => {
                Err(format!("`value` is missing for property `{name}`"))
            }
            RawNode { tag: Some(_), .. } => Err(format!("`tag` belongs into a crowd's query; {NODE}")),
            _ => Err(NODE.into()),
        }
    }
}

impl TryFrom<RawNode> for Query {
    type Error = String;

    fn try_from(node: RawNode) -> Result<Self, String> {
        let each = |nodes: Vec<RawNode>| nodes.into_iter().map(Query::try_from).collect::<Result<_, _>>();
        let fields = node.fields();
        let (alone, compared) = (fields == (1, false), fields.0 == 3);
        match node {
            RawNode { expr: Some(_), .. } | RawNode { property: Some(_), .. } => Err(QUERY.into()),
            RawNode { all: Some(parts), .. } if alone => Ok(Query::All(each(parts)?)),
            RawNode { any: Some(parts), .. } if alone => Ok(Query::Any(each(parts)?)),
            RawNode { not: Some(part), .. } if alone => Ok(Query::Not(Box::new(Query::try_from(*part)?))),
            RawNode { tag: Some(name), op: Some(op), value: Some(value), reading, ignore_case, .. }
                if compared =>
            {
                let ignore_case = ignore_case == Some(true);
                Ok(Query::Tag(Comparison { name, op, value, reading, ignore_case }))
            }
            _ => Err(QUERY.into()),
        }
    }
}

impl From<Predicate> for RawNode {
    fn from(predicate: Predicate) -> RawNode {
        let each = |parts: Vec<Predicate>| Some(parts.into_iter().map(RawNode::from).collect());
        match predicate {
            Predicate::All(parts) => RawNode { all: each(parts), ..RawNode::default() },
            Predicate::Any(parts) => RawNode { any: each(parts), ..RawNode::default() },
            Predicate::Not(part) => RawNode { not: Some(Box::new((*part).into())), ..RawNode::default() },
            Predicate::AnyOf { list, parts } => {
                RawNode { any_of: Some(list), predicates: each(parts), ..RawNode::default() }
            }
            Predicate::Expr(text) => RawNode { expr: Some(text), ..RawNode::default() },
            Predicate::Property(c) => RawNode { property: Some(c.name.clone()), ..c.into() },
        }
    }
}

impl From<Query> for RawNode {
    fn from(query: Query) -> RawNode {
        let each = |parts: Vec<Query>| Some(parts.into_iter().map(RawNode::from).collect());
        match query {
            Query::All(parts) => RawNode { all: each(parts), ..RawNode::default() },
            Query::Any(parts) => RawNode { any: each(parts), ..RawNode::default() },
            Query::Not(part) => RawNode { not: Some(Box::new((*part).into())), ..RawNode::default() },
            Query::Tag(c) => RawNode { tag: Some(c.name.clone()), ..c.into() },
        }
    }
}

/// A comparison, but for what it compares.
impl From<Comparison> for RawNode {
    fn from(comparison: Comparison) -> RawNode {
        let Comparison { name: _, op, value, reading, ignore_case } = comparison;
        RawNode {
            op: Some(op),
            value: Some(value),
            reading,
            ignore_case: ignore_case.then_some(true),
            ..RawNode::default()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_operators_is_that_of_the_schema() {
        let schema = serde_json::to_value(schemars::schema_for!(Op)).unwrap();
        let variants =
            schema["oneOf"].as_array().unwrap().iter().map(|variant| variant["const"].as_str().unwrap());
        assert_eq!(variants.collect::<Vec<_>>(), Op::NAMES);
        let fault = serde_json::from_str::<Predicate>(r#"{"property": "x", "value": 1}"#).unwrap_err();
        assert!(fault.to_string().contains("write one of = != > >= <"), "{fault}");
    }
}
