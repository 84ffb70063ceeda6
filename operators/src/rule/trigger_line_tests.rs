//! Lines compared with what `serde_json` writes of the same trigger.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    calculator::outputs::Output,
    model::{
        field::Fields,
        ids::{Offset, PartitionId},
    },
    rule::compile::compile,
};

/// Instant of the rule's first publish.
const PUBLISHED: i64 = 3;

/// What a line is made of.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    key_by: Json,
    key: String,
    cause: Option<Cause<'static>>,
    guid: Option<OwnedGuid>,
    /// Outputs of each condition, by name.
    outputs: Vec<BTreeMap<String, Option<Value<'static>>>>,
    action: Json,
    /// Value of the property `p` of the cause event.
    property: Option<Value<'static>>,
    holdout: f64,
}

/// Texts of odd characters.
fn text() -> impl Strategy<Value = String> {
    "[\\x00-\\x22\\\\/a{}é\u{7f}\u{2028}\u{feff}🏠]{0,8}"
}

fn value() -> impl Strategy<Value = Value<'static>> {
    let floats = prop::sample::select(vec![0.0, -0.0, 10.0, 1e16, 2.5e-7, 1e300, f64::NAN, f64::INFINITY]);
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        floats.prop_map(Value::Float),
        text().prop_map(|text| Value::Text(text.into())),
    ]
}

fn cause() -> impl Strategy<Value = Cause<'static>> {
    let timer = prop::option::of(("c[0-3]", any::<i64>()));
    (any::<u32>(), any::<u64>(), text(), any::<i64>(), timer).prop_map(
        |(partition, offset, event_id, event_time, timer)| Cause {
            partition: PartitionId(partition),
            offset: Offset(offset),
            event_id: event_id.into(),
            event_time,
            condition: timer.as_ref().map(|(condition, _)| condition.clone().into()),
            deadline: timer.map(|(_, deadline)| deadline),
        },
    )
}

/// A `key_by`, and the text of a key; the latter also of forms that no event has, but a correction may.
fn keys() -> impl Strategy<Value = (Json, String)> {
    let number = prop_oneof![
        any::<u64>().prop_map(|guid| guid.to_string()),
        prop::sample::select(vec!["0", "007", " 7", "-7", "7.0", "1e3", "18446744073709551616", ""])
            .prop_map(str::to_owned),
    ];
    let pair = (text(), number.clone()).prop_map(|(text, guid)| format!("[{},{guid}]", json!(text)));
    prop_oneof![
        number.prop_map(|key| (json!("guid"), key)),
        text().prop_map(|key| (json!("guid"), key)),
        text().prop_map(|key| (json!("ip"), key)),
        text().prop_map(|key| (json!(["properties.k"]), key)),
        pair.prop_map(|key| (json!(["properties.k", "guid"]), key)),
    ]
}

fn action() -> impl Strategy<Value = Json> {
    let template = (text(), text()).prop_map(|(before, after)| {
        let plain = |text: String| text.replace(['{', '}'], "-");
        json!(format!("{}{{{{p}}}}{}", plain(before), plain(after)))
    });
    let string = text().prop_map(|text| json!(text.replace('{', "-")));
    let leaf = prop_oneof![Just(json!(null)), any::<f64>().prop_map(|f| json!(f)), string, template];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = prop_oneof![Just("channel".to_owned()), text()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let outputs = prop::collection::btree_map(text(), prop::option::weighted(0.8, value()), 0..4);
    let holdout = prop::sample::select(vec![0.0, 0.5, 1.0]);
    let guid = prop_oneof![
        any::<u64>().prop_map(OwnedGuid::Number),
        text().prop_map(|text| OwnedGuid::Text(text.into())),
    ];
    let who = (keys(), prop::option::of(guid), holdout);
    let what = (prop::collection::vec(outputs, 0..4), action(), prop::option::of(value()));
    (text(), prop::option::weighted(0.9, cause()), who, what).prop_map(|(name, cause, who, what)| {
        let ((key_by, key), guid, holdout) = who;
        let (outputs, action, property) = what;
        Case { name, key_by, key, cause, guid, outputs, action, property, holdout }
    })
}

impl Case {
    fn plan(&self, fields: &mut Fields) -> RulePlan {
        let condition =
            |i: usize| json!({"id": format!("c{i}"), "calculator": "count", "event": {"id": "A"}});
        let document = json!({
            "rule_id": "r", "name": self.name, "key_by": self.key_by, "trigger": {"event": {"id": "T"}},
            "conditions": (0..self.outputs.len()).map(condition).collect::<Vec<_>>(), "holdout": self.holdout,
            "when": if self.outputs.is_empty() { Json::Null } else { json!("c0.value >= 0") }, "action": self.action,
        });
        let spec = Rule::parse(&document.to_string()).unwrap();
        let mut plan = compile(Arc::new(spec), PUBLISHED, fields, &()).unwrap();
        plan.version = 3;
        plan
    }

    /// The action with `{{p}}` filled in.
    fn filled(&self, action: &Json) -> Json {
        match action {
            Json::String(text) => {
                let value = self.property.as_ref().map(|value| value.text().into_owned());
                text.replace("{{p}}", &value.unwrap_or_default()).into()
            }
            Json::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Json::Object(map) => map.iter().map(|(name, v)| (name.clone(), self.filled(v))).collect(),
            other => other.clone(),
        }
    }

    fn trigger(&self, plan: &RulePlan) -> Trigger {
        let outputs = self.outputs.iter().enumerate();
        let json = |outputs: &BTreeMap<String, Option<Value<'static>>>| -> Json {
            outputs.iter().filter_map(|(name, v)| Some((name.clone(), v.as_ref()?.json()))).collect()
        };
        Trigger {
            trigger_id: Trigger::id("r", PUBLISHED, &self.key, self.cause.as_ref()),
            rule_id: "r".into(),
            name: self.name.clone(),
            version: 3,
            key_by: self.key_by.clone(),
            key: key::show(&plan.key, &self.key),
            guid: self.guid.clone().or_else(|| plan.key.guid(&self.key)),
            cause: self.cause.clone(),
            fired_at: 5,
            values: outputs.map(|(i, outputs)| (format!("c{i}"), json(outputs))).collect(),
            held_out: key::held_out("r", &self.key, self.holdout),
            action: self.filled(&self.action),
        }
    }

    fn fired(&self, plan: &RulePlan, fields: &Fields) -> Fired {
        let (key, cause, guid) = (&self.key, self.cause.clone(), self.guid.as_ref().map(OwnedGuid::as_guid));
        let firing = Firing { plan, key, cause, guid, at: 5, seen: 9 };
        let mut line = TriggerLine::begin(&firing);
        for outputs in &self.outputs {
            let entry = |(name, value): (&String, &Option<Value<'static>>)| -> Output {
                (name.as_str().into(), value.clone())
            };
            line.values(&Outputs::new(outputs.iter().map(entry).collect()));
        }
        let property = fields.property("p");
        line.end(&|field| self.property.as_ref().filter(|_| Some(field) == property))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_are_what_serde_writes(case in cases()) {
        let mut fields = Fields::default();
        let plan = case.plan(&mut fields);
        let (trigger, fired) = (case.trigger(&plan), case.fired(&plan, &fields));
        let expected = Fired {
            trigger_id: trigger.trigger_id.clone(),
            rule_id: trigger.rule_id.clone(),
            name: trigger.name.clone(),
            key: trigger.key.to_string(),
            channel: trigger.action.get("channel").and_then(Json::as_str).map(str::to_owned),
            held_out: trigger.held_out,
            seen: 9,
            line: serde_json::to_string(&trigger).unwrap(),
        };
        prop_assert_eq!(&fired, &expected);
        prop_assert_eq!(&fired.line, &serde_json::to_string(&fired.read().unwrap()).unwrap());
    }
}
