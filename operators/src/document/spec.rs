//! The rule document: exactly what a marketer publishes, as types.
//!
//! Parsing refuses a document of the wrong shape, and names the path. One of the right shape that still
//! cannot run (an unknown output in `met`, a script that does not compile) is refused by
//! [`compile`](crate::rule::compile::compile).
//!
//! The docstrings of the types are the descriptions in the JSON Schema that `strateye rule schema` prints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    fault::Faults,
    span::{Instant, Span},
    user_list::{self, UserList},
};
pub use super::{
    predicate::{Comparison, Op, Predicate, Query, Reading},
    window::{Per, Period, Window},
};

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The rule's name for machines: `[a-z0-9][a-z0-9_-]{0,63}`.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,63}$"))]
    pub rule_id: String,
    /// The rule's name for people.
    #[serde(default)]
    pub name: String,
    /// The field, or fields, by whose values events are grouped into keys.
    #[serde(default)]
    pub key_by: KeyBy,
    /// The users whom the rule is for; everybody if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crowd: Option<Crowd>,
    /// When the rule is valid; outside this period it neither folds nor fires.
    #[serde(default)]
    pub active: Active,
    /// Conditions folded per key, 0 to 32.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Expression over the conditions; all of them met if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The event or change that makes the rule fire.
    pub trigger: Trigger,
    /// With `"satisfied"`: treatment of keys whose history satisfies `when` at publish.
    #[serde(default)]
    pub already: Already,
    /// Limit of firings per key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Whether all conditions start anew for a key once it has fired.
    #[serde(default)]
    pub reset: bool,
    /// Share of keys that match but are only recorded, 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub holdout: f64,
    /// Content passed on with the trigger; `{{property}}` in its strings is filled from the cause event. `channel`
    /// selects the sinks; `max_age` (a duration, such as `"15m"`) is the age from which on a trigger that its
    /// receiver has not taken yet is no longer delivered.
    #[serde(default)]
    pub action: serde_json::Value,
    /// Keys idle for longer are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ttl: Option<Span>,
    /// Events older than this, compared with `now`, are ignored and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub late: Option<Span>,
}

/// The field or fields by which a rule's state is keyed: `guid`, `device_id`, `ip`, `session_id` or
/// `properties.NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a field name or a list of them: guid, device_id, ip, session_id, properties.NAME; or {\"ip\": \"/64\"}"
)]
pub enum KeyBy {
    /// One field.
    One(String),
    /// A tuple of fields.
    Tuple(Vec<String>),
    /// The network address, cut to a network if it is one of IPv6.
    Network(IpNetwork),
}

/// `{"ip": "/64"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IpNetwork {
    /// Bits of an IPv6 address that name its network.
    pub ip: PrefixLength,
}

/// Bits of an IPv6 address, 1 to 128, written as `"/64"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PrefixLength(pub u8);

impl TryFrom<String> for PrefixLength {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bits = text.strip_prefix('/').and_then(|bits| bits.parse().ok());
        let bits = bits.filter(|bits| (1..=128).contains(bits));
        bits.map(PrefixLength).ok_or_else(|| {
            format!("`{text}` is no network of IPv6; write \"/1\" to \"/128\", such as \"/64\"")
        })
    }
}

impl From<PrefixLength> for String {
    fn from(PrefixLength(bits): PrefixLength) -> String {
        format!("/{bits}")
    }
}

impl Default for KeyBy {
    fn default() -> Self {
        KeyBy::One("guid".into())
    }
}

impl KeyBy {
    /// The fields, in order.
    pub fn fields(&self) -> &[String] {
        match self {
            KeyBy::One(field) => std::slice::from_ref(field),
            KeyBy::Tuple(fields) => fields,
            KeyBy::Network(_) => &[],
        }
    }
}

/// The users whom a rule is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Crowd {
    /// Users whose profile answers the query.
    Profile(Query),
    /// These users.
    Guids(UserList),
    /// These users, as a portable roaring bitmap (32- or 64-bit) in base64.
    Bitmap(String),
}

/// When a rule is valid: `from <= now < until`; absent ends are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Active {
    /// First instant at which the rule is valid.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub from: Option<Instant>,
    /// First instant at which the rule is no longer valid.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub until: Option<Instant>,
}

/// A condition: events folded per key by a calculator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// `[a-z][a-z0-9_]{0,31}` and no Rhai keyword.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]{0,31}$"))]
    pub id: String,
    /// The calculator that folds matching events.
    pub calculator: Calculator,
    /// The events it folds; for calculators without steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Filter>,
    /// The steps it folds; for `sequence`, `gap`, `absence` and scripts that read `event.step`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Filter>>,
    /// The window of time that counts; from publish on if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Parameters of the calculator.
    #[serde(default)]
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Expression over the calculator's outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met: Option<String>,
}

/// A calculator: the name of a built-in or stored one, or a script of the rule's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a calculator's name or {\"script\": \"..\"}")]
pub enum Calculator {
    /// A built-in or stored calculator, by name.
    Named(String),
    /// A script in the rule itself.
    Own(OwnScript),
}

/// A Rhai script that implements the calculator contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnScript {
    /// The script's text.
    pub script: String,
}

/// A filter of events: one of the ids, and every predicate holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The event id, or several.
    pub id: EventIds,
    /// Predicates on the properties, all of which must hold.
    #[serde(default, rename = "where")]
    pub predicates: Vec<Predicate>,
}

/// One event id or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected an event id or a list of them")]
pub enum EventIds {
    /// One.
    One(String),
    /// Any of these.
    Many(Vec<String>),
}

impl EventIds {
    /// The ids, in order.
    pub fn ids(&self) -> &[String] {
        match self {
            EventIds::One(id) => std::slice::from_ref(id),
            EventIds::Many(ids) => ids,
        }
    }
}

/// The event or change that makes a rule fire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A matching event arrives while `when` holds.
    Event(Filter),
    /// `when` turns true.
    Satisfied,
    /// The named condition completes once more while `when` holds.
    Each(String),
}

/// Treatment of keys that already satisfy `when` at publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Already {
    /// They do not fire.
    #[default]
    Skip,
    /// Each fires once.
    Fire,
}

/// Limit: at most `times` firings per key in the time `per`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Number of firings, 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub times: u32,
    /// Any span of this length, or each period of the calendar; the rule's whole life if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Per>,
}

impl Rule {
    /// Parses a document. A byte order mark in front, which some editors write, is skipped.
    ///
    /// # Errors
    /// A fault with the path at which the document stops being a rule.
    pub fn parse(text: &str) -> Result<Rule, Faults> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(rule) = Rule::parse_list_apart(text) {
            return Ok(rule);
        }
        // To keep track of the path takes longer than to parse, and only a fault needs it.
        serde_json::from_str(text).or_else(|_| Rule::parse_with_path(text))
    }

    /// Parses a document with a long list of users, which is read apart; `None` if that can't be done.
    fn parse_list_apart(text: &str) -> Option<Rule> {
        /// Length from which on it is faster.
        const LONG: usize = 256;
        /// Stands for the list, and does not occur in the text: in no list that is read, as it is too long for one.
        const MARK: &str = "18446744073709551615";
        let [before, list, behind] = user_list::cut(text)?;
        if list.len() < LONG || before.contains(MARK) || behind.contains(MARK) {
            return None;
        }
        let guids = user_list::read(list)?.into();
        let mut rule: Rule = serde_json::from_str(&[before, MARK, behind].concat()).ok()?;
        match &mut rule.crowd {
            Some(Crowd::Guids(place)) if place.numbers == [u64::MAX] && place.texts.is_empty() => {
                *place = guids
            }
            _ => return None,
        }
        Some(rule)
    }

    fn parse_with_path(text: &str) -> Result<Rule, Faults> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let rule: Rule = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
            let path = e.path().to_string();
            Faults::one(if path == "." { String::new() } else { path }, e.inner().to_string())
        })?;
        reader.end().map_err(|e| Faults::one("", format!("text after the rule: {e}")))?;
        Ok(rule)
    }

    /// The JSON Schema of the document, derived from these types.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Rule).to_value()
    }
}
