#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use super::*;

const EXAMPLE: &str = include_str!("../../../../strateye.example.toml");

fn fault_of(text: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let error = read(file.path()).err().expect("a fault");
    assert!(matches!(error, CliError::Usage(_)), "{error}");
    let text = error.to_string();
    assert!(text.starts_with(&file.path().display().to_string()), "the file is named: {text}");
    text
}

#[test]
fn faults_name_the_line_and_what_to_write() {
    for (text, line, named) in [
        ("epoch_ms = 50\ncheckpoint_ms = 10", 2, "checkpoint_ms: write 50 to 3600000"),
        ("epoch_ms = 5\n\ntick_ms = 6", 3, "tick_ms: write 0 to 5, no longer than an epoch"),
        ("crowd_rows_mb = 16777217", 1, "crowd_rows_mb: write 0 to 16777216"),
        ("# about\nread_ahead_bytes = 1", 2, "read_ahead_bytes: write 65536"),
        ("processes = 200", 1, "processes: write 1 to 128"),
        ("name = ' '", 1, "name: write a name"),
        ("\n[breaker]\ntimes = 0.5", 2, "breaker: times: write a number of at least 1"),
        ("\n[batches]\nrouted = 0", 2, "batches: write 1 to 65536 each"),
        ("\n[kafka]\nbrokers = 'a'\ntopic = ''", 2, "`topic` is empty"),
        ("[kafka]\nbrokers = 'a'\ntopic = 't'\noptions = { 'group.id' = 'x' }", 1, "write `group`"),
        ("[redis]\nbuckets = 0", 1, "buckets"),
        ("events = 'generator:fast'", 1, "generator:12000"),
        ("events = '-'\n[kafka]\nbrokers = 'a'\ntopic = 't'", 1, "write one"),
        ("state = 'here'", 1, "write a file *.db"),
        ("state = 'a.db'\n[redis]", 1, "write one"),
        ("triggers = 'kafka://a'", 1, "write kafka://HOST:PORT,HOST:PORT/TOPIC"),
        ("[[sinks]]\nlines = 'stdout'\n[[sinks]]\nchannels = []", 3, "sinks: write one of kafka"),
        ("[[sinks]]\nlines = 'stdout'\n\n[[sinks]]\nkafka = { brokers = 'a', topic = 'a b' }", 4, "topic"),
        ("colour = 1", 1, "unknown field `colour`"),
        ("\n[kafka]\nbrokers = 'a'\ntopik = 't'", 4, "unknown field `topik`"),
        ("\n[[sinks]]\n[sinks.webhook]\nurl = 'http://a/'\nretries = 1", 5, "unknown field `retries`"),
        ("\ncodec = json", 2, "string values must be quoted"),
        ("epoch_ms = 'soon'", 1, "invalid type"),
    ] {
        let said = fault_of(text);
        assert!(said.contains(&format!("line {line}")) && said.contains(named), "{text:?}: {said}");
    }
}

#[test]
fn no_fault_shows_a_password() {
    for text in [
        "[redis]\nurls = ['redis://me:pass-1@a/', 'redis://me:pass-1@b/']",
        "state = 'http://me:pass-1@a/'",
        "triggers = 'kafka://me:pass-1@a'",
        "[[sinks]]\nwebhook = { url = 'http://a/', dead_letters = 'd', secert = 'pass-1' }",
    ] {
        assert!(!fault_of(text).contains("pass-1"), "{text:?}");
    }
}

/// Names that a table of settings may have, as its reader lists them.
fn names<T: serde::de::DeserializeOwned>() -> BTreeSet<String> {
    let error = toml::from_str::<T>("no_such_setting = 1").err().expect("a fault").to_string();
    let (_, list) = error.split_once("expected one of ").expect("a list");
    let names: BTreeSet<String> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(names.len() > 2, "{error}");
    names
}

#[test]
fn the_example_is_right_and_shows_everything() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // A byte order mark, which some editors write, is skipped.
    std::fs::write(file.path(), format!("\u{feff}{EXAMPLE}")).unwrap();
    let settings = read(file.path()).unwrap();
    assert_eq!(settings.receivers().unwrap().len(), 1);
    let written: BTreeSet<&str> = EXAMPLE
        .lines()
        .map(|line| line.trim_start_matches(['#', '[']).split(['=', ']', ' ']).next().unwrap_or_default())
        .map(|name| name.rsplit('.').next().unwrap_or_default())
        .collect();
    let all = [
        names::<Settings>(),
        names::<KafkaConfig>(),
        names::<RedisConfig>(),
        names::<BreakerConfig>(),
        names::<SinkSettings>(),
        names::<sinks::kafka::KafkaSinkConfig>(),
        names::<sinks::webhook::WebhookConfig>(),
        names::<operators::model::decode::EventFormat>(),
    ];
    let missing: Vec<&String> =
        all.iter().flatten().filter(|name| !written.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "the example does not show {missing:?}");
}

#[test]
fn what_the_example_leaves_out_may_be_written_too() {
    let mut tried = 0;
    for line in EXAMPLE.lines().take_while(|line| !line.starts_with('[')) {
        // A setting that is left out is written as `#` without a space.
        if let Some(setting) = line.strip_prefix('#').filter(|rest| rest.starts_with(char::is_alphabetic)) {
            let settings: Settings = toml::from_str(setting).unwrap();
            assert!(settings.fault().is_none(), "{setting}");
            tried += 1;
        }
    }
    assert!(tried > 3, "{tried}");
}
