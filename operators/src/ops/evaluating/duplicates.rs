//! Messages that are sent twice: producers repeat what was not acknowledged in time.
//!
//! A message is recognized by its id, the event's id and the event's time, for each rule and key. What is seen again in
//! time concerns the rule no more: it is not folded, fires nothing, and is no touch. Timers that are due before it run.
//!
//! **Invariants**
//! - A message is remembered by the rules that it concerns alone, with their state of the key: so it is in the same
//!   checkpoint as what it has changed.
//! - Events without the id of a message cost nothing.
//! - Memory is bounded: a rule remembers the last [`MESSAGES`](crate::state::MESSAGES) messages of a key. Of more within
//!   the time, the oldest would count again.

use smallvec::SmallVec;

use super::{applying::Application, changing::change};
use crate::state::{OpenKey, RuleState};

/// Rules of a record's targets; few records have more.
type Rules = SmallVec<[usize; 8]>;

impl Application<'_> {
    /// Takes out of `targets`, positions in the order of the folds, those of rules that have seen `message` in the last
    /// `within` ms. Returns the instant of the key's next timer, as far as that has changed, unix ms.
    #[cold]
    pub(super) fn drop_seen(
        &mut self,
        open: &mut OpenKey<'_>,
        (message, within): (u64, i64),
        targets: &mut Vec<u32>,
    ) -> i64 {
        let since = self.event.now.saturating_sub(within);
        let mut seen = Rules::new();
        let soonest = self.with_each(open, targets, |rule, state| {
            if state.has_seen(message, since) {
                seen.push(rule);
            }
        });
        self.counts.duplicates += seen.len() as u64;
        targets.retain(|target| self.rule_of(*target).is_none_or(|rule| !seen.contains(&rule)));
        soonest
    }

    /// Remembers `message` for the rules of `targets`. Returns the instant of the key's next timer, unix ms.
    #[cold]
    pub(super) fn remember(
        &mut self,
        open: &mut OpenKey<'_>,
        (message, within): (u64, i64),
        targets: &[u32],
    ) -> i64 {
        let now = self.event.now;
        open.put_in();
        self.with_each(open, targets, |rule, mut state| {
            state.see(message, now, now.saturating_sub(within));
            // The touch may have been dropped with a state that was as new.
            state.touch(&self.book.rules[rule], now);
        })
    }

    /// Calls `with` for each rule of `targets` that the event concerns, with its state of the key.
    fn with_each(
        &self,
        open: &mut OpenKey<'_>,
        targets: &[u32],
        mut with: impl FnMut(usize, RuleState<'_>),
    ) -> i64 {
        let mut soonest = i64::MAX;
        for rule in self.concerned(targets) {
            let (plan, parts) = (&self.book.rules[rule], &self.parts[rule]);
            soonest = soonest.min(change(open, plan, parts, self.event.now, |_, state| with(rule, state)));
            open.put_in();
        }
        soonest
    }

    /// Rules that the event concerns, each once.
    fn concerned(&self, targets: &[u32]) -> Rules {
        let mut rules: Rules = targets.iter().filter_map(|target| self.rule_of(*target)).collect();
        rules.sort_unstable();
        rules.dedup();
        let (time, now) = (self.event.time, self.event.now);
        rules.retain(|rule| {
            let guards = &self.folds.rules[*rule].guards;
            guards.active(now) && !guards.is_late(time, now)
        });
        rules
    }

    fn rule_of(&self, target: u32) -> Option<usize> {
        Some(self.folds.targets.get(target as usize)?.target.rule())
    }
}
