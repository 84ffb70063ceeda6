//! Tests with unfit servers, invalid data and data written by hand.

use strateye_sinks::checkpoint::{CheckpointError, CheckpointStore, RedisCheckpoints, RedisConfig};
use strateye_tests::services::Redis;

use super::support::{CLUSTER, FIRST, LONG, REDIS, cluster_config, config, plain};

fn refusal(config: &RedisConfig) -> String {
    let error = RedisCheckpoints::open(config).unwrap_err();
    assert!(!error.is_transient(), "{error}");
    error.to_string()
}

fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{text:?} lacks {part:?}");
}

#[test]
fn a_server_that_evicts_is_refused() {
    let redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    contains(&refusal(&config(&redis)), "set maxmemory-policy noeviction");
}

#[test]
fn a_cluster_is_not_taken_for_a_server_nor_the_other_way_round() {
    contains(&refusal(&RedisConfig { cluster: true, ..config(&REDIS) }), "cluster = false");
    let mut node = cluster_config(&CLUSTER);
    node.urls.truncate(1);
    node.cluster = false;
    contains(&refusal(&node), "cluster = true");
}

#[test]
fn an_unreachable_server_is_a_transient_error() {
    let redis = Redis::start();
    redis.stop();
    assert!(RedisCheckpoints::open(&config(&redis)).unwrap_err().is_transient());
}

#[test]
fn a_password_is_required_and_not_shown() {
    let redis = Redis::start();
    let mut plain = plain(&redis.url());
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("secret").exec(&mut plain).unwrap();
    contains(&refusal(&config(&redis)), "give a user and password");
    let wrong = RedisConfig { urls: vec![format!("redis://:wrong@{}/", redis.address())], ..config(&redis) };
    assert!(!refusal(&wrong).contains("wrong@"));
    let right = RedisConfig { urls: vec![format!("redis://:secret@{}/", redis.address())], ..config(&redis) };
    let store = RedisCheckpoints::open(&right).unwrap();
    assert!(!format!("{store:?}").contains("secret"));
}

#[test]
fn another_number_of_buckets_is_refused() {
    let of = |buckets| RedisConfig { prefix: "spread".into(), buckets, ..config(&REDIS) };
    let mut early = RedisCheckpoints::open(&of(3)).unwrap();
    let mut store = RedisCheckpoints::open(&of(4)).unwrap();
    let generation = store.take("a", LONG).unwrap().generation;
    store.release(generation).unwrap();
    contains(&refusal(&of(3)), "buckets = 4");
    contains(&early.take("b", LONG).unwrap_err().to_string(), "buckets = 4");
}

#[test]
fn another_format_is_refused() {
    let config = RedisConfig { prefix: "later".into(), ..config(&REDIS) };
    redis::cmd("HSET").arg("later:committed").arg("format").arg("2").exec(&mut plain(&REDIS.url())).unwrap();
    contains(&refusal(&config), "its format is 2");
}

#[test]
fn keys_of_others_are_named() {
    let config = RedisConfig { prefix: "taken".into(), ..config(&REDIS) };
    let mut plain = plain(&REDIS.url());
    redis::cmd("SET").arg("taken:s:r:c:1").arg("text").exec(&mut plain).unwrap();
    let mut store = RedisCheckpoints::open(&config).unwrap();
    let generation = store.take("a", LONG).unwrap().generation;
    let error = store.apply(generation, FIRST, "r:c:1", &[("a", Some("1"))]).unwrap_err();
    assert!(matches!(error, CheckpointError::Format { .. }), "{error:?}");
    redis::cmd("HSET").arg("taken:s:r:d:1").arg(b"\xff").arg("1").exec(&mut plain).unwrap();
    let error = store.scan("r:d:1", &mut |_, _| {}).unwrap_err();
    contains(&error.to_string(), "taken:s:r:d:1");
    redis::cmd("SET").arg("taken:committed").arg("text").exec(&mut plain).unwrap();
    contains(&refusal(&config), "another program uses the prefix");
}

#[test]
fn prefixes_do_not_see_each_other() {
    let open = |prefix: &str| {
        RedisCheckpoints::open(&RedisConfig { prefix: prefix.into(), ..config(&REDIS) }).unwrap()
    };
    let (mut one, mut pattern) = (open("sight"), open("sig*"));
    let (first, second) = (one.take("a", LONG).unwrap(), pattern.take("b", LONG).unwrap());
    one.apply(first.generation, FIRST, "one", &[("a", Some("1"))]).unwrap();
    one.put_blob("ckpt:one", b"").unwrap();
    assert_eq!(pattern.hashes().unwrap(), Vec::<String>::new());
    assert_eq!(pattern.blobs().unwrap(), Vec::<String>::new());
    pattern.apply(second.generation, FIRST, "two", &[("a", Some("1"))]).unwrap();
    assert_eq!((one.hashes().unwrap(), pattern.hashes().unwrap()), (vec!["one".into()], vec!["two".into()]));
}

#[test]
fn people_read_state_and_add_edits_by_hand() {
    let mut plain = plain(&REDIS.url());
    let config = RedisConfig { prefix: "people".into(), ..config(&REDIS) };
    let mut store = RedisCheckpoints::open(&config).unwrap();
    let generation = store.take("a", LONG).unwrap().generation;
    store.apply(generation, FIRST, "r:c:1", &[("1001", Some("3"))]).unwrap();
    let read: String = redis::cmd("HGET").arg("people:s:r:c:1").arg("1001").query(&mut plain).unwrap();
    assert_eq!(read, "3");
    let position: String = redis::cmd("XADD")
        .arg("people:edits")
        .arg("*")
        .arg("rule")
        .arg("r")
        .arg("by")
        .arg(b"zh\xff")
        .query(&mut plain)
        .unwrap();
    let edits = store.edits(None, 10).unwrap();
    assert_eq!(edits[0].position, position);
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(edits[0].pairs, [pair("rule", "r"), pair("by", "zh\u{fffd}")]);
    store.drop_hash(generation, "r:c:1").unwrap();
    let left: Vec<String> = redis::cmd("KEYS").arg("people:s:*").query(&mut plain).unwrap();
    assert!(left.is_empty(), "{left:?}");
}
