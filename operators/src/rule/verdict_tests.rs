use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    calculator::{FoldInput, Objects},
    document::spec::Rule,
    model::field,
    rule::{compile::compile, plan::RulePlan},
};

/// A rule with `n` counts `a`, `b`, .. of events of their own, which are met from 2 on.
fn rule(n: usize, when: Option<&str>, window: &str) -> RulePlan {
    let one = |id: char| {
        format!(
            r#"{{"id": "{id}", "calculator": "count", "event": {{"id": "{id}"}}, {window} "met": "value >= 2"}}"#
        )
    };
    let conditions: Vec<_> = ('a'..='z').take(n).map(one).collect();
    let when = when.map(|when| format!(r#""when": "{when}","#)).unwrap_or_default();
    let document = format!(
        r#"{{"rule_id": "r", {when} "trigger": "satisfied", "conditions": [{}]}}"#,
        conditions.join(", ")
    );
    compile(Arc::new(Rule::parse(&document).unwrap()), 0, &mut field::Fields::default(), &()).unwrap()
}

/// An expression over `a` to `f`.
fn expression() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "true", "false"]);
    name.prop_map(str::to_owned).prop_recursive(4, 16, 3, |part| {
        prop_oneof![
            part.clone().prop_map(|a| format!("!({a})")),
            (part.clone(), part.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (part.clone(), part.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (part.clone(), part.clone()).prop_map(|(a, b)| format!("({a} == {b})")),
            (part.clone(), part.clone(), part)
                .prop_map(|(a, b, c)| format!("(if {a} {{ {b} }} else {{ {c} }})")),
        ]
    })
}

proptest! {
    #[test]
    fn a_verdict_is_that_of_the_expression_whatever_is_known(
        when in expression(), met in 0u8..64, known in 0u8..64, lasting in 0u8..64,
    ) {
        let plan = rule(6, Some(&when), "");
        let verdict = plan.verdict.as_ref().unwrap();
        let when = plan.when.as_ref().unwrap();
        let holds = when.expression.holds(&mut |slot| Operand::Bool(met >> when.slots[slot].0 & 1 == 1)).unwrap();
        let mut answers = Answers::of(Known { known, met: met & known });
        let mut asked = 0u8;
        let found = verdict.holds(&mut answers, |condition, _| {
            asked |= 1 << condition;
            Answer { met: met >> condition & 1 == 1, lasts: lasting >> condition & 1 == 1 }
        });
        prop_assert_eq!(found, holds);
        prop_assert_eq!(asked & known, 0, "what is known is not asked");
        prop_assert_eq!(answers.now.known, known | asked);
        prop_assert_eq!(answers.lasting.known, known | asked & lasting);
        prop_assert_eq!(answers.lasting.met, met & answers.lasting.known);
    }
}

#[test]
fn nothing_is_asked_that_makes_no_difference() {
    let plan = rule(4, Some("a && (b || !c) && d"), "");
    let mut answers = Answers::default();
    let mut asked = Vec::new();
    let met = [true, true, false, false];
    let holds = plan.verdict.unwrap().holds(&mut answers, |condition, _| {
        asked.push(condition);
        Answer { met: met[condition], lasts: true }
    });
    assert!(!holds);
    assert_eq!(asked, [0, 1, 3]);
}

#[test]
fn without_when_all_conditions_have_to_be_met() {
    for (n, met) in [(1, 0b1), (3, 0b111), (6, 0b11_1111)] {
        let verdict = rule(n, None, "").verdict.unwrap();
        for known in 0..1u8 << n {
            let mut answers = Answers::of(Known { known: met, met: known });
            let ask = |_: usize, _: &Question| unreachable!("all is known");
            assert_eq!(verdict.holds(&mut answers, ask), known == met);
        }
    }
}

#[test]
fn rules_with_many_conditions_or_outputs_in_when_have_none() {
    assert!(rule(7, None, "").verdict.is_none());
    assert!(rule(2, Some("a && b.value > 1"), "").verdict.is_none());
    assert!(rule(2, Some("a && b"), "").verdict.unwrap().question(2).is_none());
}

/// Answers about a count at several instants, after events at `times`, each with its `now`.
fn answers(window: &str, times: &[(i64, i64)], at: &[i64]) -> Vec<Answer> {
    let plan = rule(1, None, window);
    let verdict = plan.verdict.as_ref().unwrap();
    let (question, program) = (verdict.question(0).unwrap(), &plan.conditions[0].program);
    let (mut objects, mut words) = (Objects::default(), question.shape().initial_words().to_vec());
    let mut fields = Fields::new(question.shape(), &mut words, &mut objects);
    for (time, now) in times {
        let input = FoldInput { time: *time, now: *now, step: 0 };
        program.fold(&mut fields, input, |_| None).unwrap().unwrap();
    }
    at.iter().map(|now| question.answer(&fields, *now)).collect()
}

fn answer(met: bool, lasts: bool) -> Answer {
    Answer { met, lasts }
}

#[test]
fn answers_about_fixed_windows_last() {
    let found = answers("", &[(1, 1), (2, 2)], &[2, 9_000]);
    assert_eq!(found, [answer(true, true); 2]);
    assert_eq!(answers("", &[(1, 1)], &[1]), [answer(false, true)]);
}

#[test]
fn of_sliding_counts_only_that_they_are_too_low_lasts() {
    let window = r#""window": {"last": "64s"},"#;
    let met = answers(window, &[(1_000, 1_000), (2_000, 2_000)], &[2_000, 64_999, 65_000]);
    assert_eq!(met, [answer(true, false), answer(true, false), answer(false, true)]);
    let ahead = answers(window, &[(1_000, 1_000), (9_000, 2_000)], &[2_000, 9_000, 70_000]);
    assert_eq!(ahead, [answer(false, false), answer(true, false), answer(false, true)]);
}
