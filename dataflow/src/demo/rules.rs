//! The fifty rules of the demo.
//!
//! A document is a file under `rules/`, written as a marketer would publish it; only the crowd is added here,
//! because a bitmap of 300,000 users is not readable.

use serde_json::{Value, json};

use super::crowd::Audience::{self, Busy, Everybody, Scattered};

/// A rule's audience, id and document.
macro_rules! rule {
    ($audience:ident, $rule_id:literal) => {
        ($audience, $rule_id, include_str!(concat!("rules/", $rule_id, ".json")))
    };
}

/// Audience, id and document of every rule.
const RULES: [(Audience, &str, &str); 50] = [
    rule!(Scattered, "homestay-coupon"),
    rule!(Scattered, "homestay-collector"),
    rule!(Scattered, "homestay-share-bonus"),
    rule!(Scattered, "weekend-getaway"),
    rule!(Scattered, "hotel-business"),
    rule!(Scattered, "flight-low-price"),
    rule!(Scattered, "airport-transfer"),
    rule!(Scattered, "ticket-family"),
    rule!(Scattered, "ticket-stamps"),
    rule!(Scattered, "hotpot-night"),
    rule!(Scattered, "food-top3"),
    rule!(Busy, "nescafe-wake"),
    rule!(Scattered, "coffee-search"),
    rule!(Scattered, "coffee-stockup"),
    rule!(Scattered, "mom-sequence"),
    rule!(Scattered, "business-casual"),
    rule!(Scattered, "bag-promo"),
    rule!(Scattered, "bag-luxury"),
    rule!(Scattered, "phone-trade-in"),
    rule!(Scattered, "cart-hesitation"),
    rule!(Scattered, "cart-abandoned"),
    rule!(Scattered, "cart-big-amount"),
    rule!(Busy, "cart-cross-cate"),
    rule!(Busy, "cart-remove-rebound"),
    rule!(Scattered, "cart-expr"),
    rule!(Scattered, "order-unpaid"),
    rule!(Scattered, "order-unpaid-high"),
    rule!(Scattered, "homestay-unpaid"),
    rule!(Scattered, "pay-cross-sell"),
    rule!(Scattered, "big-spender"),
    rule!(Busy, "amt-swing"),
    rule!(Busy, "order-over-pay"),
    rule!(Scattered, "refund-care"),
    rule!(Everybody, "refund-flash"),
    rule!(Scattered, "praise-bonus"),
    rule!(Scattered, "bad-comment"),
    rule!(Scattered, "coupon-idle"),
    rule!(Scattered, "coupon-small-order"),
    rule!(Scattered, "coupon-last-mile"),
    rule!(Scattered, "share-fever"),
    rule!(Busy, "like-no-buy"),
    rule!(Busy, "unfavorite-winback"),
    rule!(Busy, "ad-click-convert"),
    rule!(Scattered, "page-p05-vs-p10"),
    rule!(Scattered, "logout-deep-browse"),
    rule!(Busy, "cross-channel"),
    rule!(Everybody, "bruteforce-ip"),
    rule!(Everybody, "account-takeover"),
    rule!(Everybody, "exit-ip-crowd"),
    rule!(Everybody, "sms-login-tip"),
];

/// Pairs of rule id and document, with crowds of about three in ten of `users`.
///
/// Takes a moment per million users: each crowd is a bitmap of its own.
pub fn rules(users: u64) -> Vec<(String, Value)> {
    // The documents are constants that the tests parse and compile, so none is left out.
    let documents = RULES.iter().filter_map(|(audience, rule_id, text)| {
        Some((audience, rule_id, serde_json::from_str::<Value>(text).ok()?))
    });
    documents
        .map(|(audience, rule_id, mut document)| {
            if let Some(bitmap) = audience.bitmap(rule_id, users) {
                document["crowd"] = json!({ "bitmap": bitmap });
            }
            ((*rule_id).to_owned(), document)
        })
        .collect()
}
