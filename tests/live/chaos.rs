//! Kills, hangs and restarts while events flow and rules change: the result is as if nothing had happened.

use std::{collections::BTreeMap, time::Duration};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use strateye_tests::reference::Step;

use crate::{
    check,
    engine::{Change, Engine, Services, signal},
    load::Load,
    rules::rules,
    shop::{Event, shop, yardstick},
    waiting::{all_read, checkpoints},
};

/// A disturbance of a running system.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// A process is killed; its number counts from 0, modulo the number of processes.
    Kill(usize),
    /// A process hangs.
    Hang(usize),
    /// The supervisor is killed, and all processes with it; the next engine has this many processes.
    KillAll(u32),
    /// The engine ends in good order; the next one has this many processes.
    Resize(u32),
    /// Redis is killed and restarted.
    Redis,
    /// The broker is killed and restarted.
    Kafka,
    /// The database is killed and restarted.
    Mariadb,
}

impl Disturbance {
    fn happen(self, engine: &mut Engine) {
        let nth = |processes: Vec<u32>, n: usize| processes[n % processes.len()];
        match self {
            Disturbance::Kill(n) => signal(nth(engine.processes(), n), Signal::KILL),
            Disturbance::Hang(n) => signal(nth(engine.processes(), n), Signal::STOP),
            Disturbance::KillAll(processes) => {
                engine.kill();
                engine.start(processes);
            }
            Disturbance::Resize(processes) => {
                engine.stop();
                engine.start(processes);
            }
            Disturbance::Redis => {
                engine.services.redis.kill();
                engine.services.redis.restart();
            }
            Disturbance::Kafka => {
                engine.services.kafka.kill();
                engine.services.kafka.restart();
            }
            Disturbance::Mariadb => {
                engine.services.mysql.kill();
                engine.services.mysql.restart();
            }
        }
    }
}

/// A change of a rule by SQL, and the state it leads to.
#[derive(Clone, Debug)]
struct Edit {
    rule_id: &'static str,
    version: u64,
    state: &'static str,
    change: fn(&mut Json),
}

impl Edit {
    fn new(rule_id: &'static str, version: u64, state: &'static str, change: fn(&mut Json)) -> Self {
        Edit { rule_id, version, state, change }
    }

    /// Makes the change and waits until it is in force.
    fn happen(&self, engine: &mut Engine, rules: &mut [Json]) {
        let rule = rules.iter_mut().find(|r| r["rule_id"] == self.rule_id).unwrap();
        let before = rule.clone();
        (self.change)(rule);
        if *rule == before {
            engine.set_status(self.rule_id, if self.state == "paused" { "paused" } else { "online" });
        } else {
            engine.publish(rule);
        }
        engine.await_rule(self.rule_id, self.version, self.state);
    }
}

/// Edits of every kind, none of which leads back to an earlier document: the log does not distinguish the two
/// times. None concerns rules with timers, whose result around an edit depends on when exactly the clock was
/// applied.
fn edits() -> Vec<Edit> {
    vec![
        Edit::new("spender", 2, "live", |rule| rule["when"] = json!("sum.sum > 250 && top.avg > 50")),
        Edit::new("crowded-ip", 1, "paused", |_| {}),
        Edit::new("busy", 2, "live", |rule| rule["conditions"][0]["met"] = json!("value >= 2")),
        Edit::new("crowded-ip", 1, "live", |_| {}),
        Edit::new("journey", 2, "live", |rule| rule["conditions"][0]["params"]["within"] = json!("40s")),
        Edit::new("plain", 2, "live", |rule| rule["action"] = json!({"channel": "sms"})),
        Edit::new("curious", 2, "live", |rule| {
            rule["conditions"][0]["event"] = json!({"id": ["view", "search"]})
        }),
        Edit::new("some", 2, "live", |rule| rule["limit"] = json!({"times": 3})),
        Edit::new("spender", 2, "paused", |_| {}),
        Edit::new("busy", 3, "live", |rule| rule["conditions"][0]["window"] = json!({"last": "6s"})),
        Edit::new("device", 2, "live", |rule| rule["trigger"] = json!({"event": {"id": ["pay", "cart"]}})),
    ]
}

/// Versions of the rules in a partition, each with its first offset.
fn steps(
    rules: &[Json],
    made: &[Edit],
    cuts: &BTreeMap<Change, BTreeMap<u32, u64>>,
    partition: u32,
) -> Vec<Vec<Step>> {
    let of = |rule: &Json| {
        let mut steps = vec![Step { from: 0, at: 0, document: rule.clone(), paused: false }];
        for edit in made.iter().filter(|e| rule["rule_id"] == e.rule_id) {
            let mut document = steps.last().unwrap().document.clone();
            (edit.change)(&mut document);
            let change = (edit.rule_id.to_owned(), edit.version, edit.state.to_owned());
            let from = cuts[&change].get(&partition).copied().unwrap_or(0);
            // No edit adds what depends on its instant.
            steps.push(Step { from, at: 0, document, paused: edit.state == "paused" });
        }
        steps
    };
    rules.iter().map(of).collect()
}

/// Parameters of a run.
struct Scene {
    rules: Vec<Json>,
    events: Box<dyn Iterator<Item = Event>>,
    edits: Vec<Edit>,
    processes: u32,
    /// Events per second.
    rate: u32,
}

impl Scene {
    /// Rules that use every feature, edited in between.
    fn shop(seed: u64, processes: u32) -> Self {
        let events = Box::new(shop(seed));
        Scene { rules: rules(), events, edits: edits(), processes, rate: 500 }
    }

    /// The workload of the benchmarks.
    fn yardstick(seed: u64, processes: u32, disturbances: usize) -> Self {
        let (rules, events) = yardstick(seed, 48, 2_000 * (disturbances as u64 + 1));
        Scene { rules, events: Box::new(events), edits: Vec::new(), processes, rate: 1_000 }
    }

    fn run(self, disturbances: &[Disturbance]) {
        let Scene { rules: first, events, edits, processes, rate } = self;
        let mut engine = Engine::prepare(Services::start());
        let mut rules = first.clone();
        rules.iter().for_each(|rule| engine.publish(rule));
        engine.start(processes);
        engine.log_until("rules in force");
        // Otherwise rules of an engine that dies now would be published anew, and the events before would be
        // history to them.
        checkpoints(&engine, 1);
        let mut load = Load::of(&engine, events);
        load.send(2 * rate, Duration::from_secs(2));
        let (mut edits, mut made) = (edits.into_iter(), Vec::new());
        for disturbance in disturbances {
            if let Some(edit) = edits.next() {
                println!("{} is to be {} as version {}", edit.rule_id, edit.state, edit.version);
                edit.happen(&mut engine, &mut rules);
                made.push(edit);
            }
            println!("{disturbance:?}");
            disturbance.happen(&mut engine);
            load.send(2 * rate, Duration::from_secs(2));
            checkpoints(&engine, 2);
        }
        load.end();
        all_read(&engine, &load);
        engine.stop();
        let cuts = engine.cuts();
        let expected = check::expected_of(&|partition| steps(&first, &made, &cuts, partition), &load);
        assert!(expected.triggers.len() > 10, "the rules fire: {}", expected.triggers.len());
        // What is not compacted yet is compacted by the next engine.
        engine.start(processes);
        checkpoints(&engine, 1);
        let edited: Vec<&str> = made.iter().map(|edit| edit.rule_id).collect();
        check::triggers_of_edited(&engine, &expected, &edited);
        check::state(&engine, &rules, &expected);
        engine.stop();
    }
}

/// Disturbances of all kinds in random order.
fn random(seed: u64, count: usize) -> Vec<Disturbance> {
    use Disturbance::{Hang, Kafka, Kill, KillAll, Mariadb, Redis, Resize};
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut one = || match random.random_range(0..10) {
        0..4 => Kill(random.random_range(0..12)),
        4 => Hang(random.random_range(0..12)),
        5 => KillAll(random.random_range(1..13)),
        6 => Resize(random.random_range(1..13)),
        7 => Redis,
        8 => Kafka,
        _ => Mariadb,
    };
    (0..count).map(|_| one()).collect()
}

#[test]
fn nothing_is_lost_or_repeated_whatever_dies() {
    use Disturbance::{Hang, Kafka, Kill, KillAll, Mariadb, Redis, Resize};
    // The long run is this test with more disturbances, 12 processes and both loads.
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match number("STRATEYE_DISTURBANCES") {
        None => {
            Scene::shop(1, 4).run(&[Kill(0), Redis, Kill(2), Mariadb, Resize(3), Kafka, Hang(1), KillAll(5)])
        }
        Some(count) => {
            let seed = number("STRATEYE_SEED").unwrap_or(1);
            Scene::shop(seed, 12).run(&random(seed, count as usize));
            Scene::yardstick(seed, 12, count as usize).run(&random(seed + 1_000, count as usize));
        }
    }
}
