//! The rules: four conditions each, a rather specific trigger event, a tenth of the users.
//!
//! Thresholds are derived from what a fairly active user does in the whole workload, so that rules fire
//! whatever the number of events and users: a hundred of them on about one per cent of the events.

use serde_json::{Value as Json, json};

use super::{
    Settings, Stream,
    draw::{Draw, scatter},
    events::MEAN_STEP,
    filter::Filter,
    vocabulary::{Carries, EVENT_TYPES, EventType, FREQUENT, HALVES},
};

/// One rule in this many is keyed by ip, the others by guid.
const IP_EVERY: u64 = 12;
/// One user in this many belongs to a rule's crowd.
const CROWD: u64 = 10;

/// Combinations of the conditions.
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

/// Generator of rule documents. A rule does not depend on the number of rules.
#[derive(Debug)]
pub struct Rules {
    settings: Settings,
    /// Number of events of a fairly active user.
    active: f64,
}

impl Rules {
    /// The rules of a workload.
    pub fn new(settings: &Settings) -> Rules {
        let active = settings.population().events_at(0.4, settings.events);
        Rules { settings: *settings, active }
    }

    /// Id of a rule.
    pub fn id(number: u64) -> String {
        format!("r{number:05}")
    }

    /// Document of a rule.
    pub fn document(&self, number: u64) -> Json {
        let mut draw = self.settings.draw(Stream::Rule(number));
        let draw = &mut draw;
        let kinds = [
            Kind::Count,
            *draw.pick(&[Kind::Sequence, Kind::Gap]),
            *draw.pick(&[Kind::Sum, Kind::Range]),
            *draw.pick(&[Kind::Count, Kind::Sequence, Kind::Gap, Kind::Sum, Kind::Range]),
        ];
        let condition = |(i, kind)| self.condition(&format!("c{i}"), kind, draw);
        let conditions: Vec<Json> = kinds.into_iter().enumerate().map(condition).collect();
        let telling: Vec<&EventType> =
            EVENT_TYPES[..10].iter().filter(|t| t.carries != Carries::Nothing).collect();
        let kind = *draw.pick(&telling);
        let trigger = Filter::some(kind, draw).pages(3, *draw.pick(&[3, 6]));
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

    /// A condition that is met by a fairly active user, or by one half or twice as active.
    fn condition(&self, id: &str, kind: Kind, draw: &mut Draw) -> Json {
        let effort = *draw.pick(&[0.5, 1.0, 2.0]);
        match kind {
            Kind::Count => {
                let filter = Filter::some(draw.pick(FREQUENT), draw);
                let times = self.active * filter.share * effort;
                json!({"id": id, "calculator": "count", "event": filter.document(), "met": format!("value >= {}", at_least_one(times))})
            }
            Kind::Sequence => {
                let steps = draw.sample(FREQUENT, 3);
                let events_per_round: f64 = steps.iter().map(|s| 1.0 / s.share()).sum();
                let rounds = self.active / events_per_round * effort;
                json!({"id": id, "calculator": "sequence", "steps": ids(&steps), "met": format!("value >= {}", at_least_one(rounds))})
            }
            Kind::Gap => self.gap(id, &draw.sample(FREQUENT, 2), effort),
            Kind::Sum => {
                let kind = *draw.pick(&paid());
                let filter = Filter::some(kind, draw);
                let sum = (self.active * filter.share * effort).max(1.0) * filter.amount;
                let met = format!("sum >= {:.1}", (sum / 10.0).ceil() * 10.0);
                json!({"id": id, "calculator": "stats", "event": filter.document(), "params": {"of": "amt"}, "met": met})
            }
            Kind::Range => {
                let kind = *draw.pick(&paid());
                let filter = Filter::all(kind);
                let widest = (HALVES[HALVES.len() - 1] - HALVES[0]) as f64 / 2.0;
                let met = format!("range > {:.1}", (widest * draw.pick(&[0.4, 0.7, 0.95])).floor());
                json!({"id": id, "calculator": "stats", "event": filter.document(), "params": {"of": "amt"}, "met": met})
            }
        }
    }

    /// B within the time in which a fairly active user does B once after A.
    fn gap(&self, id: &str, steps: &[&EventType], effort: f64) -> Json {
        let rarer = steps.iter().map(|s| s.share()).fold(1.0, f64::min);
        let length = self.settings.events as f64 * MEAN_STEP;
        let seconds = at_least_one(length / (self.active * rarer) / 1000.0);
        let events_per_round: f64 = steps.iter().map(|s| 1.0 / s.share()).sum();
        let rounds = at_least_one(self.active / events_per_round * effort * 0.6);
        json!({
            "id": id,
            "calculator": "gap",
            "steps": ids(steps),
            "params": {"at_most": format!("{seconds}s"), "anchor": "latest"},
            "met": format!("value >= {rounds}"),
        })
    }

    fn crowd(&self, number: u64) -> Vec<u64> {
        let salt = scatter(self.settings.seed ^ scatter(number));
        (1..=self.settings.users).filter(|guid| scatter(guid ^ salt).is_multiple_of(CROWD)).collect()
    }
}

fn at_least_one(number: f64) -> u64 {
    number.round().max(1.0) as u64
}

fn ids(steps: &[&EventType]) -> Json {
    steps.iter().map(|s| json!({"id": s.id})).collect()
}

/// Frequent kinds of events that carry an amount.
fn paid() -> Vec<&'static EventType> {
    EVENT_TYPES[..12].iter().filter(|t| t.has_amount()).collect()
}
