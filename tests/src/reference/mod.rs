//! The plain reference evaluator: the meaning of a rule, written down as directly as possible.
//!
//! For every rule it walks over all events, one after the other, and recomputes every figure from everything
//! that was ever folded. No index, no batches, no epochs, no code shared with the engine: that is what makes
//! it a check of the engine. It is slow by design (quadratic in the events of a key).
//!
//! **Invariants**: rules are independent of each other; time comes from the events alone; nothing is
//! approximated, except what the rule format itself rounds (the buckets of a sliding window that holds many folds). `distinct` is
//! always exact here, so tests that compare it must stay below 64 values.
//!
//! **Limits**: users' own calculator scripts are not supported. An invalid rule panics with the reason:
//! validation is not the reference's task.
//!
//! - `engine`: one rule over all events: keys, timers, triggers, limits
//! - `rule`, `condition`, `calculator`, `window`, `filter`, `crowd`, `key`, `action`: the parts of a rule
//! - `calendar`: days, weeks and months
//! - `condition_state`: state of a condition for one key
//! - `steps`, `figures`: folding of calculators with steps, and the outputs of all calculators
//! - `expression`, `parse_expression`, `node`: `met`, `when` and `expr`
//! - `event`, `value`, `duration`: events, values, durations and instants
//! - `format`: how events are written; `json`: JSON as it stands in a line

mod action;
mod calculator;
mod calendar;
mod condition;
mod condition_state;
mod crowd;
mod duration;
mod engine;
mod event;
mod expression;
mod figures;
mod filter;
mod format;
mod json;
mod key;
mod node;
mod parse_expression;
mod read;
mod rule;
mod steps;
#[cfg(test)]
mod unit_tests;
mod value;
mod window;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use event::Event;
use format::Format;
use rule::Rule;

/// Options of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Time of publish of all rules, unix ms; absent: the least time of an event.
    pub publish_at: Option<i64>,
    /// How events are written, as the table `[fields]` of the settings; `null` for the default.
    pub fields: Json,
    /// Profiles for crowd queries, one object per guid: `{"guid": 1, "TAG": value, ..}`.
    pub profiles: Option<Vec<Json>>,
}

/// Rule id, text of the key, condition id.
pub type StateKey = (String, String, String);

/// Result of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// All firings: `rule_id key_by key guid cause fired_at values held_out action`. Rule by rule; within a
    /// rule in the order in which a key's firings happen. Across keys the order means nothing.
    pub triggers: Vec<Json>,
    /// Outputs of each condition at the final clock, absent ones left out, for keys that the rule still has;
    /// entries that equal a fresh state's are left out.
    pub state: BTreeMap<StateKey, Json>,
    /// Offsets of lines that are no event.
    pub bad_lines: Vec<u64>,
}

/// Runs `rules` over `events`: lines of JSON, all of partition 0, the offset of each being its index.
///
/// # Panics
/// If a rule is not valid.
pub fn run(rules: &[Json], events: &[String], options: &Options) -> Outcome {
    let always = |rule: &Json| vec![Step { from: 0, at: 0, document: rule.clone(), paused: false }];
    run_changing(&rules.iter().map(always).collect::<Vec<_>>(), events, options)
}

/// A rule as it is in force from an offset on.
#[derive(Clone, Debug)]
pub struct Step {
    /// The first offset it holds for.
    pub from: u64,
    /// When it was published, unix ms. Only matters for an edit that first makes the touches of keys count,
    /// such as one that adds `ttl`.
    pub at: i64,
    /// The document.
    pub document: Json,
    /// Whether it is paused; what it folds meanwhile counts.
    pub paused: bool,
}

/// Like [`run`], for rules that change in between, but for their `key_by`: the steps of each rule, ascending
/// by offset, the first from 0. Timers that are due around a change are judged by the version that holds when
/// their key is next touched.
///
/// # Panics
/// If a rule is not valid.
pub fn run_changing(rules: &[Vec<Step>], events: &[String], options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut parsed = Vec::new();
    let mut clock = i64::MIN;
    let latest = jiff::Timestamp::now().as_millisecond() + 300_000;
    let format = Format::parse(&options.fields);
    for (offset, line) in (0u64..).zip(events) {
        match Event::parse(offset, line, &format) {
            // The clock of a partition is the highest time read so far: the event sees it with its own time
            // included.
            Ok(event) => {
                // One dated in the future moves no clock.
                clock = if event.time <= latest { clock.max(event.time) } else { clock.max(0) };
                parsed.push((clock, event));
            }
            Err(_) => outcome.bad_lines.push(offset),
        }
    }
    let times = parsed.iter().map(|(_, event)| event.time);
    let first = times.filter(|time| *time <= latest).min().unwrap_or(0);
    let approval = options.publish_at.unwrap_or(first);
    for rule in rules {
        let stand = |step: &Step| engine::RuleInForce {
            from: step.from,
            at: step.at,
            rule: Rule::parse(&step.document, approval, options.profiles.as_deref()),
            paused: step.paused,
        };
        engine::run_rule(&rule.iter().map(stand).collect::<Vec<_>>(), &parsed, &mut outcome);
    }
    outcome
}
