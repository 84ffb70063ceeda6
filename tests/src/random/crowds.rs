//! Random crowds, and the profiles that their queries select from.

use base64::Engine as _;
use proptest::collection::{btree_set, vec};
use proptest::prelude::{Strategy, prop_oneof};
use proptest::sample::select;
use roaring::{RoaringBitmap, RoaringTreemap};
use serde_json::{Map, Value as Json, json};

use super::{TEXT_GUID, maybe};

/// Words in profiles' lists and in queries.
const WORDS: [&str; 4] = ["速溶咖啡", "小罐速溶咖啡", "咖啡", "民宿"];

/// Dates in profiles and in queries.
const DAYS: [&str; 3] = ["1999-12-31", "2000-01-01", "2001-02-03"];

/// The guid of a user, 1 to 4, of which random streams use 1 to 3.
fn guid(number: u64) -> Json {
    if number == 3 { json!(TEXT_GUID) } else { json!(number) }
}

/// Profiles of the users 1 to 4.
pub fn profiles() -> impl Strategy<Value = Vec<Json>> {
    let one = (
        1..5,
        vec(select(WORDS.to_vec()), 0..3),
        select(DAYS.to_vec()),
        maybe(0.6, select(vec!["重庆", "成都"])),
    );
    vec(one, 4).prop_map(|list| {
        let profiles = (1u64..).zip(list).map(|(number, (level, words, day, city))| {
            let mut profile = Map::new();
            profile.insert("guid".to_owned(), guid(number));
            profile.insert("level".to_owned(), json!(level));
            profile.insert("words".to_owned(), json!(words));
            profile.insert("birthday".to_owned(), json!(day));
            if let Some(city) = city {
                profile.insert("city".to_owned(), json!(city));
            }
            Json::Object(profile)
        });
        profiles.collect()
    })
}

/// A random crowd: guids, a bitmap of either width, or a query.
pub fn crowd() -> impl Strategy<Value = Json> {
    let guids = || btree_set(1u64..5, 1..4);
    let text = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    prop_oneof![
        guids().prop_map(|guids| json!({"guids": guids.into_iter().map(guid).collect::<Vec<_>>()})),
        guids().prop_map(move |guids| {
            let narrow: RoaringBitmap = guids.iter().filter_map(|guid| u32::try_from(*guid).ok()).collect();
            let mut bytes = Vec::new();
            narrow.serialize_into(&mut bytes).expect("writing into memory");
            json!({"bitmap": text(&bytes)})
        }),
        guids().prop_map(move |guids| {
            let wide: RoaringTreemap = guids.into_iter().chain([1 << 40]).collect();
            let mut bytes = Vec::new();
            wide.serialize_into(&mut bytes).expect("writing into memory");
            json!({"bitmap": text(&bytes)})
        }),
        query().prop_map(|query| json!({"profile": query})),
    ]
}

fn query() -> impl Strategy<Value = Json> {
    leaf().prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(|list| json!({"any": list})),
            vec(inner.clone(), 1..3).prop_map(|list| json!({"all": list})),
            inner.prop_map(|inner| json!({"not": inner})),
        ]
    })
}

fn leaf() -> impl Strategy<Value = Json> {
    let term = |tag: &str, op: &str, value: Json| json!({"tag": tag, "op": op, "value": value});
    prop_oneof![
        (select(vec!["=", "!=", ">", ">=", "<", "<="]), 1..5).prop_map(move |(op, n)| term(
            "level",
            op,
            json!(n)
        )),
        (1..3, 2..5).prop_map(move |(low, high)| term("level", "between", json!([low, high]))),
        vec(1..5, 1..3).prop_map(move |list| term("level", "in", json!(list))),
        (select(vec!["=", "contains"]), select(WORDS.to_vec())).prop_map(move |(op, word)| term(
            "words",
            op,
            json!(word)
        )),
        (select(vec!["=", ">", ">=", "<", "<="]), select(DAYS.to_vec())).prop_map(move |(op, day)| term(
            "birthday",
            op,
            json!(day)
        )),
        (select(vec!["=", "starts_with"]), select(vec!["重庆", "成都"])).prop_map(move |(op, city)| term(
            "city",
            op,
            json!(city)
        )),
        select(vec![true, false]).prop_map(move |there| term("city", "exists", json!(there))),
    ]
}
