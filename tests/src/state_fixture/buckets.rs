//! Sliding windows as they were at first: of whole buckets.
//!
//! In the rule `edges` each event of the last days comes just as long after the one before as its window lasts. The
//! one before still counted with its bucket, and by now it has left.

use serde_json::{Map, Value as Json, json};

/// Widths of the buckets: those of the rule `edges` are of two days' windows, all others of five days'.
const WIDTHS: [i64; 2] = [2_700_000, 6_750_000];
/// Instant from which on the rule `edges` fired for nothing but whole buckets, unix ms.
const WHOLE_SINCE: i64 = 1_741_413_601_000;
/// Hash that contains what is stored of those firings.
pub(super) const FIRED_BY_WHOLE_BUCKETS: &str = "edges:@rule:1";
/// Number of values that `tops` keeps.
const TOP: usize = 3;

/// Whether a trigger is one that came of whole buckets.
pub(super) fn came_of_whole_buckets(trigger: &str) -> bool {
    let trigger: Json = serde_json::from_str(trigger).expect("a trigger");
    trigger["rule_id"] == "edges" && trigger["fired_at"].as_i64() >= Some(WHOLE_SINCE)
}

/// The text of a stored state with each fold of its windows in a bucket; `row` is the name of its hash.
pub(super) fn in_buckets(row: &str, text: &str) -> String {
    if !text.contains("\"folds\"") {
        return text.to_owned();
    }
    let mut state: Json = serde_json::from_str(text).expect("a state");
    if let Some(window) = window(row, &state) {
        return window.to_string();
    }
    for field in state.as_object_mut().expect("fields").values_mut() {
        if let Some(window) = window(row, field) {
            *field = window;
        }
    }
    state.to_string()
}

/// The window in buckets; `None` if the field is none, or has no folds.
fn window(row: &str, field: &Json) -> Option<Json> {
    let width = WIDTHS[usize::from(!row.starts_with("edges:"))];
    let mut buckets =
        field.get("older").map_or_else(Vec::new, |older| older.as_array().expect("rows").clone());
    for fold in field.get("folds")?.as_array()? {
        let (time, value) = if fold.is_array() { (&fold[0], &fold[1]) } else { (fold, &Json::Null) };
        let start = json!(time.as_i64()?.div_euclid(width) * width);
        if !buckets.iter().any(|bucket| bucket[0] == start) {
            buckets.push(json!([start, null]));
        }
        let bucket = buckets.iter_mut().find(|bucket| bucket[0] == start)?;
        bucket[1] = folded(row, &bucket[1], value);
    }
    Some(json!({"b": buckets}))
}

/// A bucket's figure, `null` for that of none, with one value more.
fn folded(row: &str, figure: &Json, value: &Json) -> Json {
    let number = |json: &Json| json.as_f64().expect("a number");
    match row.split(':').next() {
        Some("distincts") => {
            let mut hashes: Vec<Json> = figure["exact"].as_array().cloned().unwrap_or_default();
            hashes.push(value.clone());
            hashes.sort_by_key(Json::as_u64);
            hashes.dedup();
            json!({"exact": hashes})
        }
        Some("statistics") => {
            let held = |name: &str| figure.get(name).map(number);
            let mut stats = Map::new();
            let mut put = |name: &str, value: Json| stats.insert(name.to_owned(), value);
            put("sum", json!(held("sum").unwrap_or(0.0) + number(value)));
            put("count", json!(figure["count"].as_u64().unwrap_or(0) + 1));
            put("min", json!(held("min").map_or(number(value), |min| min.min(number(value)))));
            put("max", json!(held("max").map_or(number(value), |max| max.max(number(value)))));
            Json::Object(stats)
        }
        Some("tops") => {
            let mut numbers: Vec<f64> = figure.as_array().into_iter().flatten().map(number).collect();
            numbers.push(number(value));
            numbers.sort_by(|a, b| b.total_cmp(a));
            numbers.truncate(TOP);
            json!(numbers)
        }
        _ => json!(figure.as_u64().unwrap_or(0) + 1),
    }
}
