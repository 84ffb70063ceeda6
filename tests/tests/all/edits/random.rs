//! Random events and rules that are paused, or whose instant of going live is edited, against the plain
//! reference.
//!
//! **Pauses.** Events come in three stretches: before, during and after the pause. A skipped pause has the
//! results of the reference for the events before and after it; a replayed one those for all events, except
//! what fires during the pause.
//!
//! **Limits.** No event is late, so that the time of an event does not depend on the events that are left
//! out. Skipped: rules without timers, and without firings at publish, since an instant within a skipped
//! pause belongs to no event. Replayed: rules without limits and resets, since a firing suppressed by the
//! pause neither uses up a limit nor resets anything.
//!
//! **Going live.** Between two events rules get another `active.from`, and another `already`. Limits: no
//! timers, since the reference leaves open which version judges a timer due around an edit; no fixed windows
//! relative to publish, since they begin anew when it moves; and no `ttl`, since when the instant moves into
//! the past, idle keys may be forgotten by then.

use std::collections::BTreeMap;

use operators::{document::lifecycle::Gap, model::decode::Decoder};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Just;
use proptest::test_runner::TestCaseError;
use serde_json::{Value as Json, json};
use strateye_tests::{
    engine::{Engine, Layout, as_reference, sorted},
    random::{BASE, RandomCase, Shape, case},
    reference::{self, Options, Step},
};

/// Operation on state between two events.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meanwhile {
    Nothing,
    Clocks,
    Save,
    Restart(usize),
}

pub(super) fn meanwhile() -> impl Strategy<Value = Vec<Meanwhile>> {
    let one = prop_oneof![
        4 => Just(Meanwhile::Nothing),
        2 => Just(Meanwhile::Clocks),
        1 => Just(Meanwhile::Save),
        1 => (1usize..5).prop_map(Meanwhile::Restart),
    ];
    prop::collection::vec(one, 1..30)
}

/// Replaces every `absence` by a `gap`: the same steps, without a timer.
pub(super) fn without_timers(rule: &mut Json) {
    for condition in rule["conditions"].as_array_mut().unwrap() {
        if condition["calculator"] == "absence" {
            condition["calculator"] = json!("gap");
            condition.as_object_mut().unwrap().remove("params");
        }
    }
    if let Some(when) = rule.get("when").and_then(Json::as_str).map(|w| w.replace(".pending", ".last_gap")) {
        rule["when"] = json!(when);
    }
}

fn suited(rules: &[Json], gap: Gap) -> Vec<Json> {
    let mut rules = rules.to_vec();
    for rule in &mut rules {
        let unsuited: &[&str] = match gap {
            Gap::Skip => &["already"],
            Gap::Replay => &["limit", "reset"],
        };
        unsuited.iter().for_each(|field| drop(rule.as_object_mut().unwrap().remove(*field)));
        if gap == Gap::Skip {
            without_timers(rule);
        }
    }
    rules
}

/// An engine, and what is done between events.
pub(super) struct Run {
    pub(super) engine: Engine,
    meanwhile: Vec<Meanwhile>,
    next: usize,
    stored: BTreeMap<(String, String), String>,
}

impl Run {
    pub(super) fn new(engine: Engine, meanwhile: Vec<Meanwhile>) -> Self {
        Run { engine, meanwhile, next: 0, stored: BTreeMap::new() }
    }

    pub(super) fn meanwhile(&mut self) {
        let what = self.meanwhile[self.next % self.meanwhile.len()];
        self.next += 1;
        match what {
            Meanwhile::Nothing => {}
            Meanwhile::Clocks => self.engine.apply_clocks(),
            Meanwhile::Save => self.engine.save_to(&mut self.stored),
            Meanwhile::Restart(workers) => {
                self.engine.save_to(&mut self.stored);
                self.engine.restore(workers, &self.stored);
            }
        }
    }

    pub(super) fn events(&mut self, lines: &[String]) {
        for line in lines {
            self.engine.event(0, line);
            self.meanwhile();
        }
        // Timers due by now run before the rules change.
        self.engine.apply_clocks();
    }

    /// Pauses or resumes every rule.
    fn change(&mut self, rules: &[Json], change: impl Fn(&mut Engine, &str)) {
        for rule in rules {
            change(&mut self.engine, rule["rule_id"].as_str().unwrap());
            self.meanwhile();
        }
    }
}

pub(super) fn time(line: &str) -> i64 {
    Decoder::default().event_time(line.as_bytes()).unwrap()
}

/// Deadline of a trigger's timer; `None` if an event fired it.
fn due(trigger: &Json) -> Option<i64> {
    match &trigger["cause"] {
        Json::Null => Some(trigger["fired_at"].as_i64().unwrap() - 1),
        cause => cause.get("deadline").and_then(Json::as_i64),
    }
}

fn check(
    case: &RandomCase,
    cuts: (prop::sample::Index, prop::sample::Index),
    gap: Gap,
    meanwhile: Vec<Meanwhile>,
) -> Result<(), TestCaseError> {
    let rules = suited(&case.rules, gap);
    let (one, other) = (cuts.0.index(case.events.len() + 1), cuts.1.index(case.events.len() + 1));
    let (from, to) = (one.min(other), one.max(other));
    let [before, during, after] = [&case.events[..from], &case.events[from..to], &case.events[to..]];
    let publish = time(&case.events[0]);
    let profiles = case.options.profiles.clone().unwrap_or_default();

    let mut engine = Engine::new(Layout::default(), 1);
    engine.put(&rules, 1, publish, &profiles);
    let mut run = Run::new(engine, meanwhile);
    run.events(before);
    let fired_before = run.engine.triggers.len();
    run.change(&rules, Engine::pause);
    run.events(during);
    prop_assert_eq!(run.engine.triggers.len(), fired_before, "fired in the pause");
    run.change(&rules, |engine, rule_id| engine.resume(rule_id, gap));
    run.events(after);
    run.engine.end();

    let counted: Vec<String> = match gap {
        Gap::Skip => [before, after].concat(),
        Gap::Replay => case.events.clone(),
    };
    let options = Options { publish_at: Some(publish), profiles: Some(profiles), ..Options::default() };
    let outcome = reference::run(&rules, &counted, &options);
    let clock = |lines: &[String]| lines.last().map_or(i64::MIN, |line| time(line));
    let (paused, resumed) = (clock(before), clock(&case.events[..to]));
    let offset = |trigger: &Json| trigger["cause"]["offset"].as_u64().map(|o| o as usize);
    let fires = |trigger: &Json| match (gap, due(trigger)) {
        (Gap::Skip, _) => true,
        (Gap::Replay, Some(due)) => due < paused || due >= resumed,
        (Gap::Replay, None) => offset(trigger).is_none_or(|o| o < from || o >= to),
    };
    let wanted = outcome.triggers.into_iter().filter(fires).map(|mut trigger| {
        if gap == Gap::Skip
            && let Some(o) = offset(&trigger).filter(|o| *o >= from)
        {
            trigger["cause"]["offset"] = json!(o + during.len());
        }
        trigger
    });
    prop_assert_eq!(sorted(run.engine.triggers.iter().map(as_reference)), sorted(wanted));
    // Without events after the pause the clock is at an instant that the reference does not reach.
    if let Some(last) = after.last() {
        prop_assert_eq!(run.engine.state(time(last)), outcome.state);
    }
    Ok(())
}

pub(super) fn first_step(document: &Json) -> Step {
    Step { from: 0, at: 0, document: document.clone(), paused: false }
}

/// Instant of going live, in half seconds, if the rule has one; and whether keys that satisfy it then fire.
type GoingLive = (Option<i64>, bool);

fn going_live() -> impl Strategy<Value = GoingLive> {
    (prop::option::weighted(0.8, 0i64..240), prop::bool::weighted(0.7))
}

/// The rules with this instant of going live, all satisfied by their conditions.
fn going_live_so(rules: &[Json], (from, fire): GoingLive) -> Vec<Json> {
    let mut rules = rules.to_vec();
    for rule in rules.iter_mut().filter(|rule| rule["conditions"] != json!([])) {
        without_timers(rule);
        rule.as_object_mut().unwrap().remove("ttl");
        for condition in rule["conditions"].as_array_mut().unwrap() {
            if condition.get("window").is_some_and(|window| window.to_string().contains("publish")) {
                condition.as_object_mut().unwrap().remove("window");
            }
        }
        let instant =
            |halves: i64| jiff::Timestamp::from_millisecond(BASE + halves * 500).unwrap().to_string();
        rule["trigger"] = json!("satisfied");
        rule["already"] = json!(if fire { "fire" } else { "skip" });
        rule["active"] = from.map_or(json!({}), |from| json!({"from": instant(from)}));
    }
    rules
}

fn check_going_live(
    case: &RandomCase,
    first: GoingLive,
    edits: &[(prop::sample::Index, GoingLive)],
    meanwhile: Vec<Meanwhile>,
) -> Result<(), TestCaseError> {
    let publish = time(&case.events[0]);
    let profiles = case.options.profiles.clone().unwrap_or_default();
    // At most one edit between two events, none before the first.
    let edits: BTreeMap<usize, GoingLive> = edits
        .iter()
        .map(|(at, edit)| (at.index(case.events.len()), *edit))
        .filter(|(at, _)| *at > 0)
        .collect();
    let rules = going_live_so(&case.rules, first);
    let mut stands: Vec<Vec<Step>> = rules.iter().map(|rule| vec![first_step(rule)]).collect();
    let mut engine = Engine::new(Layout::default(), 1);
    engine.put(&rules, 1, publish, &profiles);
    let mut run = Run::new(engine, meanwhile);
    let mut from = 0;
    for (version, (at, edit)) in (2..).zip(&edits) {
        run.events(&case.events[from..*at]);
        from = *at;
        let edited = going_live_so(&case.rules, *edit);
        run.engine.put(&edited, version, time(&case.events[from]), &profiles);
        run.meanwhile();
        for (stands, document) in stands.iter_mut().zip(edited) {
            stands.push(Step { from: from as u64, at: 0, document, paused: false });
        }
    }
    run.events(&case.events[from..]);
    run.engine.end();

    let options = Options { publish_at: Some(publish), profiles: Some(profiles), ..Options::default() };
    let outcome = reference::run_changing(&stands, &case.events, &options);
    prop_assert_eq!(sorted(run.engine.triggers.iter().map(as_reference)), sorted(outcome.triggers));
    prop_assert_eq!(run.engine.state(time(case.events.last().unwrap())), outcome.state);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn skipped(
        case in case(Shape { rules: 3, events: 90, lateness: 0, bad_lines: false }),
        cuts in any::<(prop::sample::Index, prop::sample::Index)>(), meanwhile in meanwhile(),
    ) {
        check(&case, cuts, Gap::Skip, meanwhile)?;
    }

    #[test]
    fn going_live_by_edits(
        case in case(Shape { rules: 3, events: 90, lateness: 0, bad_lines: false }), first in going_live(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), going_live()), 0..4), meanwhile in meanwhile(),
    ) {
        check_going_live(&case, first, &edits, meanwhile)?;
    }

    #[test]
    fn replayed(
        case in case(Shape { rules: 3, events: 90, lateness: 0, bad_lines: false }),
        cuts in any::<(prop::sample::Index, prop::sample::Index)>(), meanwhile in meanwhile(),
    ) {
        check(&case, cuts, Gap::Replay, meanwhile)?;
    }
}
