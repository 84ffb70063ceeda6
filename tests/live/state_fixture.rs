//! State that commit 7e320d7 wrote to a Redis is shown, restored and continued as by that commit.

use std::cell::RefCell;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use redis::{Commands, Connection, cmd};
use strateye_tests::{
    services::Redis,
    state_fixture::{self, CheckpointProgress, FixtureStore, Line},
};

/// Prefix of the keys of readable state.
const HASHES: &str = "strateye:s:";

/// A Redis that contains the dump.
struct Restored {
    server: Redis,
    connection: RefCell<Connection>,
}

impl Restored {
    fn start() -> Self {
        let server = Redis::start();
        let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        for (names, text) in state_fixture::lines("redis.tsv") {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            put(&mut connection, &names, &text);
        }
        Self { server, connection: RefCell::new(connection) }
    }
}

/// Writes a text to the place that its names lead to: the key, its type, and the field in it.
fn put(connection: &mut Connection, names: &[&str], text: &str) {
    match names {
        [key, "text"] => connection.set::<_, _, ()>(key, text).unwrap(),
        [key, "base64"] => connection.set::<_, _, ()>(key, STANDARD.decode(text).unwrap()).unwrap(),
        [key, "hash", field] => connection.hset::<_, _, _, ()>(key, field, text).unwrap(),
        [key, "stream", id] => {
            let parts: Vec<String> = serde_json::from_str(text).unwrap();
            cmd("XADD").arg(key).arg(id).arg(parts).exec(connection).unwrap();
        }
        other => panic!("no key has {other:?}"),
    }
}

impl FixtureStore for Restored {
    fn address(&self) -> String {
        self.server.url()
    }

    fn progress(&self) -> CheckpointProgress {
        let mut connection = self.connection.borrow_mut();
        let (committed, compacted) = connection.hmget("strateye:committed", &["n", "folded"]).unwrap();
        CheckpointProgress { committed, compacted }
    }

    fn rows(&self) -> Vec<Line> {
        let connection = &mut *self.connection.borrow_mut();
        let keys: Vec<String> = connection.keys(format!("{HASHES}*")).unwrap();
        let mut rows = Vec::new();
        for key in keys {
            let name = key.strip_prefix(HASHES).unwrap();
            let fields: Vec<(String, String)> = connection.hgetall(&key).unwrap();
            // Fields that are empty or begin with `@` are stored with one more `@` in front: those with a
            // single one are the store's own.
            let fields =
                fields.into_iter().filter(|(field, _)| !matches!(field.as_str(), "@generation" | "@n"));
            let plain = |field: String| field.strip_prefix('@').map(str::to_owned).unwrap_or(field);
            rows.extend(fields.map(|(field, text)| (vec![name.to_owned(), plain(field)], text)));
        }
        rows
    }
}

#[test]
fn state_of_an_earlier_commit_goes_on_in_a_redis() {
    state_fixture::check(env!("CARGO_BIN_EXE_strateye"), &Restored::start());
}
