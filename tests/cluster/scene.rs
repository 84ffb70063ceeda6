//! A folder with rules and events, in which the program runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;
use strateye_tests::command::{Finished, command, finish};
use tempfile::TempDir;

/// Folder of a test: `rules/`, `events.jsonl` and the program's files.
pub(crate) struct Scene {
    folder: TempDir,
}

/// Result of a replay.
pub(crate) struct Replayed {
    /// Lines of `triggers.jsonl`, sorted: the order between keys means nothing.
    pub(crate) triggers: Vec<String>,
    /// Lines of `dead.jsonl`.
    pub(crate) dead_letters: Vec<Json>,
    /// The summary.
    pub(crate) summary: Json,
}

impl Scene {
    /// An empty folder of rules and no events.
    pub(crate) fn new() -> Self {
        let scene = Self { folder: TempDir::new().unwrap() };
        fs::create_dir(scene.path("rules")).unwrap();
        scene
    }

    /// A folder with these rules and events.
    pub(crate) fn with(rules: &[Json], events: &[String]) -> Self {
        let scene = Self::new();
        rules.iter().for_each(|rule| scene.put(rule));
        scene.write("events.jsonl", &lines(events));
        scene
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file atomically.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let hidden = self.path(".new");
        fs::write(&hidden, text).unwrap();
        fs::rename(hidden, self.path(name)).unwrap();
    }

    /// Writes a rule to `rules/`.
    pub(crate) fn put(&self, rule: &Json) {
        self.write(&format!("rules/{}.json", rule["rule_id"].as_str().unwrap()), &rule.to_string());
    }

    /// A command of the program, to be run in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(env!("CARGO_BIN_EXE_strateye"), self.folder.path(), arguments)
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish(&mut self.command(arguments))
    }

    /// Runs the program, which must succeed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Finished {
        let finished = self.run(arguments);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.all());
        finished
    }

    /// Replays the events over the rules, with more arguments.
    pub(crate) fn replay(&self, more: &[&str]) -> Replayed {
        let plain = ["replay", "--rules", "rules", "--events", "events.jsonl", "--json"];
        let written = ["--triggers", "triggers.jsonl", "--dead-letters", "dead.jsonl", "--overwrite"];
        let finished = self.succeed(&[&plain[..], &written[..], more].concat());
        assert_eq!(finished.output.len(), 1, "not one summary: {}", finished.all());
        let mut triggers = read(&self.path("triggers.jsonl"));
        triggers.sort();
        let dead_letters = read(&self.path("dead.jsonl"));
        Replayed {
            triggers,
            dead_letters: dead_letters.iter().map(|line| serde_json::from_str(line).unwrap()).collect(),
            summary: serde_json::from_str(&finished.output[0]).unwrap(),
        }
    }
}

impl Replayed {
    /// The triggers as JSON.
    pub(crate) fn parsed(&self) -> Vec<Json> {
        self.triggers.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Text of a file with these lines.
pub(crate) fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn read(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}
