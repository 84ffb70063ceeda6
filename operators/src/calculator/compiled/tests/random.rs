//! Random scripts. `PROPTEST_CASES` sets the number of a longer run.

use std::cell::RefCell;

use proptest::{prelude::*, test_runner::TestRunner};

use super::{super::restored::BACKWARD, pair::calls, scripts::cases};

/// Number of scripts of a run of the suite.
const CASES: u32 = 250;

#[test]
fn compiled_equals_interpreted() {
    let standard = ProptestConfig::default();
    let cases_drawn = if std::env::var("PROPTEST_CASES").is_ok() { standard.cases } else { CASES };
    let config = ProptestConfig { cases: cases_drawn, failure_persistence: None, ..standard };
    let (mut runner, compiled) = (TestRunner::new(config), RefCell::new((0, Vec::new())));
    let run = runner.run(&(cases(), calls(3, 12)), |(case, calls)| {
        let compared = case.compare_all(&calls);
        let difference = compared.as_ref().err().cloned().unwrap_or_default();
        prop_assert!(compared.is_ok(), "{difference}\n{}", case.script);
        if let Ok(Some(program)) = compared {
            let (functions, interpreted) = &mut *compiled.borrow_mut();
            *functions += 4;
            let backward = program.interpreted().any(|(_, why)| why.reason == BACKWARD);
            prop_assert!(!backward, "{BACKWARD}\n{}", case.script);
            let reason = |(function, why)| format!("{function}: {why}\n{}", case.script);
            interpreted.extend(program.interpreted().map(reason));
        }
        Ok(())
    });
    assert!(run.is_ok(), "{}", run.unwrap_err());
    let (functions, interpreted) = compiled.into_inner();
    assert!(functions > 2 * CASES as usize, "{functions} functions were run");
    assert!(interpreted.len() * 100 <= functions, "of {functions}:\n{}", interpreted.join("\n\n"));
}
