//! Variants that edit each rule by itself.

use operators::calculator::builtin;
use serde_json::{Value as Json, json};

use super::document::{conditions, set_absent};

/// Adds a limit, a ttl, a period of validity and a bound of lateness.
pub(super) fn guards(rule: &mut Json) {
    set_absent(rule, "limit", json!({"times": 3, "per": "1d"}));
    set_absent(rule, "ttl", json!("30d"));
    set_absent(rule, "active", json!({"from": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}));
    set_absent(rule, "late", json!("1d"));
}

/// Gives every condition a window that slides over an hour.
pub(super) fn sliding(rule: &mut Json) {
    for condition in conditions(rule) {
        condition["window"] = json!({"last": "1h"});
    }
}

/// Removes the crowd.
pub(super) fn users(rule: &mut Json) {
    if let Some(rule) = rule.as_object_mut() {
        rule.shift_remove("crowd");
    }
}

/// Keys the rule by device.
pub(super) fn devices(rule: &mut Json) {
    rule["key_by"] = json!("device_id");
}

/// Lets all conditions start anew after a firing, and holds out a tenth of the keys.
pub(super) fn resets(rule: &mut Json) {
    rule["reset"] = json!(true);
    rule["holdout"] = json!(0.1);
}

/// Lets the rule fire when `when` turns true.
pub(super) fn satisfied(rule: &mut Json) {
    rule["trigger"] = json!("satisfied");
}

/// Lets the rule fire when its first condition that counts completes once more; a rule without one stays as
/// it is.
pub(super) fn each(rule: &mut Json) {
    let counts = |condition: &&mut Json| {
        let name = condition["calculator"].as_str();
        name.is_none_or(|name| builtin::find(name).is_none_or(|builtin| builtin.counts))
    };
    let first = conditions(rule).find(counts).map(|condition| condition["id"].clone());
    if let Some(id) = first {
        rule["trigger"] = json!({ "each": id });
    }
}
