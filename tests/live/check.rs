//! Comparison of the output with the plain reference.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use operators::{
    model::ids::BookGeneration,
    ops::evaluating::{Evaluator, StateNames},
    rule::{
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
        lineage::Lineage,
    },
    state::delta::Change,
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::{Value as Json, json};
use strateye_tests::{
    engine::sorted,
    reference::{self, Options, StateKey, Step},
};

use crate::{engine::Engine, load::Load, waiting::POLL_INTERVAL};

/// The reference's results for a load.
pub(crate) struct Expected {
    /// All triggers, by their [firing].
    pub(crate) triggers: BTreeMap<String, Json>,
    /// All figures.
    pub(crate) state: BTreeMap<StateKey, Json>,
    /// The last instant.
    pub(crate) end: i64,
}

/// The reference's results for rules that never change.
pub(crate) fn expected(rules: &[Json], load: &Load) -> Expected {
    expected_lines(rules, &load.lines)
}

/// The reference's results for the given lines of each partition.
pub(crate) fn expected_lines(rules: &[Json], lines: &[Vec<String>]) -> Expected {
    let always = |rule: &Json| vec![Step { from: 0, at: 0, document: rule.clone(), paused: false }];
    let steps: Vec<_> = rules.iter().map(always).collect();
    expected_of_lines(&|_| steps.clone(), lines)
}

/// The reference's results for rules with the given steps in each partition: partitions are independent of
/// each other, as keys are.
pub(crate) fn expected_of(steps: &dyn Fn(u32) -> Vec<Vec<Step>>, load: &Load) -> Expected {
    expected_of_lines(steps, &load.lines)
}

/// Like [`expected_of`], for the given lines of each partition.
fn expected_of_lines(steps: &dyn Fn(u32) -> Vec<Vec<Step>>, lines: &[Vec<String>]) -> Expected {
    // Rules are live before anything is sent.
    let publish = lines.iter().flatten().filter_map(|line| time(line)).min().unwrap() - 1;
    let end = lines.iter().filter_map(|lines| time(lines.last()?)).max().unwrap();
    let options = Options { publish_at: Some(publish), ..Options::default() };
    let mut expected = Expected { triggers: BTreeMap::new(), state: BTreeMap::new(), end };
    for (partition, lines) in lines.iter().enumerate() {
        let outcome = reference::run_changing(&steps(partition as u32), lines, &options);
        for mut trigger in outcome.triggers {
            trigger["cause"]["partition"] = json!(partition);
            expected.triggers.insert(firing(&trigger), trigger);
        }
        expected.state.extend(outcome.state);
    }
    expected
}

fn time(line: &str) -> Option<i64> {
    serde_json::from_str::<Json>(line).ok()?["event_time"].as_i64()
}

/// Rule, key and cause of a trigger; the reference does not know when the engine published the rule, and so no
/// `trigger_id`.
pub(crate) fn firing(trigger: &Json) -> String {
    sorted([json!([trigger["rule_id"], trigger["key"], trigger["cause"]])]).remove(0)
}

/// Everything published to a topic, without aborted transactions.
pub(crate) fn published(engine: &Engine, topic: &str) -> Vec<Json> {
    let topic = format!("{}-{topic}", engine.name);
    let mut config = engine.services.kafka.client();
    config
        .set("group.id", "check")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut all = TopicPartitionList::new();
    (0..3).for_each(|p| all.add_partition_offset(&topic, p, Offset::Beginning).unwrap());
    consumer.assign(&all).unwrap();
    let (mut triggers, mut ended) = (Vec::new(), BTreeSet::new());
    let until = Instant::now() + Duration::from_secs(60);
    while ended.len() < 3 {
        assert!(Instant::now() < until, "the topic {topic} can't be read to its end");
        match consumer.poll(Duration::from_secs(1)) {
            Some(Ok(message)) => triggers.push(serde_json::from_slice(message.payload().unwrap()).unwrap()),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(p))) => drop(ended.insert(p)),
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    triggers
}

/// A trigger without the fields that the reference does not compute.
fn comparable(trigger: &Json) -> Json {
    let fields = ["rule_id", "key_by", "key", "guid", "cause", "fired_at", "values", "held_out", "action"];
    fields
        .iter()
        .map(|field| ((*field).to_owned(), trigger[*field].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Compares the triggers with the expected ones, up to the last event.
pub(crate) fn triggers(engine: &Engine, expected: &Expected) {
    triggers_of_edited(engine, expected, &[]);
}

/// Like [`triggers`], for rules that are edited: what such a rule fired at once, before a restart took back
/// its change, can't be called back, so there may be more triggers of these rules.
pub(crate) fn triggers_of_edited(engine: &Engine, expected: &Expected, edited: &[&str]) {
    let once = compare(engine, expected, edited);
    assert_eq!(once, expected.triggers.len(), "with checkpoints each comes exactly once");
}

/// Like [`triggers`], but triggers with `delivery = "committed"` may be repeated, too. Returns the number of
/// triggers.
pub(crate) fn triggers_at_least(engine: &Engine, expected: &Expected) -> usize {
    compare(engine, expected, &[])
}

fn compare(engine: &Engine, expected: &Expected, edited: &[&str]) -> usize {
    let inside = |t: &Json| t["fired_at"].as_i64().unwrap() <= expected.end;
    let mut now: Vec<Json> = published(engine, "now").into_iter().filter(inside).collect();
    let once: Vec<Json> = published(engine, "once").into_iter().filter(inside).collect();
    let wanted: BTreeSet<String> = expected.triggers.keys().cloned().collect();
    let is_edited = |t: &Json| edited.iter().any(|rule| t["rule_id"] == *rule);
    now.retain(|t| wanted.contains(&firing(t)) || !is_edited(t));
    check_ids(now.iter().chain(&once).filter(|t| !is_edited(t)));
    let show = |firings: Vec<&String>| -> Vec<Json> {
        let all = now.iter().chain(&once);
        let known: BTreeMap<String, &Json> = all.map(|t| (firing(t), t)).collect();
        let find = |firing: &&String| {
            expected.triggers.get(*firing).or_else(|| known.get(*firing).copied()).cloned()
        };
        firings.iter().take(5).filter_map(find).collect()
    };
    for (what, got) in [("at once", &now), ("with checkpoints", &once)] {
        let got: BTreeSet<String> = got.iter().map(firing).collect();
        let missing: Vec<_> = wanted.difference(&got).collect();
        let surplus: Vec<_> = got.difference(&wanted).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "{what}: {} of {} are missing, {} are too many; missing {:#?} too many {:#?}",
            missing.len(),
            wanted.len(),
            surplus.len(),
            show(missing),
            show(surplus)
        );
    }
    for trigger in now.iter().filter(|t| !is_edited(t)).chain(&once) {
        assert_eq!(sorted([comparable(trigger)]), sorted([comparable(&expected.triggers[&firing(trigger)])]));
    }
    println!("{} triggers, sent {} times at once, {} with checkpoints", wanted.len(), now.len(), once.len());
    once.len()
}

/// Checks that each firing has one id, however often it was sent, and no other firing has it.
fn check_ids<'t>(triggers: impl Iterator<Item = &'t Json>) {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for trigger in triggers {
        let id = trigger["trigger_id"].to_string();
        let known = ids.entry(firing(trigger)).or_insert_with(|| id.clone());
        assert_eq!(known, &id, "one id: {trigger}");
    }
    let different: BTreeSet<&String> = ids.values().collect();
    assert_eq!(different.len(), ids.len(), "an id of two firings");
}

/// The readable state in Redis: by key, the fields of each hash; the buckets of a hash merged.
fn hashes(engine: &Engine) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut hashes: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for url in engine.services.redis.urls() {
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let keys: Vec<String> =
            redis::cmd("KEYS").arg(format!("{}:s:*", engine.name)).query(&mut connection).unwrap();
        for key in keys {
            let fields: BTreeMap<String, String> =
                redis::cmd("HGETALL").arg(&key).query(&mut connection).unwrap();
            // Prefix, `s`, rule, condition, beginning, and perhaps a bucket.
            let name = key.split(':').take(5).collect::<Vec<_>>().join(":");
            hashes.entry(name).or_default().extend(fields);
        }
    }
    hashes
}

/// Figures computed from the state in Redis, at an instant.
pub(crate) fn figures(engine: &Engine, rules: &[Json], at: i64) -> BTreeMap<StateKey, Json> {
    let hashes = hashes(engine);
    let mut catalog = Catalog::default();
    let lineage = |rule: &str, former: &Lineage| {
        let mut lineage = former.clone();
        for key in hashes.keys() {
            let parts: Vec<&str> = key.split(':').collect();
            if parts[2] != rule {
                continue;
            }
            let since = parts[4].parse().unwrap();
            match lineage.conditions.iter_mut().find(|b| b.id == parts[3]) {
                Some(beginning) => beginning.since = since,
                None => lineage.rule = since,
            }
        }
        lineage
    };
    let published = |rule: &Json| {
        let mut document = rule.clone();
        document.as_object_mut().unwrap().remove("crowd");
        let first = Published::first(&document.to_string(), 1, 0, BTreeMap::new()).unwrap();
        let lineage = lineage(rule["rule_id"].as_str().unwrap(), &first.lineage);
        RuleChange::Put(Box::new(Published { lineage, ..first }))
    };
    let set = ChangeSet { generation: BookGeneration(1), changes: rules.iter().map(published).collect() };
    let book = Arc::clone(&catalog.apply(&set).book);
    let names = StateNames::of(&book);
    let mut evaluator = Evaluator::new(book);
    for (key, fields) in &hashes {
        let name = key.splitn(3, ':').nth(2).unwrap();
        for (field, text) in
            fields.iter().filter(|(field, _)| !matches!(field.as_str(), "@generation" | "@n"))
        {
            evaluator.restore(&names, &Change { name, key: field, text: Some(text) }).unwrap();
        }
    }
    evaluator.restored(at);
    let all = evaluator.figures(at).into_iter();
    all.map(|f| ((f.rule_id, f.key, f.condition), f.outputs)).collect()
}

/// Waits until the readable state in Redis equals the expected one.
pub(crate) fn state(engine: &Engine, rules: &[Json], expected: &Expected) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let figures = figures(engine, rules, expected.end);
        if figures == expected.state {
            println!("{} figures in Redis are as expected", figures.len());
            return;
        }
        if Instant::now() > until {
            let differ = |k: &&StateKey| figures.get(*k) != expected.state.get(*k);
            let keys: BTreeSet<&StateKey> =
                figures.keys().chain(expected.state.keys()).filter(differ).collect();
            let shown: Vec<_> =
                keys.iter().take(8).map(|k| (k, figures.get(*k), expected.state.get(*k))).collect();
            panic!("{} of {} figures differ: {shown:#?}", keys.len(), expected.state.len());
        }
        thread::sleep(POLL_INTERVAL);
    }
}
