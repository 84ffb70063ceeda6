//! Random workloads: rules over the whole format, a stream over many users, and profiles; the same for the
//! same number.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value as Json;
use strateye_tests::random::{events, profiles, rule};

const RULES: usize = 60;
const EVENTS: usize = 3_000;
/// Most by which an event may lie behind the highest time before it, ms.
const LATENESS: i64 = 30_000;

/// Rules, events and profiles.
pub(crate) struct Workload {
    pub(crate) rules: Vec<Json>,
    pub(crate) events: Vec<Json>,
    pub(crate) profiles: Vec<Json>,
}

impl Workload {
    /// Workload number 0, whose events are of `spread` times the users of the random stream.
    pub(crate) fn spread(spread: u64) -> Self {
        Self::numbered(0, spread)
    }

    /// A workload of its own for each number.
    pub(crate) fn numbered(number: u8, spread: u64) -> Self {
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[number; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        let mut rules: Vec<Json> =
            (0..RULES).map(|_| rule().new_tree(&mut runner).unwrap().current()).collect();
        for (number, rule) in rules.iter_mut().enumerate() {
            rule["rule_id"] = format!("rule-{number:02}").into();
        }
        let stream = events(EVENTS, LATENESS);
        let mut events = stream.new_tree(&mut runner).unwrap().current();
        while events.len() < EVENTS * 3 / 4 {
            events = stream.new_tree(&mut runner).unwrap().current();
        }
        for (number, event) in (0u64..).zip(&mut events) {
            if let Some(guid) = event["guid"].as_u64() {
                event["guid"] = (guid + 3 * (number % spread)).into();
            }
        }
        Workload { rules, events, profiles: profiles().new_tree(&mut runner).unwrap().current() }
    }
}

/// Number of triggers by the fields that the engine and the reference write alike.
pub(crate) fn shared_fields(triggers: &[Json]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for trigger in triggers {
        let seen = ["rule_id", "key", "cause", "fired_at", "held_out", "action"].map(|name| &trigger[name]);
        *counts.entry(format!("{seen:?}")).or_default() += 1;
    }
    counts
}
