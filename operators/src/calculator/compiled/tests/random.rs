//! Random scripts.

use proptest::{prelude::*, test_runner::TestRunner};

use super::{pair::calls, scripts::cases};

#[test]
fn compiled_equals_interpreted() {
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    let (mut runner, compiled) = (TestRunner::new(config), std::cell::Cell::new((0, 0)));
    let run = runner.run(&(cases(), calls(3, 12)), |(case, calls)| {
        let compared = case.compare(&calls);
        let difference = compared.as_ref().err().cloned().unwrap_or_default();
        prop_assert!(compared.is_ok(), "{difference}\n{}", case.script);
        if let Ok(Some(program)) = compared {
            let (functions, interpreted) = compiled.get();
            compiled.set((functions + 4, interpreted + program.interpreted().count()));
        }
        Ok(())
    });
    assert!(run.is_ok(), "{}", run.unwrap_err());
    let (functions, interpreted) = compiled.get();
    assert!(functions > 400 && interpreted * 2 < functions, "{interpreted} of {functions} were interpreted");
}
