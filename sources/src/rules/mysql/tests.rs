//! Snapshots beside writers, also on servers that do not say where a snapshot was taken.

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use strateye_tests::services::MariaDb;

use super::*;
use crate::rules::{Change, RuleSource};

const DEADLINE: Duration = Duration::from_secs(60);
const SNAPSHOTS: usize = 25;

/// Two rows that always say the same, in one transaction.
fn pair(n: u64) -> String {
    let put = |rule: &str| {
        format!(
            "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('{rule}', '{{\"rule_id\":\"{rule}\",\"n\":{n}}}')
             ON DUPLICATE KEY UPDATE rule_json = VALUES(rule_json);"
        )
    };
    format!("START TRANSACTION; {} {} COMMIT;", put("a"), put("b"))
}

fn number(document: &str) -> u64 {
    let digits: String =
        document.rsplit("\"n\":").next().unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Polls until both rules say `until`, and checks that they never differ and never go back.
fn follow(mut source: MysqlRules, until: impl Fn(u64) -> bool) {
    let mut rules: BTreeMap<String, u64> = BTreeMap::new();
    let deadline = Instant::now() + DEADLINE;
    loop {
        for change in source.poll().unwrap() {
            let Change::Put { document, .. } = change.change else { panic!("{change:?}") };
            let (rule, n) = (change.rule_id.unwrap(), number(&document));
            assert!(rules.insert(rule, n).is_none_or(|before| before < n), "it went back or was repeated");
        }
        assert_eq!(rules.get("a"), rules.get("b"));
        if rules.get("a").is_some_and(|n| until(*n)) {
            return;
        }
        assert!(Instant::now() < deadline, "{rules:?}");
        thread::yield_now();
    }
}

#[test]
fn snapshots_beside_a_writer_lose_and_repeat_nothing() {
    let server = MariaDb::start();
    migrate(server.url()).unwrap();
    server.execute(&pair(1));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut n = 1;
            while !stop.load(Ordering::Relaxed) {
                let many: String = (0..50).map(|i| pair(n + 1 + i)).collect();
                server.execute(&many);
                n += 50;
            }
            n
        });
        for i in 0..SNAPSHOTS {
            let source = MysqlRules::open_with(&MysqlConfig::new(server.url()), i % 2 == 0).unwrap();
            let first = OnceCell::new();
            // On for a while after what was there at first.
            follow(source, |n| n >= first.get_or_init(|| n) + 20);
        }
        stop.store(true, Ordering::Relaxed);
        let n = writer.join().unwrap();
        for exact in [true, false] {
            follow(MysqlRules::open_with(&MysqlConfig::new(server.url()), exact).unwrap(), |seen| seen == n);
        }
    });
}
