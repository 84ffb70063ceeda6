//! The rules: four conditions each, a rather specific trigger event, a tenth of the users.
//!
//! Thresholds are reckoned from what a fairly active user does in the whole workload, so that rules come to fire
//! whatever the number of events and users: each on some hundredths of a per cent of the events, a hundred of them on about one
//! per cent together.

use serde_json::{Value as Json, json};

use super::{
    Settings, Stream,
    draw::{Draw, scatter},
    events::MEAN_STEP,
    filter::Filter,
    vocabulary::{EVENT_TYPES, EventType, FREQUENT, HALVES},
};

/// One rule in so many is keyed by ip, the others by guid.
const IP_EVERY: u64 = 12;
/// One user in so many belongs to a rule's crowd.
const CROWD: u64 = 10;

/// How conditions are combined.
const WHENS: [&str; 5] = [
    "c0 && (c1 || c2) && c3",
    "c0 && c1 && c2 && c3",
    "(c0 && c1) || (c2 && c3)",
    "c0 && c1 && (c2 || c3)",
    "(c0 || c1) && (c2 || c3)",
];

/// Kinds of conditions.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Count,
    Sequence,
    Gap,
    Sum,
    Range,
}

/// Makes rule documents. A rule does not depend on how many there are.
#[derive(Debug)]
pub struct Rules {
    settings: Settings,
    /// Events of a fairly active user.
    active: f64,
}

impl Rules {
    /// The rules of a workload.
    pub fn new(settings: &Settings) -> Rules {
        let active = settings.population().events_at(0.4, settings.events);
        Rules { settings: *settings, active }
    }

    /// A rule's id.
    pub fn id(number: u64) -> String {
        format!("r{number:05}")
    }

    /// A rule's document.
    pub fn document(&self, number: u64) -> Json {
        let mut draw = self.settings.draw(Stream::Rule(number));
        let draw = &mut draw;
        let kinds = [
            Kind::Count,
            *draw.pick(&[Kind::Sequence, Kind::Gap]),
            *draw.pick(&[Kind::Sum, Kind::Range]),
            *draw.pick(&[Kind::Count, Kind::Sequence, Kind::Gap, Kind::Sum, Kind::Range]),
        ];
        let conditions: Vec<Json> = kinds
            .into_iter()
            .enumerate()
            .map(|(i, kind)| {
                let mut condition = self.condition(kind, draw);
                condition["id"] = json!(format!("c{i}"));
                condition
            })
            .collect();
        let trigger = Filter::some(draw.pick(&[&EVENT_TYPES[..4], &EVENT_TYPES[5..6], &EVENT_TYPES[7..10]].concat_refs()), draw);
        let trigger = trigger.pages(3, *draw.pick(&[3, 6]));
        json!({
            "rule_id": Rules::id(number),
            "name": format!("workload rule {number}"),
            "key_by": if number % IP_EVERY == 5 { "ip" } else { "guid" },
            "crowd": {"guids": self.crowd(number)},
            "conditions": conditions,
            "when": draw.pick(&WHENS),
            "trigger": {"event": trigger.document()},
            "action": {"channel": "push", "template": format!("t{number}"), "page": "{{page_id}}"},
        })
    }

    fn crowd(&self, number: u64) -> Vec<u64> {
        let salt = scatter(self.settings.seed ^ scatter(number));
        (1..=self.settings.users).filter(|guid| scatter(guid ^ salt) % CROWD == 0).collect()
    }
}
