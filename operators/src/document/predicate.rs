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
}

impl Op {
    /// All operators, as documents write them.
    const NAMES: [&str; 13] = [
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
}

impl RawNode {
    /// Whether exactly this number of fields is given.
    fn has_fields(&self, number: usize) -> bool {
        let RawNode { all, any, not, expr, any_of, predicates, property, tag, op, value } = self;
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
        given.into_iter().filter(|given| *given).count() == number
    }
}

const NODE: &str = "write one of {\"property\", \"op\", \"value\"}, {\"any\": [..]}, {\"all\": [..]}, {\"not\": {..}}, {\"any_of\": \"LIST\", \"where\": [..]} or {\"expr\": \"..\"}";
const QUERY: &str =
    "write one of {\"tag\", \"op\", \"value\"}, {\"any\": [..]}, {\"all\": [..]} or {\"not\": {..}}";

impl TryFrom<RawNode> for Predicate {
    type Error = String;

    fn try_from(node: RawNode) -> Result<Self, String> {
        let each = |nodes: Vec<RawNode>| nodes.into_iter().map(Predicate::try_from).collect::<Result<_, _>>();
        let (alone, paired, compared) = (node.has_fields(1), node.has_fields(2), node.has_fields(3));
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
            RawNode { property: Some(name), op: Some(op), value: Some(value), .. } if compared => {
                Ok(Predicate::Property(Comparison { name, op, value }))
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
        let (alone, compared) = (node.has_fields(1), node.has_fields(3));
        match node {
            RawNode { expr: Some(_), .. } | RawNode { property: Some(_), .. } => Err(QUERY.into()),
            RawNode { all: Some(parts), .. } if alone => Ok(Query::All(each(parts)?)),
            RawNode { any: Some(parts), .. } if alone => Ok(Query::Any(each(parts)?)),
            RawNode { not: Some(part), .. } if alone => Ok(Query::Not(Box::new(Query::try_from(*part)?))),
            RawNode { tag: Some(name), op: Some(op), value: Some(value), .. } if compared => {
                Ok(Query::Tag(Comparison { name, op, value }))
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
            Predicate::Property(c) => {
                RawNode { property: Some(c.name), op: Some(c.op), value: Some(c.value), ..RawNode::default() }
            }
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
            Query::Tag(c) => {
                RawNode { tag: Some(c.name), op: Some(c.op), value: Some(c.value), ..RawNode::default() }
            }
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
