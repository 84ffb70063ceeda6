//! Property tests: the engine and the plain reference evaluator give the same triggers and the same final
//! state, however the work is laid out.

use operators::model::{
    decode::{Decoder, EventFormat},
    field::Fields,
    guid::Guid,
    wire::Codec,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use strateye_tests::{
    engine::{self, Engine, Layout, as_reference, sorted},
    golden,
    random::{BASE, RandomCase, Shape, case},
    reference::{self, Options},
};

fn layouts() -> impl Strategy<Value = Layout> {
    let codecs = prop_oneof![Just(None), Just(Some(Codec::Abomonation)), Just(Some(Codec::Bytemuck))];
    let turns = prop::collection::vec(0usize..4, 0..20);
    let batches = prop::collection::vec(1usize..30, 0..6);
    let clocks = prop::collection::vec(0usize..12, 0..6);
    let restarts = prop::collection::vec((0usize..12, any::<bool>(), 1usize..5), 0..4);
    let parts = (1usize..6, codecs, turns, batches, clocks, restarts);
    parts.prop_map(|(workers, codec, turns, batches, clocks_after, saves)| Layout {
        workers,
        codec,
        turns,
        batches,
        clocks_after,
        saves,
        format: EventFormat::default(),
    })
}

fn times(lines: &[String]) -> Vec<i64> {
    lines.iter().filter_map(|line| Decoder::default().event_time(line.as_bytes())).collect()
}

fn publish(options: &Options, lines: &[String]) -> i64 {
    options.publish_at.unwrap_or_else(|| times(lines).into_iter().min().unwrap_or(0))
}

fn fired(engine: &Engine) -> Vec<String> {
    sorted(engine.triggers.iter().map(as_reference))
}

#[test]
fn golden_cases_hold() {
    for case in golden::cases() {
        let decoder = Decoder::new(&case.format());
        let times = case.events.iter().filter_map(|line| decoder.event_time(line.as_bytes()));
        let publish = case.publish_at.or(times.min()).unwrap_or(0);
        let profiles = case.profiles.clone().unwrap_or_default();
        for workers in [1, 3] {
            let layout = Layout {
                workers,
                codec: Some(Codec::Abomonation),
                clocks_after: vec![1],
                format: case.format(),
                ..Layout::default()
            };
            let engine =
                engine::run(&case.rules, std::slice::from_ref(&case.events), publish, &profiles, &layout);
            let triggers: Vec<Json> = engine.triggers.iter().map(as_reference).collect();
            case.check(&triggers).unwrap();
        }
    }
}

fn same(case: &RandomCase, layout: &Layout) -> Result<(), TestCaseError> {
    let outcome = reference::run(&case.rules, &case.events, &case.options);
    let profiles = case.options.profiles.clone().unwrap_or_default();
    let publish = publish(&case.options, &case.events);
    let mut engine = engine::run(&case.rules, std::slice::from_ref(&case.events), publish, &profiles, layout);
    prop_assert_eq!(fired(&engine), sorted(outcome.triggers));
    let last = times(&case.events).into_iter().max().unwrap_or(0);
    prop_assert_eq!(engine.state(last), outcome.state);
    Ok(())
}

/// Events of several partitions for rules keyed by guid: each user in one partition, all partitions ending
/// together.
fn partitioned(case: &RandomCase, partitions: usize) -> (Vec<Json>, Vec<Vec<String>>) {
    let mut rules = case.rules.clone();
    rules.iter_mut().for_each(|rule| rule["key_by"] = json!("guid"));
    let mut split = vec![Vec::new(); partitions];
    let mut last = BASE;
    for line in &case.events {
        let Ok(event) = Decoder::default().decode(&Fields::default(), line.as_bytes()) else { continue };
        last = last.max(event.event_time);
        let user = match event.guid() {
            Some(Guid::Number(number)) => number as usize,
            Some(Guid::Text(text)) => text.len(),
            None => 0,
        };
        split[user % partitions].push(line.clone());
    }
    let end = json!({"event_id": "the-end", "event_time": last + 1}).to_string();
    split.iter_mut().for_each(|lines| lines.push(end.clone()));
    (rules, split)
}

/// Events of two users, as many and as close that a sliding window holds more folds than are kept one by one, and a
/// rule that fires with its figures at each of them.
fn crowded() -> impl Strategy<Value = RandomCase> {
    let late = prop_oneof![4 => Just(0i64), 1 => 0i64..20_000];
    let events = prop::collection::vec((0i64..600, late, 1u64..3, 0i64..50), 100..260);
    (prop::sample::select(vec!["64ms", "6400ms", "20s", "1m"]), events).prop_map(|(last, drawn)| {
        let mut now = BASE;
        let line = |(step, late, guid, x): (i64, i64, u64, i64)| {
            now += step;
            let id = if x % 9 == 0 { "f" } else { "e" };
            json!({"guid": guid, "event_id": id, "event_time": now - late, "properties": {"x": x}}).to_string()
        };
        let events = drawn.into_iter().map(line).collect();
        let folded = |id: &str, calculator: &str, params: Json| {
            json!({"id": id, "calculator": calculator, "event": {"id": "e"}, "params": params, "window": {"last": last}})
        };
        let steps = json!([{"id": "e"}, {"id": ["e", "f"]}]);
        let rule = json!({"rule_id": "r", "when": "n.value >= 0", "trigger": {"event": {"id": ["e", "f"]}}, "conditions": [
            folded("n", "count", json!({})),
            folded("s", "stats", json!({"of": "x"})),
            folded("t", "top", json!({"of": "x", "n": 3})),
            folded("d", "distinct", json!({"of": "x"})),
            {"id": "g", "calculator": "gap", "steps": steps, "window": {"last": last}},
        ]});
        RandomCase { rules: vec![rule], events, options: Options::default() }
    })
}

/// Events of two users over weeks in which clocks are set or a day is left out, and rules with figures and limits of the
/// calendar.
fn dated() -> impl Strategy<Value = RandomCase> {
    let places = prop::sample::select(vec![
        ("Asia/Shanghai", 1_772_000_000_000i64),
        ("America/New_York", 1_772_600_000_000),
        ("Europe/Berlin", 1_761_000_000_000),
        ("America/Sao_Paulo", 1_540_900_000_000),
        ("Pacific/Apia", 1_324_900_000_000),
    ]);
    let late = prop_oneof![4 => Just(0i64), 1 => 0..60 * 3_600_000i64];
    let events = prop::collection::vec((0..12 * 3_600_000i64, late, 1u64..3, 0i64..9), 30..90);
    (places, events).prop_map(|((zone, start), drawn)| {
        let mut now = start;
        let line = |(step, late, guid, x): (i64, i64, u64, i64)| {
            now += step;
            json!({"guid": guid, "event_id": "e", "event_time": now - late, "properties": {"x": x}}).to_string()
        };
        let events = drawn.into_iter().map(line).collect();
        let rule = |unit: &str| {
            let this = json!({"this": unit, "zone": zone});
            let folded = |id: &str, calculator: &str| {
                json!({"id": id, "calculator": calculator, "event": {"id": "e"}, "params": {"of": "x"}, "window": this})
            };
            json!({"rule_id": unit, "when": "s.count >= 0", "trigger": {"event": {"id": "e"}}, "limit": {"times": 3, "per": this}, "conditions": [
                {"id": "n", "calculator": "count", "event": {"id": "e"}, "window": this},
                folded("s", "stats"),
                folded("d", "distinct"),
                folded("l", "last"),
            ]})
        };
        RandomCase { rules: vec![rule("day"), rule("week"), rule("month")], events, options: Options::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn windows_of_many_folds(case in crowded(), layout in layouts()) {
        same(&case, &layout)?;
    }

    #[test]
    fn windows_and_limits_of_the_calendar(case in dated(), layout in layouts()) {
        same(&case, &layout)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn in_order(case in case(Shape { rules: 3, events: 80, lateness: 0, bad_lines: false }), layout in layouts()) {
        same(&case, &layout)?;
    }

    #[test]
    fn late_and_broken(case in case(Shape { rules: 3, events: 80, lateness: 30_000, bad_lines: true }), layout in layouts()) {
        same(&case, &layout)?;
    }

    #[test]
    fn partitions_in_any_interleaving(
        case in case(Shape { rules: 3, events: 80, lateness: 20_000, bad_lines: false }), layout in layouts(), partitions in 2usize..5,
    ) {
        let (rules, split) = partitioned(&case, partitions);
        let publish = publish(&case.options, &case.events);
        let options = Options { publish_at: Some(publish), ..case.options.clone() };
        let mut wanted = Vec::new();
        for (partition, lines) in split.iter().enumerate() {
            let mut outcome = reference::run(&rules, lines, &options);
            let caused = outcome.triggers.iter_mut().filter(|t| !t["cause"].is_null());
            caused.for_each(|t| t["cause"]["partition"] = json!(partition));
            wanted.extend(outcome.triggers);
        }
        let engine = engine::run(&rules, &split, publish, &options.profiles.unwrap_or_default(), &layout);
        prop_assert_eq!(fired(&engine), sorted(wanted));
    }
}

#[test]
fn a_lagging_partition_holds_timers_back() {
    let rule = json!({
        "rule_id": "unpaid", "conditions": [{"id": "n", "calculator": "absence", "steps": [{"id": "order"}, {"id": "pay"}], "params": {"within": "15m"}}],
        "trigger": {"each": "n"},
    });
    let at = |minutes: i64, guid: u64, id: &str| {
        json!({"guid": guid, "event_id": id, "event_time": BASE + minutes * 60_000}).to_string()
    };
    let mut engine = Engine::new(Layout::default(), 2);
    engine.put(&[rule], 1, BASE, &[]);
    engine.event(0, &at(0, 2, "order"));
    engine.event(0, &at(60, 4, "view"));
    engine.event(1, &at(15, 1, "view"));
    engine.apply_clocks();
    assert!(engine.triggers.is_empty(), "partition 1 still stands at the deadline");
    engine.event(1, &at(16, 1, "view"));
    engine.apply_clocks();
    assert_eq!(engine.triggers.len(), 1);
    assert_eq!(engine.triggers[0].fired_at, BASE + 15 * 60_000);
}
