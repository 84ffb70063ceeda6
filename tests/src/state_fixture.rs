//! Restores the fixture of state: state that commit 7e320d7 stored is read, shown and continued as by that
//! commit.
//!
//! `tests/fixtures/state/README.md` describes the content of the fixture and how it was written.
//!
//! **Invariant**: nothing depends on the wall clock. All events lie in the past of every run; they come from
//! files and pipes, which never report that they are read up to now. A run without further events holds a
//! pipe open, so that its partition's clock stands still.

mod buckets;

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fmt::Debug,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use regex::{Captures, Regex};
use serde_json::Value as Json;
use tempfile::TempDir;

use self::buckets::{FIRED_BY_WHOLE_BUCKETS, came_of_whole_buckets, in_buckets};
use crate::command::{Running, WITHIN, command, finish};

/// A store that contains the fixture, seen from outside.
pub trait FixtureStore {
    /// Address of the store, in the syntax of `--state`.
    fn address(&self) -> String;

    /// Progress of its checkpoints.
    fn progress(&self) -> CheckpointProgress;

    /// The readable state, in any order: name of the hash and field, and the text there.
    fn rows(&self) -> Vec<Line>;
}

/// Progress of the checkpoints in a store.
pub struct CheckpointProgress {
    /// Number of the last commit.
    pub committed: u64,
    /// Number of the last checkpoint that is part of the readable state.
    pub compacted: u64,
}

/// A line of the fixture: the names that lead to a text, and the text.
pub type Line = (Vec<String>, String);

/// Files of events in the order in which they were read; the last file comes after the stored state.
const EVENTS: [&str; 5] =
    ["events-1.jsonl", "events-2.jsonl", "events-failing.jsonl", "events-3.jsonl", "events-4.jsonl"];
/// Rules that are paused in the fixture, and how their pauses end.
const RESUMED: [(&str, &str); 3] =
    [("aside-skip", "skip"), ("aside-skip-edge", "skip"), ("aside-replay", "replay")];

/// A path in the fixture.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state").join(name)
}

/// The lines of a file of the fixture: names as a JSON array, a tab, and the text as it is.
///
/// # Panics
/// If a line has another form.
#[must_use]
pub fn lines(name: &str) -> Vec<Line> {
    let line = |line: &str| {
        let (names, text) = line.split_once('\t').expect("names, a tab and a text");
        (serde_json::from_str(names).expect("an array of names"), text.to_owned())
    };
    read(name).lines().map(line).collect()
}

/// Checks that `program` continues from the fixture in `store` like the commit that wrote it.
///
/// # Panics
/// If a text, a trigger or a stored row differs.
pub fn check(program: &str, store: &dyn FixtureStore) {
    let engine = Engine::prepare(program, store);
    assert_same("what `state get` prints", &lines("expected/states.tsv"), &engine.states());
    engine.resume_rules();
    // At that commit an empty text was a key; now it is no id. Its state is read, and no event changes it.
    let expected = read("expected/triggers.jsonl");
    let expected = expected.lines().filter(|trigger| !trigger.contains("\"key\":\"\""));
    let expected = expected.filter(|trigger| !came_of_whole_buckets(trigger));
    let comparable = |trigger: &str| as_then(&without_id(trigger));
    let mut expected: Vec<String> = expected.map(comparable).collect();
    let mut triggers: Vec<String> = engine.go_on().iter().map(|trigger| comparable(trigger)).collect();
    // The order between keys means nothing.
    for triggers in [&mut expected, &mut triggers] {
        triggers.sort();
    }
    assert_same("triggers", &expected, &triggers);
    engine.await_readable();
    let with_key = |rows: Vec<Line>| {
        let rows = rows.into_iter().filter(|(names, _)| names.last().is_none_or(|key| !key.is_empty()));
        let rows = rows.filter(|(names, _)| names[0] != FIRED_BY_WHOLE_BUCKETS);
        let text_then = |(names, text): Line| {
            let text = as_then(&in_buckets(&names[0], &text));
            (names, text)
        };
        let mut rows: Vec<Line> = rows.map(text_then).collect();
        rows.sort();
        rows
    };
    assert_same("stored rows", &with_key(lines("expected/rows.tsv")), &with_key(store.rows()));
}

/// A text with what that commit stored in the same way: of sums, which were of floats, 13 digits without what was lost by
/// rounding; of sequences neither shorter runs nor the time of a first step, as it kept one run, with the oldest.
fn as_then(text: &str) -> String {
    let number = Regex::new(r#"([:,\[])"?(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\b"?"#).expect("an expression");
    let round = |found: &Captures<'_>| match found[2].parse::<f64>() {
        Ok(number) => format!("{}{number:.12e}", &found[1]),
        Err(_) => found[0].to_owned(),
    };
    let newer = r#"("last":)\d+((?:,"last_1":-1)?,"since":)\d+((?:,"since_1":-1)?,"step":1\b)"#;
    let newer = Regex::new(newer).expect("an expression");
    let text = newer.replace_all(text, "${1}0${2}0${3}");
    let shorter = Regex::new(r#","(last|since)_\d+":-1\b"#).expect("an expression");
    let text = shorter.replace_all(&text, "");
    let rest = Regex::new(r#""sum":\[([^,]+),[^\]]+\]"#).expect("an expression");
    number.replace_all(&rest.replace_all(&text, "\"sum\":$1"), round).into_owned()
}

/// A trigger without its id, which that commit made of less.
fn without_id(trigger: &str) -> String {
    let id = Regex::new(r#""trigger_id":"[0-9a-f]{32}""#).expect("an expression");
    id.replace(trigger, "\"trigger_id\":\"\"").into_owned()
}

/// The program in a folder with the rules and events of the fixture.
struct Engine<'s> {
    program: String,
    folder: TempDir,
    store: &'s dyn FixtureStore,
}

/// A program that runs without further events until its pipe is closed.
struct Idle {
    running: Running,
    pipe: File,
}

impl Idle {
    /// Ends the events and with them the program; its last checkpoint includes everything.
    fn end(self) {
        drop(self.pipe);
        let finished = self.running.wait();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
    }
}

impl<'s> Engine<'s> {
    fn prepare(program: &str, store: &'s dyn FixtureStore) -> Self {
        let folder = TempDir::new().expect("a folder");
        for part in ["rules", "calculators"] {
            copy(&path(part), &folder.path().join(part));
        }
        let events: String = EVENTS.iter().map(|name| read(&format!("story/{name}"))).collect();
        fs::write(folder.path().join("events.jsonl"), events).expect("events");
        fs::write(folder.path().join("strateye.toml"), "checkpoint_ms = 50\nerror_budget = 3\n")
            .expect("settings");
        let made = Command::new("mkfifo").arg(folder.path().join("pipe")).status().expect("coreutils");
        assert!(made.success(), "a pipe");
        Self { program: program.to_owned(), folder, store }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(&self.program, self.folder.path(), arguments)
    }

    /// Runs a command that must succeed; returns its output.
    fn succeed(&self, arguments: &[&str]) -> String {
        let finished = finish(&mut self.command(arguments));
        assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.all());
        finished.output.join("\n")
    }

    /// Command `run` on the store with these events.
    fn run(&self, events: &str) -> Command {
        let address = self.store.address();
        let inputs =
            ["--events", events, "--rules", "rules", "--calculators", "calculators", "--state", &address];
        self.command(&[&["run", "--config", "strateye.toml", "--processes", "2"], &inputs[..]].concat())
    }

    fn run_idle(&self) -> Idle {
        // Open for reading and writing, so that opening blocks neither side.
        let pipe = OpenOptions::new().read(true).write(true).open(self.folder.path().join("pipe"));
        Idle { running: Running::start(&mut self.run("pipe")), pipe: pipe.expect("a pipe") }
    }

    /// Output of `state get` with these names.
    fn get(&self, names: &[&str]) -> String {
        self.succeed(&[&["state", "get", "--state", &self.store.address()], names].concat())
    }

    /// Output of `state get` for the expected keys, without the number of the checkpoint and the position of
    /// the last correction.
    fn states(&self) -> Vec<Line> {
        let varies = Regex::new(r#""checkpoint":\d+,"corrections":("[^"]*"|null),"#).expect("an expression");
        let shown = |(names, _): Line| {
            let printed = self.get(&names.iter().map(String::as_str).collect::<Vec<_>>());
            (names, varies.replace(&printed, "").into_owned())
        };
        lines("expected/states.tsv").into_iter().map(shown).collect()
    }

    /// Ends pauses, and applies the corrections that wait in the store.
    fn resume_rules(&self) {
        for (rule, gap) in RESUMED {
            self.succeed(&["rule", "resume", "--rules", "rules", "--gap", gap, rule]);
        }
        let mut idle = self.run_idle();
        let awaited: BTreeSet<&str> = RESUMED.iter().map(|(rule, _)| *rule).collect();
        let awaited = RefCell::new(awaited);
        idle.running.log_until("the rules that are resumed", |line| {
            if let Some(rule) = in_force(line) {
                awaited.borrow_mut().remove(&*rule);
            }
            awaited.borrow().is_empty().then_some(())
        });
        until("the corrections are in a checkpoint", || {
            self.get(&["counts", "plain", "2"]) == "40" && self.get(&["own", "mine", "6"]) == "null"
        });
        idle.end();
    }

    /// Reads the events that follow; returns the triggers.
    fn go_on(&self) -> Vec<String> {
        let finished = finish(&mut self.run("events.jsonl"));
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        finished.output
    }

    /// Waits until everything committed is readable; the program that committed it may have ended before.
    fn await_readable(&self) {
        let committed = self.store.progress().committed;
        let mut idle = self.run_idle();
        idle.running
            .log_until("the rules of the checkpoint", |line| line.contains("rules in force").then_some(()));
        until("all is readable", || self.store.progress().compacted >= committed);
        idle.end();
    }
}

/// Id of the rule that a log line reports as live.
fn in_force(line: &str) -> Option<String> {
    let (_, change) = line.split_once("rule in force change=")?;
    let change: Json = serde_json::from_str(change).ok()?;
    (change["state"] == "live").then(|| change["rule_id"].as_str().map(str::to_owned))?
}

/// Polls until a condition holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WITHIN, "{what}");
        // A store gives no notice of a commit.
        thread::sleep(Duration::from_millis(5));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a part of the fixture") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).expect("a file of the fixture")
}

/// Compares two sorted lists and names some of what only one of them has.
fn assert_same<T: PartialEq + Debug>(what: &str, expected: &[T], found: &[T]) {
    let only = |these: &[T], those: &[T]| {
        let only = these.iter().filter(|item| !those.contains(item)).take(5);
        only.map(|item| format!("\n  {item:?}")).collect::<String>()
    };
    let (missing, more) = (only(expected, found), only(found, expected));
    assert!(
        expected == found,
        "{what}: expected, and not there:{missing}\nthere, and not expected:{more}\n{} and {} in all",
        expected.len(),
        found.len()
    );
}
