//! Crowds: the guids that a rule is for.

use std::collections::BTreeSet;

use base64::Engine as _;
use roaring::{RoaringBitmap, RoaringTreemap};
use serde_json::Value as Json;

use super::event::guid_of;
use super::filter::holds;
use super::read::{Reading, instant};
use super::value::Value;

/// The guids of a `crowd`, as JSON.
pub(crate) fn parse_crowd(json: &Json, profiles: Option<&[Json]>) -> BTreeSet<String> {
    if let Some(guids) = json.get("guids") {
        guids.as_array().expect("a list of guids").iter().filter_map(guid).collect()
    } else if let Some(text) = json.get("bitmap") {
        let engine = base64::engine::general_purpose::STANDARD;
        read_bitmap(&engine.decode(text.as_str().expect("a bitmap's text")).expect("base64"))
    } else {
        let query = &json["profile"];
        let profiles = profiles.expect("a crowd by profile needs profiles");
        profiles.iter().filter(|profile| matches(query, profile)).filter_map(|p| guid(&p["guid"])).collect()
    }
}

fn guid(json: &Json) -> Option<String> {
    // Numbers above 63 bits are read as they are.
    let number = json.as_u64().map(Json::from);
    Some(number.or_else(|| guid_of(&Value::from_json(json)?))?.to_string())
}

/// Reads a portable roaring bitmap. It is one of 32 bits if that uses up all bytes, else one of 64.
fn read_bitmap(bytes: &[u8]) -> BTreeSet<String> {
    let mut rest = bytes;
    if let Ok(bitmap) = RoaringBitmap::deserialize_from(&mut rest)
        && rest.is_empty()
    {
        return bitmap.iter().map(|guid| guid.to_string()).collect();
    }
    RoaringTreemap::deserialize_from(bytes)
        .expect("a roaring bitmap")
        .iter()
        .map(|guid| guid.to_string())
        .collect()
}

fn matches(query: &Json, profile: &Json) -> bool {
    if let Some(list) = query.get("all") {
        list.as_array().expect("a list of queries").iter().all(|q| matches(q, profile))
    } else if let Some(list) = query.get("any") {
        list.as_array().expect("a list of queries").iter().any(|q| matches(q, profile))
    } else if let Some(inner) = query.get("not") {
        !matches(inner, profile)
    } else {
        // Null and a list without words count as absent.
        let is_there = |tag: &&Json| !tag.is_null() && tag.as_array().is_none_or(|words| !words.is_empty());
        let tag = profile.get(query["tag"].as_str().expect("a tag's name")).filter(is_there);
        leaf(tag, query["op"].as_str().expect("an operator"), &query["value"], Reading::parse(query).as_ref())
    }
}

/// Compares one tag with one value. A list matches if one of its words does; `!=` on a list if none of them
/// is equal.
fn leaf(tag: Option<&Json>, operator: &str, operand: &Json, reading: Option<&Reading>) -> bool {
    match (tag, operator) {
        (tag, "exists") => tag.is_some() == (operand == &Json::Bool(true)),
        // Unlike a property, an absent tag is false for `!=` too.
        (None, _) => false,
        (Some(Json::Array(words)), "!=") => !words.iter().any(|word| word_holds(word, "=", operand, reading)),
        (Some(Json::Array(words)), _) => {
            words.iter().any(|word| word_holds(word, operator, operand, reading))
        }
        (Some(tag), _) => word_holds(tag, operator, operand, reading),
    }
}

fn word_holds(word: &Json, operator: &str, operand: &Json, reading: Option<&Reading>) -> bool {
    // Dates compare by their instants, however they are written.
    if let (None, Some(day), Some(days)) = (reading, date(word), dates(operand))
        && !matches!(operator, "contains" | "starts_with" | "ends_with" | "regex")
    {
        return holds(operator, Some(&Value::Int(day.into())), &days, None);
    }
    Value::from_json(word).is_some_and(|value| holds(operator, Some(&value), operand, reading))
}

/// The instant that a text spells: a date is its midnight in UTC.
fn date(json: &Json) -> Option<i64> {
    instant(json.as_str()?)
}

fn dates(operand: &Json) -> Option<Json> {
    match operand {
        Json::Array(list) => list.iter().map(dates).collect::<Option<Vec<_>>>().map(Json::from),
        one => date(one).map(Json::from),
    }
}
