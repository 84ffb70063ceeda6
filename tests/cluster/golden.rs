//! Every golden case by `strateye replay`: with one and with three processes, and with both codecs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value as Json, json};
use strateye_tests::golden::{Case, cases};

use crate::scene::Scene;

/// Number of cases that run at a time.
const AT_ONCE: usize = 2;

#[test]
fn every_golden_case_fires_as_expected_on_any_number_of_processes_and_with_both_codecs() {
    let (cases, next, faults) = (cases(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    assert!(cases.len() > 50, "only {} golden cases found", cases.len());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(fault) = check(case) {
                        faults.lock().unwrap().push(fault);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

fn check(case: &Case) -> Result<(), String> {
    let scene = Scene::with(&case.rules, &case.events);
    // The events of a case come in the order in which it lists them.
    let mut given = vec!["--order", "file"];
    let publish_at = case.publish_at.map(|at| at.to_string());
    if let Some(at) = &publish_at {
        given.extend(["--publish-at", at.as_str()]);
    }
    if let Some(profiles) = &case.profiles {
        let profiles: Vec<String> = profiles.iter().map(Json::to_string).collect();
        scene.write("profiles.jsonl", &crate::scene::lines(&profiles));
        given.extend(["--profiles", "profiles.jsonl"]);
    }
    if let Json::Object(fields) = &case.fields {
        // Lists and texts are written alike in JSON and in TOML.
        let settings: String = fields.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        scene.write("settings.toml", &format!("[fields]\n{settings}"));
        given.extend(["--config", "settings.toml"]);
    }
    let mut first: Option<Vec<String>> = None;
    for how in [["1", "abomonation"], ["3", "abomonation"], ["3", "bytemuck"]] {
        let [processes, codec] = how;
        let replayed = scene.replay(&[&given[..], &["--processes", processes, "--codec", codec]].concat());
        let fault = |what: String| format!("{} with {how:?}: {what}", case.name);
        case.check(&replayed.parsed()).map_err(fault)?;
        let refused = &replayed.summary["refused_rules"];
        if *refused != json!([]) || replayed.summary["refused_events"] != 0 {
            return Err(fault(format!("refused: {}", replayed.summary)));
        }
        let first = first.get_or_insert_with(|| replayed.triggers.clone());
        if *first != replayed.triggers {
            return Err(fault(format!(
                "not the same lines:\n{}\n{}",
                first.join("\n"),
                replayed.triggers.join("\n")
            )));
        }
    }
    Ok(())
}
