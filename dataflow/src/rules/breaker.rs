//! The breaker: stops a rule whose rate of triggers suddenly is many times its usual one.
//!
//! Triggers are counted per minute. A rule's usual rate is the mean of its last sixty whole minutes; a minute
//! with more than `times` that, and more than `at_least`, trips the breaker. For a rule without ten whole
//! minutes only `at_most` counts.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

const MINUTE: Duration = Duration::from_secs(60);
const REMEMBERED: usize = 60;
const ENOUGH: usize = 10;

/// Limits of the rate at which a rule may fire.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Multiple of its usual rate.
    pub times: f64,
    /// Fewer triggers a minute than this never trip it.
    pub at_least: u64,
    /// More triggers a minute than this always trip it.
    pub at_most: u64,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        BreakerConfig { times: 50.0, at_least: 10_000, at_most: 3_000_000 }
    }
}

/// Counts of triggers by rule.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    rules: HashMap<String, Past>,
}

/// Triggers of one rule.
#[derive(Debug)]
struct Past {
    /// Start of the current minute.
    minute: Instant,
    /// Triggers in the current minute.
    count: u64,
    /// Whether the breaker has tripped in the current minute.
    tripped: bool,
    /// Triggers of the last whole minutes, oldest first.
    minutes: VecDeque<u64>,
}

impl Breaker {
    /// A breaker without counts.
    pub fn new(config: BreakerConfig) -> Self {
        Breaker { config, rules: HashMap::new() }
    }

    /// Counts triggers of a rule; returns the reason if that trips the breaker, at most once a minute.
    pub fn count(&mut self, rule_id: &str, count: u64, now: Instant) -> Option<String> {
        let BreakerConfig { times, at_least, at_most } = self.config;
        let past = self.rules.entry(rule_id.to_owned()).or_insert_with(|| Past {
            minute: now,
            count: 0,
            tripped: false,
            minutes: VecDeque::new(),
        });
        past.turn(now);
        past.count += count;
        let usual = past.minutes.iter().sum::<u64>() as f64 / past.minutes.len().max(1) as f64;
        let unusual =
            past.minutes.len() >= ENOUGH && past.count > at_least && past.count as f64 > times * usual;
        if past.tripped || !(unusual || past.count > at_most) {
            return None;
        }
        past.tripped = true;
        let fired = past.count;
        Some(format!(
            "fired {fired} times within a minute, usually {usual:.0}; pause and resume it, or publish it again, if that is intended"
        ))
    }
}

impl Past {
    /// Closes the minutes that are over.
    fn turn(&mut self, now: Instant) {
        let over = (now.saturating_duration_since(self.minute).as_secs() / MINUTE.as_secs()) as usize;
        for _ in 0..over.min(REMEMBERED + 1) {
            self.minutes.push_back(std::mem::take(&mut self.count));
            self.tripped = false;
        }
        while self.minutes.len() > REMEMBERED {
            self.minutes.pop_front();
        }
        self.minute += MINUTE * over as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sudden_flood_trips_it_once_a_minute() {
        let start = Instant::now();
        let config = BreakerConfig { times: 10.0, at_least: 100, at_most: 5_000 };
        let mut breaker = Breaker::new(config);
        for minute in 0..10 {
            assert_eq!(breaker.count("r", 20, start + MINUTE * minute), None);
        }
        let now = start + MINUTE * 10;
        assert_eq!(breaker.count("r", 200, now), None, "ten times the usual");
        assert!(breaker.count("r", 1, now).is_some_and(|reason| reason.contains("usually 20")));
        assert_eq!(breaker.count("r", 1_000, now), None, "it is said already");
        assert_eq!(breaker.count("r", 20, now + MINUTE), None);
    }

    #[test]
    fn a_new_rule_is_judged_by_the_absolute_bound() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerConfig { times: 2.0, at_least: 10, at_most: 1_000 });
        assert_eq!(breaker.count("r", 1_000, now), None);
        assert!(breaker.count("r", 1, now).is_some());
        assert_eq!(breaker.count("s", 900, now), None, "rules are counted apart");
    }
}
