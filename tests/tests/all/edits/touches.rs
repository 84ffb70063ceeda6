//! Random edits that make the touches of keys count, against the plain reference.
//!
//! Between two events rules get a `ttl`, a limit, or another crowd, published by a clock that differs from
//! the events'.
//!
//! **Limits.** No timers, since the reference leaves open which version judges a timer due around an edit;
//! and a `ttl` is never lengthened or taken out, since it is left open when an idle key is forgotten.

use std::collections::BTreeMap;

use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;
use serde_json::{Value as Json, json};
use strateye_tests::{
    engine::{Engine, Layout, as_reference, sorted},
    random::{RandomCase, Shape, case},
    reference::{self, Options, Step},
};

use super::random::{Meanwhile, Run, first_step, meanwhile, time, without_timers};

/// An edit after which touches may count.
#[derive(Clone, Debug)]
struct TouchEdit {
    /// Whether it adds a `ttl`, or halves the one there is.
    ttl: bool,
    limit: bool,
    /// Users of the crowd, a bit each; `None`: no crowd.
    crowd: Option<u8>,
    /// The publishing clock is ahead of the events', ms.
    ahead: i64,
}

fn touch_edits() -> impl Strategy<Value = Vec<(prop::sample::Index, TouchEdit)>> {
    let crowd = prop::option::weighted(0.7, any::<u8>());
    let edit = (prop::bool::weighted(0.4), prop::bool::weighted(0.2), crowd, -20_000i64..20_000);
    let edit = edit.prop_map(|(ttl, limit, crowd, ahead)| TouchEdit { ttl, limit, crowd, ahead });
    prop::collection::vec((any::<prop::sample::Index>(), edit), 1..5)
}

/// The rules as after these edits.
fn edited_so(rules: &[Json], edits: &[&TouchEdit]) -> Vec<Json> {
    let mut rules = rules.to_vec();
    for rule in &mut rules {
        without_timers(rule);
        let halvings = edits.iter().filter(|edit| edit.ttl).count() as u32;
        match halvings {
            0 => drop(rule.as_object_mut().unwrap().remove("ttl")),
            _ => rule["ttl"] = json!(format!("{}ms", 40_000 >> halvings)),
        }
        let Some(edit) = edits.last() else { continue };
        if edit.limit && rule.get("limit").is_none() {
            rule["limit"] = json!({"times": 3});
        }
        match edit.crowd {
            Some(users) => {
                rule["crowd"] =
                    json!({"guids": (0..8).filter(|u| users >> u & 1 == 1).collect::<Vec<u64>>()});
            }
            None => drop(rule.as_object_mut().unwrap().remove("crowd")),
        }
    }
    rules
}

fn check(
    case: &RandomCase,
    edits: &[(prop::sample::Index, TouchEdit)],
    meanwhile: Vec<Meanwhile>,
) -> Result<(), TestCaseError> {
    let publish = time(&case.events[0]);
    let profiles = case.options.profiles.clone().unwrap_or_default();
    // At most one edit between two events, none before the first.
    let edits: BTreeMap<usize, &TouchEdit> = edits
        .iter()
        .map(|(at, edit)| (at.index(case.events.len()), edit))
        .filter(|(at, _)| *at > 0)
        .collect();
    let rules = edited_so(&case.rules, &[]);
    let mut stands: Vec<Vec<Step>> = rules.iter().map(|rule| vec![first_step(rule)]).collect();
    let mut engine = Engine::new(Layout::default(), 1);
    engine.put(&rules, 1, publish, &profiles);
    let mut run = Run::new(engine, meanwhile);
    let (mut from, mut so_far) = (0, Vec::new());
    for (version, (until, edit)) in (2..).zip(&edits) {
        run.events(&case.events[from..*until]);
        from = *until;
        so_far.push(*edit);
        let (edited, at) = (edited_so(&case.rules, &so_far), time(&case.events[from]) + edit.ahead);
        run.engine.put(&edited, version, at, &profiles);
        run.meanwhile();
        for (stands, document) in stands.iter_mut().zip(edited) {
            stands.push(Step { from: from as u64, at, document, paused: false });
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
    fn touches_that_edits_make_count(
        case in case(Shape { rules: 3, events: 90, lateness: 0, bad_lines: false }), edits in touch_edits(),
        meanwhile in meanwhile(),
    ) {
        check(&case, &edits, meanwhile)?;
    }
}
