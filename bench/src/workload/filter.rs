//! Filters of a workload's rules, and the share of events that match them.

use serde_json::{Value as Json, json};

use super::{
    draw::Draw,
    vocabulary::{CATEGORIES, CHANNELS, Carries, EventType, FREQUENCIES, HALVES, KEYWORDS, page},
};

/// A filter, and the figures from which thresholds over it are derived.
#[derive(Debug)]
pub struct Filter {
    /// Kind of the events.
    pub kind: &'static EventType,
    /// Predicates on their properties, as in the rule document.
    pub predicates: Vec<Json>,
    /// Share of all events that match.
    pub share: f64,
    /// Mean amount of the events that match; 0 without amounts.
    pub amount: f64,
}

impl Filter {
    /// Filter of all events of a kind.
    pub fn all(kind: &'static EventType) -> Filter {
        let amount = if kind.has_amount() { mean_from(0) } else { 0.0 };
        Filter { kind, predicates: Vec::new(), share: kind.share(), amount }
    }

    /// Filter of some events of a kind.
    pub fn some(kind: &'static EventType, draw: &mut Draw) -> Filter {
        let filter = Filter::all(kind);
        match kind.carries {
            Carries::Keyword => filter.keyword(draw),
            _ if kind.has_amount() && draw.percent(50) => filter.amount_from(*draw.pick(&[3, 6, 10])),
            _ if kind.has_item() && draw.percent(80) => filter.categories(draw),
            _ if draw.percent(75) => filter.pages(0, *draw.pick(&[6, 12, 20])),
            _ => filter.channel(draw),
        }
    }

    fn keyword(self, draw: &mut Draw) -> Filter {
        let (op, word) = *draw.pick(&[
            ("contains", "重庆"),
            ("contains", "酒店"),
            ("contains", "民宿"),
            ("starts_with", "成都"),
            ("ends_with", "机票"),
            ("=", "重庆民宿"),
        ]);
        let matches = |at: usize| match op {
            "contains" => KEYWORDS[at].contains(word),
            "starts_with" => KEYWORDS[at].starts_with(word),
            "ends_with" => KEYWORDS[at].ends_with(word),
            _ => KEYWORDS[at] == word,
        };
        self.and("keyword", op, json!(word), FREQUENCIES.keywords.share(matches))
    }

    /// Restricts to amounts from the n-th smallest on.
    fn amount_from(self, least: usize) -> Filter {
        let share = (HALVES.len() - least) as f64 / HALVES.len() as f64;
        let mut filter = self.and("amt", ">=", json!(HALVES[least] as f64 / 2.0), share);
        filter.amount = mean_from(least);
        filter
    }

    fn categories(self, draw: &mut Draw) -> Filter {
        let wanted = draw.sample(&CATEGORIES, 3);
        let share = FREQUENCIES.items.share(|item| wanted.contains(&&CATEGORIES[item % CATEGORIES.len()]));
        self.and("cate", "in", json!(wanted), share)
    }

    /// Restricts to `count` pages, starting with the `from`-th most frequent.
    pub fn pages(self, from: usize, count: usize) -> Filter {
        let pages: Vec<String> = (from..from + count).map(page).collect();
        let share = FREQUENCIES.pages.share(|number| (from..from + count).contains(&number));
        self.and("page_id", "in", json!(pages), share)
    }

    fn channel(self, draw: &mut Draw) -> Filter {
        self.and("channel", "=", json!(draw.pick(&CHANNELS)), 1.0 / CHANNELS.len() as f64).and(
            "dur",
            "<",
            json!(600),
            0.6,
        )
    }

    fn and(mut self, property: &str, op: &str, value: Json, share: f64) -> Filter {
        self.predicates.push(json!({"property": property, "op": op, "value": value}));
        self.share *= share;
        self
    }

    /// The filter as in the rule document.
    pub fn document(&self) -> Json {
        if self.predicates.is_empty() {
            return json!({"id": self.kind.id});
        }
        json!({"id": self.kind.id, "where": self.predicates})
    }
}

/// Mean of the amounts from the n-th smallest on.
fn mean_from(least: usize) -> f64 {
    let halves = &HALVES[least..];
    halves.iter().sum::<u64>() as f64 / 2.0 / halves.len() as f64
}
