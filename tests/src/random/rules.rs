//! Random rules: conditions, an expression over their figures, a trigger, and sometimes each of the other
//! fields.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use serde_json::{Map, Value as Json, json};

use super::conditions::condition;
use super::{crowd, duration, filter, maybe, moment, period, rfc_3339};

/// A random valid rule, with the id `rule-0`.
pub fn rule() -> impl Strategy<Value = Json> {
    // Few rules without conditions, as they fire at everything.
    let conditions = prop_oneof![1 => vec(condition(), 0), 12 => vec(condition(), 1..4)];
    let logic = (conditions, maybe(0.6, when()), trigger());
    let whom = (maybe(0.5, key_by()), maybe(0.15, crowd()), maybe(0.15, active()));
    let much = (maybe(0.4, limit()), maybe(0.3, select(vec![0.0, 0.5, 1.0])), maybe(0.3, any::<bool>()));
    let more = (
        maybe(0.5, select(vec!["skip", "fire", "fire"])),
        maybe(0.2, duration()),
        maybe(0.2, select(vec!["1ms", "500ms", "1s", "10s"])),
        maybe(0.4, action()),
    );
    (logic, whom, much, more).prop_map(|((mut conditions, when, trigger), whom, much, more)| {
        for (number, condition) in conditions.iter_mut().enumerate() {
            condition["id"] = json!(format!("c{number}"));
        }
        let mut rule = Map::new();
        let mut put = |name: &str, value: Option<Json>| {
            if let Some(value) = value {
                rule.insert(name.to_owned(), value);
            }
        };
        let (key_by, crowd, active) = whom;
        let (limit, holdout, reset) = much;
        let (already, ttl, late, action) = more;
        let trigger = trigger.resolve(&conditions);
        put("rule_id", Some(json!("rule-0")));
        put("key_by", key_by);
        put("crowd", crowd);
        put("active", active);
        put("when", when.filter(|_| !conditions.is_empty()).map(|when| json!(when.text(&conditions))));
        put("conditions", Some(json!(conditions)));
        // `already` has a meaning only with "satisfied".
        put("already", already.map(Json::from).filter(|_| trigger == json!("satisfied")));
        put("trigger", Some(trigger));
        put("limit", limit);
        put("holdout", holdout.map(Json::from));
        put("reset", reset.map(Json::from));
        put("ttl", ttl.map(Json::from));
        put("late", late.map(Json::from));
        put("action", action);
        Json::Object(rule)
    })
}

fn key_by() -> impl Strategy<Value = Json> {
    let one = || select(vec!["guid", "guid", "device_id", "ip", "session_id", "properties.order"]);
    prop_oneof![
        3 => one().prop_map(Json::from),
        1 => select(vec![json!(["guid", "properties.order"]), json!(["ip", "device_id"]), json!(["session_id", "guid"]), json!({"ip": "/64"})]),
    ]
}

fn active() -> impl Strategy<Value = Json> {
    (maybe(0.5, moment()), maybe(0.5, moment())).prop_map(|ends| match ends {
        (Some(from), Some(until)) if from < until => {
            json!({"from": rfc_3339(from), "until": rfc_3339(until)})
        }
        (Some(from), Some(_)) => json!({"from": rfc_3339(from)}),
        (Some(from), None) => json!({"from": rfc_3339(from), "until": null}),
        (None, Some(until)) => json!({"until": rfc_3339(until)}),
        (None, None) => json!({}),
    })
}

fn limit() -> impl Strategy<Value = Json> {
    let per = prop_oneof![3 => duration().prop_map(Json::from), 1 => period()];
    (1..4, maybe(0.7, per)).prop_map(|(times, per)| match per {
        Some(per) => json!({"times": times, "per": per}),
        None => json!({"times": times}),
    })
}

fn action() -> impl Strategy<Value = Json> {
    select(vec![
        json!({"channel": "coupon", "text": "{{word}} 给 {{guid}}: {{x}}{{none}}"}),
        json!(["{{event_id}}", {"order": "{{order}}", "flag": "{{flag}}", "n": 1}]),
        json!("{{mix}}"),
    ])
}

/// A trigger, before the conditions are known.
#[derive(Clone, Debug)]
enum Trigger {
    Event(Json),
    Satisfied,
    Each(Index),
}

fn trigger() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        3 => filter().prop_map(Trigger::Event),
        3 => any::<()>().prop_map(|()| Trigger::Satisfied),
        2 => any::<Index>().prop_map(Trigger::Each),
    ]
}

impl Trigger {
    /// `each` needs a condition that counts; a rule of timers alone needs a condition.
    fn resolve(self, conditions: &[Json]) -> Json {
        let counts = |c: &&Json| !matches!(c["calculator"].as_str(), Some("stats" | "top" | "last"));
        let counting: Vec<&Json> = conditions.iter().filter(counts).collect();
        match self {
            Self::Event(filter) => json!({"event": filter}),
            Self::Each(index) if !counting.is_empty() => json!({"each": index.get(&counting)["id"]}),
            Self::Satisfied | Self::Each(_) if conditions.is_empty() => json!({"event": {"id": "a"}}),
            Self::Satisfied | Self::Each(_) => json!("satisfied"),
        }
    }
}

/// A `when`, before the conditions are known.
#[derive(Clone, Debug)]
enum When {
    Met(Index),
    Against(Index, Index, &'static str, i64),
    Pair(Index, Index, Index, Index, &'static str, &'static str),
    Not(Box<When>),
    Both(Box<When>, Box<When>),
    Either(Box<When>, Box<When>),
    Branch(Box<When>, Box<When>, Box<When>),
}

const COMPARISONS: [&str; 6] = [">", ">=", "<", "<=", "==", "!="];

fn when() -> impl Strategy<Value = When> {
    let index = any::<Index>;
    let compared = || select(COMPARISONS.to_vec());
    // How the right side of a comparison is derived from its figure; the last may divide by zero.
    let shape = select(vec!["{}", "2 * {}", "{} + 1", "0.5 * {}", "-{}", "abs({})", "max({}, 2)", "6 / {}"]);
    let leaf = prop_oneof![
        3 => index().prop_map(When::Met),
        2 => (index(), index(), compared(), -2i64..8).prop_map(|(c, o, op, n)| When::Against(c, o, op, n)),
        2 => (index(), index(), index(), index(), compared(), shape)
            .prop_map(|(c, o, d, p, op, shape)| When::Pair(c, o, d, p, op, shape)),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed().prop_map(When::Not),
            (boxed(), boxed()).prop_map(|(a, b)| When::Both(a, b)),
            (boxed(), boxed()).prop_map(|(a, b)| When::Either(a, b)),
            (boxed(), boxed(), boxed()).prop_map(|(a, b, c)| When::Branch(a, b, c)),
        ]
    })
}

impl When {
    fn text(&self, conditions: &[Json]) -> String {
        let id = |index: &Index| index.get(conditions)["id"].as_str().expect("an id").to_owned();
        match self {
            Self::Met(c) => id(c),
            Self::Against(c, o, op, n) => format!("{} {op} {n}", figure(conditions, c, o)),
            Self::Pair(c, o, d, p, op, shape) => {
                let right = shape.replace("{}", &figure(conditions, d, p));
                format!("{} {op} {right}", figure(conditions, c, o))
            }
            Self::Not(a) => format!("!({})", a.text(conditions)),
            Self::Both(a, b) => format!("({}) && ({})", a.text(conditions), b.text(conditions)),
            Self::Either(a, b) => format!("({}) || {}", a.text(conditions), b.text(conditions)),
            Self::Branch(a, b, c) => {
                format!(
                    "if {} {{ {} }} else {{ {} }}",
                    a.text(conditions),
                    b.text(conditions),
                    c.text(conditions)
                )
            }
        }
    }
}

/// `id.output`: one of the numeric outputs of the condition's calculator.
fn figure(conditions: &[Json], condition: &Index, output: &Index) -> String {
    let condition = condition.get(conditions);
    let outputs: &[&str] = match condition["calculator"].as_str() {
        Some("stats") => &["sum", "min", "max", "avg", "range", "count"],
        Some("top") => &["avg", "min", "max", "count"],
        Some("sequence") => &["value", "step"],
        Some("gap") => &["value", "last_gap"],
        Some("absence") => &["value", "pending"],
        Some("last") => &["at"],
        _ => &["value"],
    };
    format!("{}.{}", condition["id"].as_str().expect("an id"), output.get(outputs))
}
