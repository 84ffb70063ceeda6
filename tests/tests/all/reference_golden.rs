//! Tests of the reference evaluator by the golden cases: each checks the other.

use strateye_tests::golden;
use strateye_tests::reference::{Options, run};

#[test]
fn the_reference_fires_what_the_golden_cases_expect() {
    let cases = golden::cases();
    assert!(cases.len() > 50, "only {} golden cases found", cases.len());
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let options = Options {
                publish_at: case.publish_at,
                fields: case.fields.clone(),
                profiles: case.profiles.clone(),
            };
            let outcome = run(&case.rules, &case.events, &options);
            assert_eq!(outcome.bad_lines, Vec::<u64>::new(), "{}: bad lines", case.name);
            case.check(&outcome.triggers).err()
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn every_golden_case_has_firings_and_events_that_do_not_fire() {
    for case in golden::cases() {
        assert!(!case.expect.is_empty(), "{}: expects nothing", case.name);
        assert!(
            case.expect.len() < case.events.len() * case.rules.len(),
            "{}: every event fires every rule",
            case.name
        );
    }
}
