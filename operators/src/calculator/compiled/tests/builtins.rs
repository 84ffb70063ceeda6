//! The built-in scripts.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Map, Value as Json, json};

use super::{
    super::code::Op,
    pair::{Case, calls, compare},
};
use crate::calculator::{
    Execution, Program,
    builtin::{BUILTINS, Builtin, Param},
    program::Function,
};

const WINDOW: i64 = 6_400;

/// The built-in scripts, with a window and without, and with each of their options.
fn cases() -> Vec<Case> {
    BUILTINS
        .iter()
        .flat_map(|builtin| [None, Some(WINDOW)].map(|window| (builtin, window)))
        .flat_map(of)
        .collect()
}

/// A built-in script with a window or without, and with each of its options.
pub(super) fn of((builtin, window): (&Builtin, Option<i64>)) -> Vec<Case> {
    let steps = builtin.steps.map(|(least, most)| most.min(3).max(least));
    let words: &[&str] = builtin
        .params
        .iter()
        .find_map(|(_, param)| match param {
            Param::Word(words) | Param::OptionalWord(words) => Some(*words),
            _ => None,
        })
        .unwrap_or(&[""]);
    let given = words.iter().flat_map(|word| [false, true].map(|options| params(builtin, word, options)));
    let script = |params: &Map<String, Json>| builtin.script(params, steps.unwrap_or(0)).into_owned();
    given.map(|params| Case { script: script(&params), params, window, steps }).collect()
}

fn params(builtin: &Builtin, word: &str, options: bool) -> Map<String, Json> {
    let value = |name: &str, param: &Param| match param {
        Param::Property => json!("amount"),
        Param::Amount => json!(3),
        Param::Span => json!(3_000),
        Param::OptionalSpan if !options => Json::Null,
        Param::OptionalSpan if name.starts_with("at_least") || name.starts_with("more") => json!(100),
        Param::OptionalSpan => json!(2_500),
        Param::Word(_) | Param::OptionalWord(_) => json!(word),
    };
    builtin.params.iter().map(|(name, param)| ((*name).to_owned(), value(name, param))).collect()
}

#[test]
fn all_are_compiled() {
    for case in cases() {
        let program = case.compile(Execution::Compiled).unwrap();
        let interpreted: Vec<_> = program.interpreted().map(|(f, why)| format!("{f}: {why}")).collect();
        assert!(interpreted.is_empty(), "{interpreted:?}\n{}", case.script);
    }
}

#[test]
fn sequences_and_gaps_run_on_registers() {
    for case in cases().into_iter().filter(|case| case.steps == Some(2) || case.steps == Some(3)) {
        let program = case.compile(Execution::Compiled).unwrap();
        let Function::Compiled(code) = &program.on_event else { panic!("{}", case.script) };
        // Those that set timers do not.
        assert_eq!(code.words.is_some(), program.timer().is_none(), "{}", case.script);
    }
}

#[test]
fn figures_that_a_condition_is_met_by_are_read_directly() {
    let figures = [("count", "value"), ("gap", "value"), ("sequence", "value"), ("stats", "sum")];
    for (name, figure) in figures {
        let of_name = BUILTINS.iter().filter(|builtin| builtin.name == name);
        for case in
            of_name.flat_map(|builtin| [None, Some(WINDOW)].map(|window| (builtin, window))).flat_map(of)
        {
            let program = case.compile(Execution::Compiled).unwrap();
            let position = program.output_position(figure).unwrap();
            assert!(program.direct(position).is_some(), "{figure} of {name} in {:?}", case.window);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn compiled_equals_interpreted(calls in calls(3, 60)) {
        for case in cases() {
            let compared = case.compare(&calls);
            prop_assert!(compared.is_ok(), "{}\n{}", compared.unwrap_err(), case.script);
        }
    }
}

/// The program with its operation at a position changed for another.
pub(super) fn mutated(program: &Program, at: usize, op: Op) -> Program {
    let mut program = program.clone();
    if let Function::Compiled(code) = &mut program.on_event {
        code.ops[at] = op;
        *code = code.clone().with_words(program.shape.initial());
    }
    program
}

#[test]
fn every_changed_operation_is_noticed() {
    let mut runner = TestRunner::deterministic();
    let calls = calls(3, 700).new_tree(&mut runner).unwrap().current();
    for case in cases() {
        let right = case.compile(Execution::Interpreted).unwrap();
        let compiled = case.compile(Execution::Compiled).unwrap();
        let Function::Compiled(code) = &compiled.on_event else { panic!("{}", case.script) };
        for (at, op) in code.ops.iter().enumerate() {
            let wrong = match *op {
                Op::UnlessConst(test, a, to, word) => Op::UnlessConst(test.negated(), a, to, word),
                Op::UnlessSlotConst(test, slot, to, word) => {
                    Op::UnlessSlotConst(test.negated(), slot, to, word)
                }
                Op::Increment(slot) => Op::AddToSlot(slot, 2),
                Op::IncrementReturn(_) | Op::CountEventReturn(_) | Op::FoldPresentReturn(..) => {
                    Op::Return(true)
                }
                _ => continue,
            };
            let noticed = compare(&mutated(&compiled, at, wrong), &right, &calls).is_err();
            assert!(noticed, "operation {at}, {op:?}, made {wrong:?}: {:?}\n{}", code.ops, case.script);
        }
    }
}
