//! Documents: one that can't be used is refused with reasons; another is written and read as the same, and works.

use std::sync::Arc;

use operators::{document::spec::Rule, model::field::Fields, rule::compile::compile};
use serde_json::{Value as Json, json};
use strateye_tests::{
    engine::{Engine, Layout},
    fuzz::fuzz,
    golden,
};

fn samples() -> Vec<Vec<u8>> {
    golden::cases().iter().flat_map(|case| &case.rules).map(|rule| rule.to_string().into_bytes()).collect()
}

/// Events for which a rule works.
fn events() -> Vec<String> {
    let cases = golden::cases();
    cases.iter().flat_map(|case| case.events.iter().take(2)).cloned().collect()
}

#[test]
fn documents_of_any_text() {
    let events = events();
    let mut next = 0;
    fuzz("documents", 3_000, &samples(), |document| {
        let Ok(text) = std::str::from_utf8(document) else { return };
        let rule = match Rule::parse(text) {
            Ok(rule) => rule,
            Err(faults) => {
                assert!(!faults.0.is_empty() && faults.0.iter().all(|fault| !fault.message.is_empty()));
                return;
            }
        };
        let again = serde_json::to_string(&rule).unwrap();
        assert_eq!(Rule::parse(&again).unwrap(), rule, "{again}");
        let Err(faults) = compile(Arc::new(rule.clone()), 0, &mut Fields::default(), &()) else {
            let mut document: Json = serde_json::from_str(&again).unwrap();
            document.as_object_mut().unwrap().remove("crowd");
            let mut engine = Engine::new(Layout { workers: 2, ..Layout::default() }, 1);
            engine.put(&[json!(document)], 1, 0, &[]);
            for _ in 0..4 {
                next = (next + 1) % events.len();
                engine.event(0, &events[next]);
            }
            engine.end();
            return;
        };
        assert!(!faults.0.is_empty() && faults.0.iter().all(|fault| !fault.message.is_empty()));
    });
}
