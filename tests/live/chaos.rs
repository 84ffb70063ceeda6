//! Kills, hangs and restarts while events flow and rules change: the outcome is as if nothing had happened.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use strateye_tests::command::WITHIN;

use crate::{
    check,
    engine::{Engine, Services, position, signal},
    load::Load,
    rules::rules,
};

/// Something that happens to a running system.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// A process is killed; which, counted from 0, modulo how many there are.
    Kill(usize),
    /// A process hangs.
    Hang(usize),
    /// The supervisor is killed, and all with it; the next has so many processes.
    KillAll(u32),
    /// The engine ends as told; the next has so many processes.
    Resize(u32),
    /// Redis is killed and comes back.
    Redis,
    /// The broker is killed and comes back.
    Kafka,
    /// The database is killed and comes back.
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
                engine.services.mariadb.kill();
                engine.services.mariadb.restart();
            }
        }
    }
}

/// Waits until so many more checkpoints are committed: the cluster lives, and reads, evaluates, delivers and commits.
fn await_checkpoints(engine: &Engine, more: u64) {
    let number = || engine.committed().map_or(0, |(n, _)| n);
    let (begun, before) = (Instant::now(), number());
    while number() < before + more {
        assert!(begun.elapsed() < 2 * WITHIN, "no checkpoint after {before} for {:?}", begun.elapsed());
        std::thread::yield_now();
    }
}

/// Waits until a checkpoint has everything that was sent.
fn await_all(engine: &Engine, load: &Load) {
    let begun = Instant::now();
    loop {
        let manifest = engine.committed().map(|(_, manifest)| manifest).unwrap_or_default();
        let behind: Vec<u64> =
            (0u32..).zip(load.ends()).map(|(p, end)| end - position(&manifest, p).min(end)).collect();
        if behind.iter().all(|b| *b == 0) {
            return;
        }
        assert!(begun.elapsed() < 2 * WITHIN, "still behind by {behind:?}");
        std::thread::yield_now();
    }
}

fn run(seed: u64, processes: u32, disturbances: &[Disturbance]) {
    let mut engine = Engine::prepare(Services::start());
    let rules = rules();
    rules.iter().for_each(|rule| engine.publish(rule));
    engine.start(processes);
    engine.log_until("rules in force");
    let mut load = Load::new(&engine, seed);
    load.send(1_000, Duration::from_secs(3));
    for disturbance in disturbances {
        println!("{disturbance:?}");
        disturbance.happen(&mut engine);
        load.send(1_000, Duration::from_secs(2));
        await_checkpoints(&engine, 2);
    }
    load.end();
    await_all(&engine, &load);
    let expected = check::expected(&rules, &load);
    assert!(expected.triggers.len() > 300, "the rules fire: {}", expected.triggers.len());
    check::triggers(&engine, &expected);
    check::state(&engine, &rules, &expected);
    engine.stop();
}

#[test]
fn nothing_is_lost_or_repeated_whatever_dies() {
    use Disturbance::{Hang, Kafka, Kill, KillAll, Mariadb, Redis, Resize};
    run(1, 4, &[Kill(0), Redis, Kill(2), Mariadb, Resize(3), Kafka, Hang(1), KillAll(5)]);
}
