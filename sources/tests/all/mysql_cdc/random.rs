//! A thousand random changes, with all kinds of disturbances in between.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use strateye_sources::rules::migrate_mysql;
use strateye_tests::services::Mysql;

use super::support::{Follower, MIXED, Sql, document};

const CHANGES: usize = 1000;
const RESTARTS: usize = 3;
const RULES: [&str; 6] = ["r0", "r1", "r2", "r3", "r4", "r5"];

struct World {
    rng: StdRng,
    server: Mysql,
    sql: Sql,
    follower: Follower,
    made: usize,
    columns: usize,
}

#[test]
fn a_thousand_changes_lead_to_what_the_table_holds() {
    let seed = std::env::var("STRATEYE_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("STRATEYE_SEED={seed}");
    let server = Mysql::start_with(&MIXED);
    migrate_mysql(server.url()).unwrap();
    let mut sql = Sql::connect(server.url());
    // Rolled back changes reach the binlog if this table is written as well.
    sql.run("CREATE TABLE noise (n INT) ENGINE = MyISAM");
    sql.run("CREATE VIEW rules AS SELECT * FROM rule_engine_resource");
    let follower = Follower::open(server.url());
    let rng = StdRng::seed_from_u64(seed);
    let mut world = World { rng, server, sql, follower, made: 0, columns: 0 };
    let mut restarts = 0;
    while world.made < CHANGES {
        world.step();
        world.look();
        if world.made / (CHANGES / (RESTARTS + 1)) > restarts {
            restarts += 1;
            world.restart();
        }
    }
    world.follower.catch_up(&mut world.sql);
    let mut late = Follower::open(world.server.url());
    late.catch_up(&mut world.sql);
}

impl World {
    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..55 => self.transaction(),
            55..80 => self.single(),
            80..83 => self.odd_session("binlog_row_image = MINIMAL"),
            83..86 => self.odd_session("binlog_format = STATEMENT"),
            86..89 => self.alter(),
            89..90 => self.sql.run("TRUNCATE TABLE rule_engine_resource"),
            90..94 => self.sql.run("FLUSH BINARY LOGS"),
            94..96 => self.purge(),
            96..99 => self.kill_dump(),
            _ => {
                self.sql.run("DROP TABLE IF EXISTS other");
                self.sql.run("CREATE TABLE other (n INT)");
            }
        }
    }

    /// Polls sometimes, and sometimes until all changes are received.
    fn look(&mut self) {
        if self.rng.random_bool(0.3) {
            self.follower.poll();
        }
        if self.rng.random_bool(0.03) {
            self.follower.catch_up(&mut self.sql);
        }
        // Both are only ever changed in one transaction.
        assert_eq!(self.follower.name("pair-a"), self.follower.name("pair-b"), "half a transaction");
    }

    /// One statement on one rule; statements that the table refuses have no effect.
    fn edit(&mut self) {
        let rule = *RULES.choose(&mut self.rng).unwrap();
        let other = *RULES.choose(&mut self.rng).unwrap();
        let text = document(rule, &self.rng.random_range(0..4).to_string());
        let status = *["draft", "online", "paused", "retired"].choose(&mut self.rng).unwrap();
        let gap = *["replay", "skip"].choose(&mut self.rng).unwrap();
        let statement = match self.rng.random_range(0..9) {
            0 => format!("INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('{rule}', '{text}')"),
            1 => format!(
                "REPLACE INTO rule_engine_resource (rule_id, rule_json, status) VALUES ('{rule}', '{text}', '{status}')"
            ),
            2 | 3 => format!(
                "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('{rule}', '{text}')
                 ON DUPLICATE KEY UPDATE rule_json = VALUES(rule_json)"
            ),
            4 => {
                format!("UPDATE rules SET status = '{status}', resume_gap = '{gap}' WHERE rule_id = '{rule}'")
            }
            5 => format!(
                "UPDATE rule_engine_resource SET rule_json = '{text}', version = NULL WHERE rule_id = '{rule}'"
            ),
            6 => format!(
                "UPDATE rule_engine_resource SET version = COALESCE(version, 0) + 1 WHERE rule_id = '{rule}'"
            ),
            7 => format!("DELETE FROM rule_engine_resource WHERE rule_id = '{rule}'"),
            _ => {
                let text = document(other, "renamed");
                format!(
                    "UPDATE rule_engine_resource SET rule_id = '{other}', rule_json = '{text}' WHERE rule_id = '{rule}'"
                )
            }
        };
        drop(self.sql.attempt(&statement));
        self.made += 1;
    }

    fn pair(&mut self) {
        if self.rng.random_bool(0.2) {
            self.sql.run("DELETE FROM rule_engine_resource WHERE rule_id = 'pair-a'");
            self.sql.run("DELETE FROM rule_engine_resource WHERE rule_id = 'pair-b'");
        } else {
            let text = self.made.to_string();
            self.sql.put("pair-a", &text);
            self.sql.put("pair-b", &text);
        }
        self.made += 2;
    }

    fn single(&mut self) {
        self.edit();
    }

    fn transaction(&mut self) {
        if !self.sql.mariadb {
            let compress = self.rng.random_bool(0.3);
            self.sql.run(&format!("SET SESSION binlog_transaction_compression = {compress}"));
        }
        self.sql.run("START TRANSACTION");
        let mut savepoints = Vec::new();
        for i in 0..self.rng.random_range(1..6) {
            match self.rng.random_range(0..10) {
                0 => {
                    self.sql.run(&format!("SAVEPOINT `s {i}`"));
                    savepoints.push(i);
                }
                1 if !savepoints.is_empty() => {
                    let at = self.rng.random_range(0..savepoints.len());
                    drop(self.sql.attempt(&format!("ROLLBACK TO SAVEPOINT `s {}`", savepoints[at])));
                    savepoints.truncate(at + 1);
                }
                2 => self.sql.run("INSERT INTO noise VALUES (1)"),
                3..6 => self.pair(),
                _ => self.edit(),
            }
            if self.rng.random_bool(0.1) {
                self.follower.poll();
            }
        }
        let end = if self.rng.random_bool(0.8) { "COMMIT" } else { "ROLLBACK" };
        self.sql.run(end);
    }

    fn odd_session(&mut self, setting: &str) {
        self.sql.run(&format!("SET SESSION {setting}"));
        for _ in 0..self.rng.random_range(1..4) {
            self.edit();
        }
        self.sql.run("SET SESSION binlog_row_image = FULL");
        self.sql.run("SET SESSION binlog_format = ROW");
    }

    fn alter(&mut self) {
        if self.columns > 0 && self.rng.random_bool(0.5) {
            self.columns -= 1;
            self.sql.run(&format!("ALTER TABLE rule_engine_resource DROP COLUMN c{}", self.columns));
        } else {
            let place = *["FIRST", "AFTER rule_id", ""].choose(&mut self.rng).unwrap();
            self.sql.run(&format!(
                "ALTER TABLE rule_engine_resource ADD COLUMN c{} INT DEFAULT 1 {place}",
                self.columns
            ));
            self.columns += 1;
        }
    }

    fn purge(&mut self) {
        self.sql.run("FLUSH BINARY LOGS");
        self.sql.run("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY");
    }

    fn kill_dump(&mut self) {
        for dump in self.sql.dumps("strateye") {
            // The connection may have ended by itself.
            drop(self.sql.attempt(&format!("KILL CONNECTION {dump}")));
        }
    }

    /// Kills and restarts the server, sometimes in the middle of a transaction.
    fn restart(&mut self) {
        if self.rng.random_bool(0.5) {
            self.sql.run("START TRANSACTION");
            self.pair();
        }
        self.server.kill();
        self.follower.poll();
        self.server.restart();
        self.sql.reconnect();
    }
}
