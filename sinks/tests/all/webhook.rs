//! Tests of the webhook sink with a real HTTP receiver.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use strateye_sinks::{
    Sent, Trigger, TriggerSink as _,
    dead_letters::{self, DeadLetterError, Replayed},
    webhook::{WebhookConfig, WebhookSink},
};

use crate::{
    receiver::{Receiver, Reply, status},
    wait,
};

const LONG: Duration = Duration::from_secs(60);

fn config(url: &str, folder: &Path) -> WebhookConfig {
    let mut config = WebhookConfig::new(url, folder.join("dead.jsonl"));
    config.first_backoff_ms = 1;
    config.longest_backoff_ms = 20;
    config
}

fn trigger(id: &str, key: &str) -> Trigger {
    Trigger {
        id: id.to_owned(),
        key: key.to_owned(),
        line: format!("{{\"trigger_id\":\"{id}\",\"键\":{key}}}"),
        ..Trigger::default()
    }
}

fn send(sink: &WebhookSink, trigger: &Trigger) -> u64 {
    match sink.send(trigger).unwrap() {
        Sent::Accepted(number) => number,
        other => panic!("{other:?} for {trigger:?}"),
    }
}

/// Blocks until everything accepted so far is acknowledged, for `longest` at most; returns whether it is.
fn all_acknowledged(sink: &WebhookSink, longest: Duration) -> bool {
    wait::all_acknowledged(sink, longest).unwrap()
}

#[test]
fn a_trigger_arrives_with_its_headers_and_a_signature_others_can_check() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| status(204));
    let mut config = config(&receiver.url(), folder.path());
    config.secret = Some("shared".to_owned());
    config.headers.insert("Authorization".to_owned(), "Bearer token".to_owned());
    let sink = WebhookSink::start(&config).unwrap();
    assert_eq!((sink.accepted(), sink.acknowledged()), (0, 0));
    assert_eq!(send(&sink, &trigger("t-1", "7")), 1);
    assert!(all_acknowledged(&sink, LONG));
    assert_eq!((sink.accepted(), sink.acknowledged(), sink.stats().delivered), (1, 1, 1));

    let request = &receiver.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    assert_eq!(request.body, trigger("t-1", "7").line);
    assert_eq!(request.id(), "t-1");
    assert_eq!(request.headers["authorization"], "Bearer token");
    assert_eq!(request.headers["content-type"], "application/json");
    let (at, hex) = request.headers["x-strateye-signature"].split_once(",v1=").unwrap();
    let at = at.strip_prefix("t=").unwrap();
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
        - at.parse::<u128>().unwrap();
    assert!(age < 60_000, "signed {age} ms ago");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"shared").unwrap();
    mac.update(format!("{at}.{}", request.body).as_bytes());
    let expected: Vec<u8> =
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    mac.verify_slice(&expected).unwrap();
}

#[test]
fn triggers_of_a_key_arrive_in_order_although_some_are_retried() {
    let folder = tempfile::tempdir().unwrap();
    // Every seventh trigger fails twice.
    let receiver = Receiver::start(|request, before| {
        let number: u32 = request.id().split('-').next_back().unwrap().parse().unwrap();
        if number.is_multiple_of(7) && before < 2 { status(503) } else { status(200) }
    });
    let sink = WebhookSink::start(&config(&receiver.url(), folder.path())).unwrap();
    for number in 0..30 {
        for key in 0..10 {
            send(&sink, &trigger(&format!("{key}-{number}"), &key.to_string()));
        }
    }
    assert!(all_acknowledged(&sink, LONG));
    let mut arrived: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for request in receiver.requests() {
        let (key, number) = request.id().split_once('-').unwrap();
        let numbers = arrived.entry(key.to_owned()).or_default();
        let number = number.parse().unwrap();
        if numbers.last() != Some(&number) {
            numbers.push(number);
        }
    }
    assert_eq!(arrived.len(), 10);
    for (key, numbers) in arrived {
        assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "{key}");
    }
    let stats = sink.stats();
    assert_eq!((stats.delivered, stats.retried, stats.dead, stats.queued), (300, 2 * 5 * 10, 0, 0));
    assert!(!folder.path().join("dead.jsonl").exists());
}

#[test]
fn what_is_worth_another_attempt_gets_one() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|request, before| match (request.id(), before) {
        (_, 1..) => status(200),
        ("closed", _) => Reply::Close,
        ("hung", _) => Reply::Hang,
        (code, _) => status(code.parse().unwrap()),
    });
    let mut config = config(&receiver.url(), folder.path());
    config.timeout_ms = 5_000;
    let sink = WebhookSink::start(&config).unwrap();
    let ids = ["408", "425", "429", "500", "502", "503", "504", "301", "closed", "hung"];
    for id in ids {
        send(&sink, &trigger(id, id));
    }
    assert!(all_acknowledged(&sink, LONG));
    let stats = sink.stats();
    assert_eq!((stats.delivered, stats.dead), (10, 0));
    for id in ids {
        let attempts = receiver.requests().iter().filter(|r| r.id() == id).count();
        assert_eq!(attempts, 2, "{id}");
    }
}

#[test]
fn an_answer_counts_although_its_body_never_ends() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| Reply::Endless);
    let mut config = config(&receiver.url(), folder.path());
    config.timeout_ms = 3_000;
    let sink = WebhookSink::start(&config).unwrap();
    send(&sink, &trigger("t", "1"));
    assert!(all_acknowledged(&sink, LONG));
    assert_eq!((sink.stats().delivered, receiver.requests().len()), (1, 1));
}

#[test]
fn connections_are_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| Reply::Answer(200, Vec::new(), "{\"ok\":true}".repeat(500)));
    let mut config = config(&receiver.url(), folder.path());
    config.concurrency = 1;
    let sink = WebhookSink::start(&config).unwrap();
    for number in 0..50 {
        send(&sink, &trigger(&number.to_string(), "1"));
    }
    assert!(all_acknowledged(&sink, LONG));
    let ports: BTreeSet<_> = receiver.requests().iter().map(|request| request.peer).collect();
    assert_eq!((receiver.requests().len(), ports.len()), (50, 1));
}

#[test]
fn retry_after_is_honoured_up_to_the_longest_backoff() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|request, before| match before {
        0 => Reply::Answer(429, vec![format!("Retry-After: {}", request.id())], String::new()),
        _ => status(200),
    });
    let mut config = config(&receiver.url(), folder.path());
    config.longest_backoff_ms = 1500;
    let sink = WebhookSink::start(&config).unwrap();
    let asked_much = trigger("3600", "a");
    send(&sink, &asked_much);
    send(&sink, &trigger("1", "b"));
    assert!(all_acknowledged(&sink, LONG));
    for (id, least) in [("3600", 1500), ("1", 1000)] {
        let requests: Vec<_> = receiver.requests().into_iter().filter(|r| r.id() == id).collect();
        let waited = requests[1].at - requests[0].at;
        assert!(waited >= Duration::from_millis(least), "{id}: {waited:?}");
        // The receiver asked for an hour; the test's deadline shows that the sink did not wait for it.
    }
}

#[test]
fn a_refused_trigger_goes_to_the_dead_letters_at_once_and_passes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|request, _| match request.id() {
        "bad" => Reply::Answer(422, Vec::new(), "no such coupon".to_owned()),
        _ => status(200),
    });
    let config = config(&receiver.url().replace("http://", "http://user:word@"), folder.path());
    let sink = WebhookSink::start(&config).unwrap();
    for id in ["good-1", "bad", "good-2"] {
        send(&sink, &trigger(id, "1"));
    }
    // An id that is no valid header can't be sent.
    send(&sink, &trigger("line\nbreak", "1"));
    assert!(all_acknowledged(&sink, LONG));
    let ids: Vec<_> = receiver.requests().iter().map(|r| r.id().to_owned()).collect();
    assert_eq!(ids, ["good-1", "bad", "good-2"]);
    assert!(receiver.requests()[0].headers["authorization"].starts_with("Basic "));
    let text = fs::read_to_string(&config.dead_letters).unwrap();
    assert!(
        text.contains("\"trigger\":{\"trigger_id\":\"bad\",\"键\":1}") && !text.contains("word"),
        "{text}"
    );
    let listing = dead_letters::list(&config.dead_letters).unwrap();
    assert_eq!((listing.letters.len(), listing.unreadable, sink.acknowledged()), (2, 0, 4));
    let letter = &listing.letters[0];
    assert_eq!((letter.attempts, &letter.trigger), (1, &trigger("bad", "1")));
    assert_eq!(letter.url, receiver.url());
    assert!(letter.last_error.contains("422") && letter.last_error.contains("no such coupon"), "{letter:?}");
}

#[test]
fn attempts_end_in_the_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    // A port without a listener.
    let url =
        format!("http://user:word@{}/", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let mut config = config(&url, folder.path());
    config.attempts = 3;
    let sink = WebhookSink::start(&config).unwrap();
    send(&sink, &trigger("t", "1"));
    assert!(all_acknowledged(&sink, LONG));
    let letters = dead_letters::list(&config.dead_letters).unwrap().letters;
    assert_eq!((letters.len(), letters[0].attempts, sink.stats().retried), (1, 3, 2));
    let error = &letters[0].last_error;
    assert!(error.to_lowercase().contains("refused") && !error.contains("word"), "{error}");
}

#[test]
fn a_full_queue_hands_the_trigger_back_and_holds_progress() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| Reply::Gated);
    let mut config = config(&receiver.url(), folder.path());
    config.queue = 3;
    config.timeout_ms = 60_000;
    let sink = WebhookSink::start(&config).unwrap();
    for number in 0..3 {
        send(&sink, &trigger(&number.to_string(), "1"));
    }
    receiver.wait(1);
    let next = trigger("next", "1");
    assert_eq!(sink.send(&next).unwrap(), Sent::Full);
    assert!(wait::send(&sink, &next, Duration::ZERO).is_none() && !all_acknowledged(&sink, Duration::ZERO));
    assert_eq!((sink.accepted(), sink.acknowledged(), sink.stats().queued), (3, 0, 3));
    receiver.open();
    assert!(wait::send(&sink, &next, LONG).is_some());
    assert_eq!(sink.accepted(), 4);
    assert!(wait::acknowledged(&sink, 4, LONG).unwrap());
    assert_eq!(receiver.requests().len(), 4);
}

#[test]
fn a_key_that_hangs_does_not_hold_another_threads_keys() {
    let folder = tempfile::tempdir().unwrap();
    let receiver =
        Receiver::start(|request, _| if request.id() == "slow" { Reply::Gated } else { status(200) });
    let mut config = config(&receiver.url(), folder.path());
    config.timeout_ms = 60_000;
    config.concurrency = 2;
    let sink = WebhookSink::start(&config).unwrap();
    send(&sink, &trigger("slow", "slow"));
    let keys = 32;
    for key in 0..keys {
        send(&sink, &trigger(&key.to_string(), &key.to_string()));
    }
    // About half of these share the thread that hangs; the others arrive.
    receiver.wait(5);
    assert_eq!(sink.acknowledged(), 0, "a number behind an open one must not count");
    receiver.open();
    assert!(all_acknowledged(&sink, LONG));
    assert_eq!(sink.acknowledged(), keys + 1);
}

#[test]
fn dropping_the_sink_ends_waits_and_leaves_the_rest_unacknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| status(503));
    let mut config = config(&receiver.url(), folder.path());
    config.first_backoff_ms = 3_600_000;
    config.longest_backoff_ms = 3_600_000;
    let sink = WebhookSink::start(&config).unwrap();
    send(&sink, &trigger("t", "1"));
    receiver.wait(1);
    let started = Instant::now();
    assert_eq!(sink.acknowledged(), 0);
    drop(sink);
    assert!(started.elapsed() < LONG);
    assert_eq!(dead_letters::list(&config.dead_letters).unwrap(), Default::default());
}

#[test]
fn a_replay_delivers_and_what_fails_again_is_dead_again() {
    let folder = tempfile::tempdir().unwrap();
    let healed = std::sync::Arc::new(AtomicBool::new(false));
    let seen = healed.clone();
    let receiver = Receiver::start(move |request, _| {
        let bad = request.id().ends_with('3') || !seen.load(Ordering::SeqCst);
        status(if bad { 400 } else { 200 })
    });
    let mut config = config(&receiver.url(), folder.path());
    // Smaller than the number of letters, so that the replay has to wait for room.
    config.queue = 4;
    let path = config.dead_letters.clone();
    let sink = WebhookSink::start(&config).unwrap();
    let all: Vec<_> = (0..20).map(|n| trigger(&format!("t-{n}"), &(n % 3).to_string())).collect();
    for trigger in &all {
        assert!(wait::send(&sink, trigger, LONG).is_some());
    }
    assert!(all_acknowledged(&sink, LONG));
    assert_eq!(dead_letters::list(&path).unwrap().letters.len(), 20);

    healed.store(true, Ordering::SeqCst);
    let replayed = dead_letters::replay(&path, &sink).unwrap();
    assert_eq!(replayed, Replayed { sent: 20, unreadable: 0 });
    let again: BTreeSet<_> =
        dead_letters::list(&path).unwrap().letters.into_iter().map(|letter| letter.trigger.id).collect();
    assert_eq!(again, BTreeSet::from(["t-3".to_owned(), "t-13".to_owned()]));
    assert_eq!(sink.stats().delivered, 18);
    // Within a key, in the order of the file.
    let second: Vec<_> =
        receiver.requests().into_iter().skip(20).map(|r| (r.id().to_owned(), r.body)).collect();
    for key in 0..3 {
        let of_key = |trigger: &&Trigger| trigger.key == key.to_string();
        let expected: Vec<_> = all.iter().filter(of_key).map(|t| t.id.clone()).collect();
        let bodies: BTreeMap<_, _> =
            all.iter().filter(of_key).map(|t| (t.id.clone(), t.line.clone())).collect();
        let arrived: Vec<_> = second.iter().filter(|(id, _)| bodies.contains_key(id)).collect();
        assert_eq!(arrived.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), expected);
        assert!(arrived.iter().all(|(id, body)| bodies[id] == *body));
    }
    assert_eq!(dead_letters::replay(&folder.path().join("other"), &sink).unwrap(), Replayed::default());
}

#[test]
fn a_replay_broken_off_and_torn_lines_lose_no_letter() {
    let folder = tempfile::tempdir().unwrap();
    let refusing = Receiver::start(|_, _| status(400));
    let config_refusing = config(&refusing.url(), folder.path());
    let path = config_refusing.dead_letters.clone();
    let bury = |id: &str| {
        let sink = WebhookSink::start(&config_refusing).unwrap();
        send(&sink, &trigger(id, "1"));
        assert!(all_acknowledged(&sink, LONG));
    };
    bury("first");
    // State after a process that ended in the middle of a replay.
    fs::rename(&path, folder.path().join("dead.jsonl.replaying-1")).unwrap();
    bury("second");
    // State after a process that ended in the middle of an append.
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"at\":17660000");
    fs::write(&path, text).unwrap();
    bury("third");
    let listing = dead_letters::list(&path).unwrap();
    let ids: Vec<_> = listing.letters.iter().map(|letter| letter.trigger.id.as_str()).collect();
    assert_eq!((ids, listing.unreadable), (vec!["first", "second", "third"], 1));

    let receiver = Receiver::start(|_, _| status(200));
    let sink = WebhookSink::start(&config(&receiver.url(), folder.path())).unwrap();
    assert_eq!(dead_letters::replay(&path, &sink).unwrap(), Replayed { sent: 3, unreadable: 1 });
    let ids: Vec<_> = receiver.requests().iter().map(|r| r.id().to_owned()).collect();
    assert_eq!(ids, ["first", "second", "third"]);
    assert_eq!(dead_letters::list(&path).unwrap(), Default::default());
    let torn = fs::read_to_string(folder.path().join("dead.jsonl.unreadable")).unwrap();
    assert_eq!(torn, "{\"at\":17660000\n");
}

#[test]
fn only_one_replay_runs_and_new_dead_letters_go_on_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|request, before| match (request.id(), before) {
        ("old", 1) => Reply::Gated,
        _ => status(400),
    });
    let mut config = config(&receiver.url(), folder.path());
    config.timeout_ms = 60_000;
    let path = config.dead_letters.clone();
    let sink = WebhookSink::start(&config).unwrap();
    send(&sink, &trigger("old", "1"));
    assert!(all_acknowledged(&sink, LONG));
    std::thread::scope(|scope| {
        let replaying = scope.spawn(|| dead_letters::replay(&path, &sink));
        receiver.wait(2);
        let other = WebhookSink::start(&config).unwrap();
        assert!(matches!(dead_letters::replay(&path, &other), Err(DeadLetterError::Busy { .. })));
        send(&other, &trigger("new", "1"));
        assert!(all_acknowledged(&other, LONG));
        let ids: Vec<_> =
            dead_letters::list(&path).unwrap().letters.into_iter().map(|letter| letter.trigger.id).collect();
        assert_eq!(ids, ["old", "new"]);
        receiver.open();
        assert_eq!(replaying.join().unwrap().unwrap(), Replayed { sent: 1, unreadable: 0 });
    });
    let letters = dead_letters::list(&path).unwrap().letters;
    assert_eq!((letters.len(), letters[0].trigger.id.as_str()), (1, "new"));
}

#[test]
fn with_a_spool_attempts_at_a_receiver_that_is_away_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|request, before| match request.id() {
        "away" if before < 9 => status(503),
        "faulty" => status(500),
        _ => status(200),
    });
    let mut config = config(&receiver.url(), folder.path());
    config.attempts = 2;
    let sink = WebhookSink::start_with_spool(&config).unwrap();
    send(&sink, &trigger("away", "1"));
    assert!(all_acknowledged(&sink, LONG));
    assert_eq!((sink.stats().delivered, sink.stats().dead), (1, 0));
    send(&sink, &trigger("faulty", "1"));
    assert!(all_acknowledged(&sink, LONG));
    assert_eq!((sink.stats().delivered, sink.stats().dead, receiver.requests().len()), (1, 1, 12));
}

#[test]
fn a_trigger_that_is_too_old_is_not_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| status(503));
    let mut config = config(&receiver.url(), folder.path());
    config.longest_backoff_ms = 600_000;
    let sink = WebhookSink::start_with_spool(&config).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    send(&sink, &Trigger { expires: Some(now), ..trigger("old", "1") });
    send(&sink, &Trigger { expires: Some(now + 200), ..trigger("tried", "1") });
    assert!(all_acknowledged(&sink, LONG));
    assert_eq!((sink.stats().dead, sink.stats().expired), (2, 2));
    assert!(receiver.requests().iter().all(|request| request.id() == "tried"));
    let letters = dead_letters::list(&config.dead_letters).unwrap().letters;
    assert_eq!((letters[0].attempts, letters[0].trigger.id.as_str()), (0, "old"));
    assert!(letters.iter().all(|letter| letter.last_error.contains("max_age")), "{letters:?}");
}

#[test]
fn a_dead_letter_that_cannot_be_written_stays_unacknowledged_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| status(400));
    let config = config(&receiver.url(), folder.path());
    let sink = WebhookSink::start(&config).unwrap();
    // A folder at the path of the file.
    fs::create_dir(&config.dead_letters).unwrap();
    send(&sink, &trigger("t", "1"));
    receiver.wait(1);
    assert!(!all_acknowledged(&sink, Duration::from_millis(50)));
    assert_eq!((sink.acknowledged(), sink.stats().dead), (0, 0));
    fs::remove_dir(&config.dead_letters).unwrap();
    assert!(all_acknowledged(&sink, LONG));
    assert_eq!(dead_letters::list(&config.dead_letters).unwrap().letters.len(), 1);
}

#[test]
fn a_dead_letter_file_that_cannot_be_is_found_at_the_start() {
    let config = WebhookConfig::new("http://127.0.0.1:1/", "/nowhere/at/all.jsonl");
    let error = WebhookSink::start(&config).err().unwrap().to_string();
    assert!(error.contains("dead_letters") && error.contains("/nowhere/at/all.jsonl"), "{error}");
}
