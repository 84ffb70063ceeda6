//! Timers of keys in memory, run by the ingest clock or ahead of a key's next event.

use std::sync::Arc;

use super::{
    super::{
        emitted::Emitted,
        judge::{Judge, Workings},
    },
    Evaluator,
    changing::change,
};
use crate::{rule::book::RuleBook, state::KeyId};

impl Evaluator {
    /// Advances the ingest clock to `clock` (unix ms) and runs the timers with deadlines below it, at most
    /// `most`. Returns false if some are left: then call again with the same clock.
    pub fn advance(&mut self, clock: i64, most: u64, out: &mut Emitted) -> bool {
        self.clock = self.clock.max(clock);
        let book = Arc::clone(&self.book);
        let mut run = 0;
        while let Some((deadline, id)) = self.store.due(clock) {
            if run == most {
                return false;
            }
            run += 1;
            // If the key's own timer is later by now, it is filed anew and runs when it is due.
            self.run_next(&book, id, deadline + 1, out);
        }
        true
    }

    /// Runs the timers of a reloaded key that the clock has passed.
    pub fn catch_up(&mut self, id: KeyId, out: &mut Emitted) {
        if self.store.block(id).next_deadline() < self.clock {
            self.run_key(id, self.clock, out);
        }
    }

    /// Runs the timers of a key with deadlines below `now`, earliest first.
    pub(super) fn run_key(&mut self, id: KeyId, now: i64, out: &mut Emitted) {
        let book = Arc::clone(&self.book);
        while self.run_next(&book, id, now, out) {}
    }

    /// Runs the earliest timer of a key if its deadline lies below `now`, else files it. Returns whether one
    /// was run.
    fn run_next(&mut self, book: &RuleBook, id: KeyId, now: i64, out: &mut Emitted) -> bool {
        let Evaluator { store, parts, scratch, .. } = self;
        let next = store.with_key(id, |open| {
            scratch.rules.clear();
            open.rules_with_timers(&mut scratch.rules);
            let all = scratch.rules.iter().map(|rule| *rule as usize);
            all.map(|rule| (open.rule(&parts[rule]).next_deadline(&book.rules[rule]), rule)).min()
        });
        match next {
            Some((deadline, rule)) if deadline < now => {
                self.run_rule(book, rule, id, deadline, out);
                true
            }
            next => {
                self.store.file(id, next.map_or(i64::MAX, |(deadline, _)| deadline));
                false
            }
        }
    }

    /// Runs the next timer of one rule and key, if it is due at `deadline`.
    fn run_rule(&mut self, book: &RuleBook, rule: usize, id: KeyId, deadline: i64, out: &mut Emitted) {
        let plan = &*book.rules[rule];
        let Evaluator { store, unsaved, parts, runners, counts, .. } = self;
        let runners = &mut runners[rule];
        let soonest = store.with_key(id, |open| {
            change(open, plan, &parts[rule], deadline, |key, mut state| {
                if plan.rule_level {
                    state.mark_rule_level();
                }
                state.paused(|copy| {
                    Judge::new(plan, key, copy.lent(), Workings { runners, counts, out })
                        .skip_timer(deadline);
                });
                Judge::new(plan, key, state, Workings { runners, counts, out }).timer(deadline);
            })
        });
        unsaved.changed(id, store.block_mut(id));
        store.file_sooner(id, soonest);
    }
}
