//! Tests of applying events, with the judge that folds everything as the reference.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::{
    super::{
        Evaluator,
        scene::{Hashes, edited, published, put, save},
    },
    *,
};
use crate::{
    model::{
        decode::Decoder,
        ids::Offset,
        raw::{RawBatch, RawRecord},
        routed::Routed,
    },
    ops::matcher::Matcher,
    rule::{
        catalog::Catalog,
        change::Published,
        crowd::{Crowd, Departed},
        plan::RulePlan,
    },
};

const DAY: i64 = 24 * 3_600_000;

/// Counts; one that events switch on and off, and that fails at some times; numbers of which some can't be
/// folded; and, if `timer`, one that waits for 100 ms.
fn document(guards: &str, trigger: &str, when: &str, timer: bool) -> String {
    let switch = r"fn init(params) { #{ value: 0 } }
        fn on_event(state, event, params) { let tenth = 10 / (event.time % 5 - 3); state.value = 1 - state.value; true }
        fn outputs(state, params, now) { #{ value: state.value } }"
        .replace('\n', " ");
    let timer = if timer {
        r#"{"id": "t", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "100ms"}},"#
    } else {
        ""
    };
    format!(
        r#"{{"rule_id": "r", {guards} "trigger": {trigger}, "when": "{when}", "conditions": [
        {{"id": "s", "calculator": {{"script": "{switch}"}}, "event": {{"id": ["A", "B"]}}, "met": "value > 0"}},
        {{"id": "p", "calculator": "gap", "steps": [{{"id": ["A", "C"]}}, {{"id": ["B", "C"]}}]}}, {timer}
        {{"id": "v", "calculator": "stats", "params": {{"of": "amt"}}, "event": {{"id": "C"}}, "met": "sum > 2"}},
        {{"id": "n", "calculator": "count", "window": {{"last": "1s"}}, "event": {{"id": "D"}}, "met": "value >= 3"}}
        ]}}"#
    )
}

/// An evaluator and what it has stored.
struct Side {
    evaluator: Evaluator,
    /// Whether the judge folds everything.
    judged: bool,
    stored: Hashes,
}

impl Side {
    fn new(judged: bool, book: Arc<RuleBook>) -> Self {
        let mut side =
            Side { evaluator: Evaluator::new(Catalog::default().book()), judged, stored: BTreeMap::new() };
        side.evaluator.store.weigh();
        side.install(book);
        side
    }

    fn install(&mut self, mut book: Arc<RuleBook>) {
        if self.judged {
            let anew = |plan: &Arc<RulePlan>| Arc::new(RulePlan { verdict: None, ..(**plan).clone() });
            let own = Arc::get_mut(&mut book).unwrap();
            own.rules = own.rules.iter().map(anew).collect();
        }
        self.evaluator.install(Arc::clone(&book));
        let folds = &mut self.evaluator.folds;
        if self.judged {
            *folds = Folds::without_plain(&book);
            folds
                .rules
                .iter_mut()
                .filter(|rule| rule.level != Level::Nothing)
                .for_each(|rule| rule.level = Level::Any);
        }
    }

    /// Checks that what is known of conditions is what is found by asking them, and will be.
    fn check_known(&mut self, now: i64) {
        let Evaluator { store, book, parts, .. } = &mut self.evaluator;
        for id in store.ids().collect::<Vec<_>>() {
            let now = now.max(store.block(id).last_now());
            for (plan, parts) in book.rules.iter().zip(parts.iter()) {
                let Some(verdict) = &plan.verdict else { continue };
                store.with_key(id, |open| {
                    open.copy_of(parts, |state| {
                        let Some((_, known)) = state.judged(plan.edited) else { return };
                        for c in (0..plan.conditions.len()).filter(|c| known.known >> c & 1 == 1) {
                            let question = verdict.question(c).unwrap();
                            for later in [now, now + 30, now + 400, now + 5_000] {
                                let answer = question.answer(&state.part(c, question.shape()), later);
                                assert_eq!(known.met >> c & 1 == 1, answer.met, "{c} at {later}");
                            }
                        }
                    });
                });
            }
        }
    }

    /// Performs a step; returns what can be seen of it and of the state after it.
    fn perform(&mut self, step: &Step<'_>, n: u64, now: i64) -> String {
        let mut out = Emitted::default();
        match step {
            Step::Event(routed) => {
                let record = routed.get(0).unwrap();
                self.evaluator.record(&record, &mut out);
            }
            Step::Clock => drop(self.evaluator.advance(now, 100, &mut out)),
            Step::Sweep => self.evaluator.sweep(5),
            Step::Install(catalog) => self.install(catalog.book()),
        }
        self.check_known(now);
        let (bytes, figures) = (self.evaluator.store.bytes(), self.evaluator.figures(now));
        let next: Vec<_> =
            self.evaluator.store.ids().map(|id| self.evaluator.store.block(id).next_deadline()).collect();
        save(&mut self.evaluator, n, &mut self.stored);
        let (counts, conditions) = (self.evaluator.counts(), self.evaluator.conditions());
        format!("{out:?} {bytes} {figures:?} {next:?} {counts:?} {conditions} {:?}", self.stored)
    }
}

enum Step<'c> {
    Event(Routed),
    Clock,
    Sweep,
    Install(&'c Catalog),
}

/// An event of a user at `time`, read at `now`, as it is routed; `None` if it concerns no rule.
fn routed(book: &Arc<RuleBook>, guid: u64, id: &str, (time, now): (i64, i64)) -> Option<Routed> {
    let amt = if time % 4 == 0 { r#""much""# } else { "1.5" };
    let line = format!(
        r#"{{"guid": {guid}, "event_id": "{id}", "event_time": {time}, "properties": {{"amt": {amt}}}}}"#
    );
    let mut matcher = Matcher::new(Decoder::of_milliseconds(), Arc::clone(book), false);
    let records = vec![RawRecord { offset: Offset(0), start: 0, end: line.len() as u32, time: Some(now) }];
    let mut routed = Routed::default();
    matcher.batch(
        &RawBatch { bytes: line.into_bytes(), records, ..RawBatch::default() },
        &mut routed,
        &mut Vec::new(),
    );
    (routed.len() == 1).then_some(routed)
}

/// The rule as it becomes: paused or resumed, left by user 1, or edited.
fn changed(rule: &Published, kind: u8, documents: &[String; 2], now: i64) -> Published {
    match kind {
        0 => Published { pause: rule.pause.or(Some(now as u64)), ..rule.clone() },
        1 => Published { pause: None, ..rule.clone() },
        2 => {
            let skipped = rule.skipped.iter().copied().chain(rule.pause).collect();
            Published { pause: None, skipped, ..rule.clone() }
        }
        3 => {
            let departed = vec![Departed { at: now, guids: Crowd::new([1].into_iter().collect()) }];
            Published { departed, ..rule.clone() }
        }
        _ => {
            let other = usize::from(*rule.document == *documents[0]);
            Published {
                pause: rule.pause,
                skipped: rule.skipped.clone(),
                ..edited(rule, &documents[other], now)
            }
        }
    }
}

fn guards() -> impl Strategy<Value = String> {
    let one = |text: &'static str| prop_oneof![Just(""), Just(text)];
    (
        one(r#""late": "50ms","#),
        one(r#""ttl": "300ms","#),
        one(r#""limit": {"times": 2, "per": "1s"},"#),
        any::<bool>(),
    )
        .prop_map(|(late, ttl, limit, reset)| format!(r#"{late} {ttl} {limit} "reset": {reset},"#))
}

fn documents() -> impl Strategy<Value = [String; 2]> {
    let trigger = prop_oneof![4 => Just(r#"{"event": {"id": ["T", "D"]}}"#), 3 => Just(r#""satisfied""#), 3 => Just(r#"{"each": "n"}"#)];
    let whens = ["n || s", "n && !v", "p || (v && !n)", "if v { n } else { p }", "n && s.value > 0"];
    let one = (guards(), trigger, prop::sample::select(whens.to_vec()), any::<bool>());
    let one = one.prop_map(|(guards, trigger, when, timer)| document(&guards, trigger, when, timer)).boxed();
    [one.clone(), one]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_folded_without_the_judge_is_as_the_judge_has_it(
        documents in documents(),
        steps in prop::collection::vec((0u8..24, 1u64..3, prop::sample::select(vec![0, 1, 20, 90, 310, 1_000, 8 * DAY]), 0u8..8), 1..60),
    ) {
        let mut catalog = Catalog::default();
        let mut rule = published(&documents[0]);
        let mut book = put(&mut catalog, rule.clone());
        let mut sides = [false, true].map(|judged| Side::new(judged, catalog.book()));
        let mut now = 10;
        for (n, (kind, guid, ahead, choice)) in steps.into_iter().enumerate() {
            // Eight days are a rare step, as nothing but departures outlasts it.
            now += if ahead == 8 * DAY && choice > 0 { 3 } else { ahead };
            let id = ["A", "A", "B", "B", "C", "D", "D", "T"][usize::from(choice)];
            let step = match kind {
                0 => Step::Clock,
                1 => Step::Sweep,
                2 => {
                    rule = changed(&rule, choice, &documents, now);
                    book = put(&mut catalog, rule.clone());
                    Step::Install(&catalog)
                }
                early_or_late => {
                    let time = match early_or_late {
                        3 => (now - 60).max(0),
                        4 => now + 60,
                        _ => now,
                    };
                    let Some(routed) = routed(&book, guid, id, (time, now)) else { continue };
                    Step::Event(routed)
                }
            };
            let [straight, judged] = sides.each_mut().map(|side| side.perform(&step, n as u64 + 1, now));
            prop_assert_eq!(straight, judged);
        }
    }
}
