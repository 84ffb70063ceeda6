//! Tests of Redis over TLS: trust, and broken connections.

use std::{
    io::{self, Write},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use operators::model::ids::CheckpointNumber;
use redis::cmd;
use strateye_sinks::checkpoint::{CheckpointStore, RedisCheckpoints, RedisConfig};
use strateye_tests::services::Redis;

use super::support::{CERTIFICATES, LONG, plain, tls_config, wait_for};

fn refusal(config: &RedisConfig) -> String {
    let error = RedisCheckpoints::open(config).unwrap_err();
    assert!(!error.is_transient(), "{error}");
    error.to_string()
}

#[track_caller]
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{text:?} lacks {part:?}");
}

#[test]
fn a_server_of_another_authority_or_name_is_refused() {
    let redis = Redis::start_tls(&CERTIFICATES, "no");
    let right = tls_config(vec![redis.tls_url()]);
    let other = RedisConfig { ca_file: Some(CERTIFICATES.file("other.pem")), ..right.clone() };
    contains(&refusal(&other), "name its authority by ca_file");
    let system = RedisConfig { ca_file: None, ..right.clone() };
    contains(&refusal(&system), "name its authority by ca_file");
    // The same server under a name that its certificate does not have.
    let named =
        RedisConfig { urls: vec![redis.tls_url().replace("127.0.0.1", "localhost")], ..right.clone() };
    contains(&refusal(&named), "alternative name");
    RedisCheckpoints::open(&right).unwrap();
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_it() {
    let redis = Redis::start_tls(&CERTIFICATES, "yes");
    let stranger = tls_config(vec![redis.tls_url()]);
    contains(&refusal(&stranger), "cert_file and key_file");
    let known = RedisConfig {
        cert_file: Some(CERTIFICATES.file("client.pem")),
        key_file: Some(CERTIFICATES.file("client.key")),
        ..stranger
    };
    let mut store = RedisCheckpoints::open(&known).unwrap();
    assert_eq!(store.take("a", LONG).unwrap().committed, None);
}

#[test]
fn a_server_that_does_not_speak_tls_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rediss://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"-ERR Protocol error: expected '$', got ' '\r\n").unwrap();
        // The rest of the client's bytes is read, so that the connection is not reset before the client has
        // the answer.
        io::copy(&mut client, &mut io::sink()).unwrap();
    });
    let said = refusal(&tls_config(vec![url]));
    contains(&said, "write its port for TLS, or redis://");
    contains(&said, "Redis over TLS 127.0.0.1:");
    server.join().unwrap();
}

#[test]
fn users_and_databases_are_those_of_the_url() {
    let redis = Redis::start_tls(&CERTIFICATES, "no");
    let mut plain = plain(&redis.url());
    cmd("CONFIG").arg("SET").arg("requirepass").arg("secret").exec(&mut plain).unwrap();
    contains(&refusal(&tls_config(vec![redis.tls_url()])), "give a user and password");
    let url = redis.tls_url().replace("rediss://", "rediss://:secret@") + "3";
    let mut store = RedisCheckpoints::open(&tls_config(vec![url])).unwrap();
    store.put_blob("ckpt:1", b"blob").unwrap();
    cmd("SELECT").arg(3).exec(&mut plain).unwrap();
    let read: String = cmd("GET").arg("strateye:ckpt:1").query(&mut plain).unwrap();
    assert_eq!(read, "blob");
}

#[test]
fn a_connection_that_breaks_is_opened_again_and_a_server_that_hangs_costs_the_timeout() {
    let redis = Redis::start_tls(&CERTIFICATES, "no");
    let config = RedisConfig { timeout_ms: 1_000, ..tls_config(vec![redis.tls_url()]) };
    let (mut store, mut plain) = (RedisCheckpoints::open(&config).unwrap(), plain(&redis.url()));
    let generation = store.take("a", LONG).unwrap().generation;
    let cut = cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").clone();
    for n in 1..4 {
        assert!(cut.query::<u64>(&mut plain).unwrap() > 0);
        store.commit(generation, CheckpointNumber(n), b"").unwrap();
    }

    let large = [0].repeat(8 << 20);
    redis.pause();
    let begun = Instant::now();
    // Over an open connection, which accepts fewer bytes than that, and over new ones, whose first command is
    // not answered.
    for _ in 0..3 {
        assert!(store.put_blob("ckpt:2", &large).unwrap_err().is_transient());
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    redis.resume();
    wait_for("an answer", || store.put_blob("ckpt:2", &large).ok());
    assert!(store.blob("ckpt:2").unwrap().unwrap() == large);
    redis.kill();
    assert!(store.renew(generation, LONG).unwrap_err().is_transient());
    redis.restart();
    assert_eq!(store.renew(generation, LONG).unwrap(), Some(CheckpointNumber(3)));
}
