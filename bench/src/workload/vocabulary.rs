//! Vocabulary of the events: kinds, pages, keywords, items, prices.

use std::sync::LazyLock;

use super::draw::Weights;

/// A kind of event.
#[derive(Debug, PartialEq, Eq)]
pub struct EventType {
    /// Its id.
    pub id: &'static str,
    /// Share of all events, per mille.
    pub per_mille: u64,
    /// Properties besides those that all events have.
    pub carries: Carries,
}

/// Properties that only some kinds of events have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// None.
    Nothing,
    /// `keyword`
    Keyword,
    /// `amt`
    Amount,
    /// `item` and `cate`
    Item,
    /// `item`, `cate` and `amt`
    ItemAndAmount,
}

impl EventType {
    /// Whether it has `item` and `cate`.
    pub fn has_item(&self) -> bool {
        matches!(self.carries, Carries::Item | Carries::ItemAndAmount)
    }

    /// Whether it has `amt`.
    pub fn has_amount(&self) -> bool {
        matches!(self.carries, Carries::Amount | Carries::ItemAndAmount)
    }

    /// Share of all events.
    pub fn share(&self) -> f64 {
        self.per_mille as f64 / 1000.0
    }
}

const fn kind(id: &'static str, per_mille: u64, carries: Carries) -> EventType {
    EventType { id, per_mille, carries }
}

/// All kinds of events, frequent ones first.
pub const EVENT_TYPES: [EventType; 20] = [
    kind("page_view", 220, Carries::Nothing),
    kind("item_click", 140, Carries::Item),
    kind("search", 100, Carries::Keyword),
    kind("item_view", 100, Carries::Item),
    kind("page_leave", 80, Carries::Nothing),
    kind("add_cart", 60, Carries::ItemAndAmount),
    kind("ad_show", 50, Carries::Nothing),
    kind("like", 40, Carries::Item),
    kind("order", 30, Carries::ItemAndAmount),
    kind("collect", 30, Carries::Item),
    kind("login", 30, Carries::Nothing),
    kind("pay", 25, Carries::ItemAndAmount),
    kind("share", 20, Carries::Item),
    kind("logout", 20, Carries::Nothing),
    kind("coupon_get", 15, Carries::Nothing),
    kind("comment", 13, Carries::Item),
    kind("del_cart", 10, Carries::Item),
    kind("ad_click", 8, Carries::Nothing),
    kind("coupon_use", 5, Carries::Amount),
    kind("refund", 4, Carries::ItemAndAmount),
];

/// The kinds that most conditions and triggers use.
pub const FREQUENT: &[EventType] = EVENT_TYPES.split_at(8).0;

/// Search keywords, frequent ones first.
pub const KEYWORDS: [&str; 24] = [
    "重庆民宿",
    "重庆火锅",
    "北京酒店",
    "成都民宿",
    "三亚机票",
    "重庆酒店",
    "上海酒店",
    "大理古城",
    "杭州西湖",
    "西安城墙",
    "成都火锅",
    "厦门民宿",
    "广州早茶",
    "昆明机票",
    "苏州园林",
    "桂林漓江",
    "青岛海鲜",
    "拉萨机票",
    "黄山门票",
    "长沙小吃",
    "深圳酒店",
    "武汉樱花",
    "敦煌石窟",
    "哈尔滨冰雕",
];

/// Categories of items; item `i` is of category `i` mod 8.
pub const CATEGORIES: [&str; 8] = ["hotel", "homestay", "flight", "train", "ticket", "food", "car", "visa"];

/// Channels.
pub const CHANNELS: [&str; 4] = ["app", "web", "mini", "h5"];

/// Operating systems.
pub const SYSTEMS: [&str; 4] = ["android-14", "ios-17.4", "harmony-4", "windows-11"];

/// Prices in halves of a yuan: sums of halves are exact in a double, in whatever order they are added.
pub const HALVES: [u64; 24] = [
    4, 10, 19, 38, 40, 59, 78, 99, 120, 158, 199, 238, 299, 360, 399, 478, 600, 799, 998, 1199, 1598, 1999,
    2798, 3999,
];

/// Number of pages.
pub const PAGES: usize = 60;
/// Number of items.
pub const ITEMS: usize = 2000;
/// Upper bound of durations.
pub const LONGEST_DURATION: usize = 1000;

/// Frequency distributions of the vocabulary.
#[derive(Debug)]
pub struct Frequencies {
    /// Frequencies of [`EVENT_TYPES`].
    pub event_types: Weights,
    /// Frequencies of [`KEYWORDS`].
    pub keywords: Weights,
    /// Frequencies of pages.
    pub pages: Weights,
    /// Frequencies of items.
    pub items: Weights,
}

/// The distributions of every workload.
pub static FREQUENCIES: LazyLock<Frequencies> = LazyLock::new(|| Frequencies {
    event_types: Weights::new(EVENT_TYPES.iter().map(|t| t.per_mille)),
    keywords: Weights::zipf(KEYWORDS.len(), 0.7, 0.0),
    pages: Weights::zipf(PAGES, 0.8, 0.0),
    items: Weights::zipf(ITEMS, 0.9, 4.0),
});

/// Id of a page.
pub fn page(number: usize) -> String {
    format!("page_{number:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_add_up() {
        assert_eq!(EVENT_TYPES.iter().map(|t| t.per_mille).sum::<u64>(), 1000);
        assert!(EVENT_TYPES.is_sorted_by(|a, b| a.per_mille >= b.per_mille));
    }
}
