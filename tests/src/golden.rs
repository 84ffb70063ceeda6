//! Golden cases: rules, events, and the firings that a person worked out by hand.
//!
//! One file per case under `golden/`, an object of `name`, `about`, `rules` (a list), `events` (a list; a text is
//! a line as it is), `publish_at` (`null` or ms), `profiles` (`null` or a list), `expect` (a list of expectations) and
//! optionally `fields`, the table `[fields]` of the settings.
//!
//! An expectation is `{"rule_id", "key", "offset" (null: no event caused it), "fired_at"}` and optionally
//! `held_out`, `action` and `values`. `values` contains only the figures that matter; `null` means that one
//! is absent. All firings are listed, in any order: an unexpected one is as wrong as a missing one.
//!
//! A file is named after its case, in kebab case: `op-`, `filter-`, `calculator-`, `field-`, `window-`,
//! `trigger-`, `event-` or `example-`, and what it checks. No list names the cases. Each has firings, and fewer than
//! its events times its rules. Three tests run all cases: `reference_golden` and `engine_equals_reference` in
//! `tests/tests/all`, and `golden` in `tests/cluster`.

use std::path::PathBuf;

use operators::model::decode::EventFormat;
use serde_json::Value as Json;

/// One golden case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name of the case, and of its file without the ending.
    pub name: String,
    /// The rules' documents.
    pub rules: Vec<Json>,
    /// The events, one line each; the offset is the index.
    pub events: Vec<String>,
    /// Time of publish, unix ms; absent: that of the first event.
    pub publish_at: Option<i64>,
    /// How events are written, as the table `[fields]` of the settings; `null` for the default.
    pub fields: Json,
    /// Profiles for crowd queries.
    pub profiles: Option<Vec<Json>>,
    /// Expected firings.
    pub expect: Vec<Json>,
}

impl Case {
    /// Parses a case.
    ///
    /// # Panics
    /// If the text is no case.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let json: Json = serde_json::from_str(text).expect("a golden case is JSON");
        let list = |name: &str| json[name].as_array().cloned().unwrap_or_else(|| panic!("no {name}"));
        Self {
            name: json["name"].as_str().expect("a name").to_owned(),
            rules: list("rules"),
            events: list("events").iter().map(line).collect(),
            fields: json["fields"].clone(),
            publish_at: json["publish_at"].as_i64(),
            profiles: json["profiles"].as_array().cloned(),
            expect: list("expect"),
        }
    }

    /// How events are written.
    ///
    /// # Panics
    /// If `fields` is no such table.
    #[must_use]
    pub fn format(&self) -> EventFormat {
        match &self.fields {
            Json::Null => EventFormat::default(),
            fields => serde_json::from_value(fields.clone()).expect("the table `fields`"),
        }
    }

    /// Checks that exactly the expected triggers have fired.
    ///
    /// # Errors
    /// Lists of missing and of unexpected triggers.
    pub fn check(&self, triggers: &[Json]) -> Result<(), String> {
        let mut left: Vec<&Json> = triggers.iter().collect();
        let mut missing = Vec::new();
        for expected in &self.expect {
            match left.iter().position(|trigger| is_as_expected(expected, trigger)) {
                Some(place) => {
                    left.remove(place);
                }
                None => missing.push(expected),
            }
        }
        if missing.is_empty() && left.is_empty() {
            return Ok(());
        }
        let lines = |list: Vec<&Json>| list.iter().map(|one| format!("\n    {one}")).collect::<String>();
        Err(format!("{}\n  missing:{}\n  unexpected:{}", self.name, lines(missing), lines(left)))
    }
}

/// An event as a line.
fn line(event: &Json) -> String {
    event.as_str().map_or_else(|| event.to_string(), str::to_owned)
}

/// All golden cases, by name.
///
/// # Panics
/// If a file can't be read, or its name differs from its case's.
#[must_use]
pub fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the golden folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let read = |path: &PathBuf| {
        let case = Case::parse(&std::fs::read_to_string(path).expect("a readable file"));
        assert_eq!(
            path.file_stem().and_then(|stem| stem.to_str()),
            Some(case.name.as_str()),
            "a case's name"
        );
        case
    };
    paths.iter().map(read).collect()
}

fn is_as_expected(expected: &Json, trigger: &Json) -> bool {
    let fields = expected.as_object().expect("an expectation is an object");
    fields.iter().all(|(name, wanted)| match name.as_str() {
        "offset" if wanted.is_null() => trigger["cause"].is_null(),
        "offset" => same(wanted, &trigger["cause"]["offset"]),
        "values" => wanted.as_object().expect("values by condition").iter().all(|(id, figures)| {
            let there = &trigger["values"][id];
            figures
                .as_object()
                .expect("figures by name")
                .iter()
                .all(|(name, figure)| same(figure, &there[name]))
        }),
        _ => same(wanted, &trigger[name]),
    })
}

/// Whether two JSON values are equal; `3` equals `3.0`.
#[must_use]
pub fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => {
            x == y || x.as_f64() == y.as_f64() && !(x.is_u64() && y.is_u64())
        }
        (Json::Array(x), Json::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Json::Object(x), Json::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}
