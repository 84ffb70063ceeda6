//! Rules that use every feature: timers, sliding windows, limits, edges, each, top, distinct, last, several
//! keys.

use serde_json::{Value as Json, json};

fn event(id: &str) -> Json {
    json!({"event": {"id": id}})
}

/// All rules of the tests. Spans are short, so that windows and timers change while a test runs.
pub(crate) fn rules() -> Vec<Json> {
    let amount = |at_least: f64| json!([{"property": "amt", "op": ">=", "value": at_least}]);
    vec![
        json!({"rule_id": "unpaid", "key_by": ["guid", "properties.order"], "trigger": {"each": "n"}, "conditions": [
            {"id": "n", "calculator": "absence", "steps": [{"id": "order"}, {"id": "pay"}], "params": {"within": "3s"}}],
            "action": {"channel": "remind", "order": "{{order}}"}}),
        json!({"rule_id": "silent", "trigger": "satisfied", "limit": {"times": 2, "per": "6s"}, "conditions": [
            {"id": "n", "calculator": "absence", "steps": [{"id": "view"}, {"id": "cart"}], "params": {"within": "2s"}, "window": {"last": "8s"}}]}),
        json!({"rule_id": "busy", "trigger": "satisfied", "conditions": [
            {"id": "n", "calculator": "count", "event": {"id": ["view", "search"]}, "window": {"last": "4s"}, "met": "value >= 3"}]}),
        json!({"rule_id": "spender", "trigger": event("search"), "limit": {"times": 1, "per": "5s"}, "when": "sum.sum > 400 && top.avg > 60", "conditions": [
            {"id": "sum", "calculator": "stats", "event": {"id": "order", "where": amount(10.0)}, "params": {"of": "amt"}, "window": {"last": "30s"}, "met": "count > 0"},
            {"id": "top", "calculator": "top", "event": {"id": "order"}, "params": {"of": "amt", "n": 3}, "met": "count > 0"}]}),
        json!({"rule_id": "journey", "trigger": {"each": "s"}, "conditions": [
            {"id": "s", "calculator": "sequence", "steps": [{"id": "search"}, {"id": "view"}, {"id": "cart"}, {"id": "order"}], "params": {"within": "20s"}}]}),
        json!({"rule_id": "curious", "trigger": "satisfied", "reset": true, "conditions": [
            {"id": "d", "calculator": "distinct", "event": {"id": "view"}, "params": {"of": "item"}, "met": "value >= 6"}]}),
        json!({"rule_id": "crowded-ip", "key_by": "ip", "trigger": event("login-failed"), "conditions": [
            {"id": "n", "calculator": "count", "event": {"id": "login-failed"}, "window": {"last": "10s"}, "met": "value >= 4"}]}),
        json!({"rule_id": "device", "key_by": "device_id", "trigger": event("pay"), "when": "l.value == \"cart\" || g.value > 0", "ttl": "10m", "conditions": [
            {"id": "l", "calculator": "last", "event": {"id": ["view", "cart", "order"]}, "params": {"of": "page"}},
            {"id": "g", "calculator": "gap", "steps": [{"id": "order"}, {"id": "pay"}], "params": {"more_than": "1s", "anchor": "latest"}}]}),
        json!({"rule_id": "some", "crowd": {"guids": (0..400).filter(|g| g % 3 == 0).collect::<Vec<_>>()}, "holdout": 0.3, "trigger": event("order"), "when": "n.value % 2 == 0", "conditions": [
            {"id": "n", "calculator": "count", "event": {"id": "order"}}]}),
        json!({"rule_id": "plain", "trigger": {"event": {"id": "order", "where": amount(95.0)}}}),
    ]
}
