//! Verdict: a rule's `when` as a truth table over which of its conditions are met.
//!
//! Made for rules of few conditions whose `when` names nothing but conditions, and whose `met` each compare a
//! field with a literal; so no answer can fail, and no one can tell which conditions were asked. A condition
//! is asked only if `when` still depends on it, given what is known of the others.
//!
//! **Invariants**
//! - The table has a bit for each combination of conditions that are met: bit n for those whose bits in n are
//!   set. Conditions that `when` does not name make no difference to it.
//! - An answer that [lasts](Answer::lasts) is that of any later instant, until the condition's fields are
//!   changed. Answers about windows that move with `now` do not, except one: a count below its threshold
//!   stays below it while nothing is counted, as long as no event ahead of `now` has been.

use std::sync::Arc;

use super::{
    met::When,
    plan::{ConditionPlan, WindowPlan},
};
use crate::{
    calculator::{Direct, Fields, Shape},
    expression::{Operand, Threshold},
};

/// Most conditions of a rule that has a verdict.
pub const CONDITIONS: usize = 6;

/// Combinations in which each condition is met.
const MET: [u64; CONDITIONS] = [
    0xaaaa_aaaa_aaaa_aaaa,
    0xcccc_cccc_cccc_cccc,
    0xf0f0_f0f0_f0f0_f0f0,
    0xff00_ff00_ff00_ff00,
    0xffff_0000_ffff_0000,
    0xffff_ffff_0000_0000,
];

/// A truth table over at most [`CONDITIONS`] conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Table(u64);

impl Table {
    /// The table of an expression that `holds` for combinations of conditions that are met; `None` if it has
    /// no answer for one.
    fn new(holds: impl Fn(u64) -> Option<bool>) -> Option<Table> {
        let mut table = 0;
        for combination in 0..1 << CONDITIONS {
            table |= u64::from(holds(combination)?) << combination;
        }
        Some(Table(table))
    }

    /// What is left of the table once it is known whether a condition is met.
    #[inline]
    fn given(self, condition: usize, met: bool) -> Table {
        let (own, shift) = (MET[condition % CONDITIONS], 1 << (condition % CONDITIONS));
        Table(match met {
            true => self.0 & own | (self.0 & own) >> shift,
            false => self.0 & !own | (self.0 & !own) << shift,
        })
    }

    /// Whether the expression holds, if nothing else needs to be known for that.
    #[inline]
    fn answer(self) -> Option<bool> {
        match self.0 {
            0 => Some(false),
            u64::MAX => Some(true),
            _ => None,
        }
    }

    /// Whether the expression depends on a condition.
    #[inline]
    fn depends_on(self, condition: usize) -> bool {
        (self.0 >> (1 << condition) ^ self.0) & !MET[condition] != 0
    }

    /// First condition that the expression depends on.
    #[inline]
    fn first(self) -> Option<usize> {
        (0..CONDITIONS).find(|condition| self.depends_on(*condition))
    }
}

/// A rule's `when` as a table, with what it asks of the conditions.
#[derive(Clone, Debug)]
pub struct Verdict {
    table: Table,
    /// Per condition of the rule; `None` if `when` does not name it.
    questions: Arc<[Option<Question>]>,
}

/// Question whether a condition is met.
#[derive(Clone, Debug)]
pub struct Question {
    direct: Direct,
    threshold: Threshold,
    shape: Arc<Shape>,
    lasts: Lasts,
}

/// Which answers about a condition last until its fields are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    /// All.
    All,
    /// Those that a count is below the threshold, as it falls until it is counted again.
    Below,
    /// None.
    None,
}

/// Whether a condition is met at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it is met.
    pub met: bool,
    /// Whether that lasts until its fields are changed.
    pub lasts: bool,
}

/// Conditions of a rule, by their positions, of which it is known whether they are met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Those of which it is known.
    pub known: u8,
    /// Those among them that are met.
    pub met: u8,
}

impl Known {
    /// Records whether a condition is met.
    #[inline]
    pub fn set(&mut self, condition: usize, met: bool) {
        let bit = 1 << (condition % CONDITIONS);
        self.known |= bit;
        self.met = if met { self.met | bit } else { self.met & !bit };
    }

    /// Forgets about a condition.
    #[inline]
    pub fn forget(&mut self, condition: usize) {
        let bit = 1 << (condition % CONDITIONS);
        self.known &= !bit;
        self.met &= !bit;
    }

    /// Conditions of which it is known, and whether each is met.
    #[inline]
    fn iter(self) -> impl Iterator<Item = (usize, bool)> {
        let mut left = self.known;
        std::iter::from_fn(move || {
            let condition = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some((condition, self.met >> condition & 1 == 1))
        })
    }
}

/// What is known of the conditions at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers {
    /// At the instant.
    now: Known,
    /// From the instant on, until a condition is changed.
    pub lasting: Known,
}

impl Answers {
    /// What was known before the instant, and lasts.
    pub fn of(lasting: Known) -> Self {
        Answers { now: lasting, lasting }
    }

    /// Records an answer about a condition, in place of the one that is known.
    #[inline]
    pub fn set(&mut self, condition: usize, answer: Answer) {
        self.now.set(condition, answer.met);
        match answer.lasts {
            true => self.lasting.set(condition, answer.met),
            false => self.lasting.forget(condition),
        }
    }
}

impl Verdict {
    /// The verdict of a rule with these conditions; `builtin` says of each whether its calculator is built in,
    /// so that its script stays as it is. `None` if the rule has too many conditions, `when` names an output,
    /// or a condition that it names does not compare a field with a literal.
    pub fn new(conditions: &[ConditionPlan], when: Option<&When>, builtin: &[bool]) -> Option<Verdict> {
        if conditions.len() > CONDITIONS {
            return None;
        }
        let all = (1 << conditions.len()) - 1;
        let table = match when {
            None => Table::new(|met| Some(met & all == all))?,
            Some(when) if when.slots.iter().any(|(_, output)| output.is_some()) => return None,
            Some(When { expression, slots }) => {
                let met = |met: u64, slot: usize| Operand::Bool(met >> slots[slot].0 & 1 == 1);
                Table::new(|combination| expression.holds(&mut |slot| met(combination, slot)).ok())?
            }
        };
        let named = |c: usize| when.is_none_or(|when| when.slots.iter().any(|(own, _)| *own == c));
        let mut questions = Vec::new();
        for (c, condition) in conditions.iter().enumerate() {
            questions.push(match named(c) {
                true => Some(Question::new(condition, builtin.get(c) == Some(&true))?),
                false => None,
            });
        }
        Some(Verdict { table, questions: questions.into() })
    }

    /// The question about a condition; `None` if `when` never asks.
    #[inline]
    pub fn question(&self, condition: usize) -> Option<&Question> {
        self.questions.get(condition)?.as_ref()
    }

    /// Whether `when` holds. `answers` are those of this instant; what they leave open is asked by `ask`, and
    /// added to them.
    #[inline]
    pub fn holds(&self, answers: &mut Answers, mut ask: impl FnMut(usize, &Question) -> Answer) -> bool {
        let mut table = answers.now.iter().fold(self.table, |table, (c, met)| table.given(c, met));
        loop {
            if let Some(holds) = table.answer() {
                return holds;
            }
            let Some(condition) = table.first() else { return false };
            let Some(question) = self.question(condition) else { return false };
            let answer = ask(condition, question);
            answers.set(condition, answer);
            table = table.given(condition, answer.met);
        }
    }
}

impl Question {
    fn new(condition: &ConditionPlan, builtin: bool) -> Option<Question> {
        let (direct, threshold) = condition.met.as_ref()?.threshold.clone()?;
        let lasts = match (condition.window, direct) {
            _ if !builtin => Lasts::None,
            (WindowPlan::Since(_) | WindowPlan::Fixed { .. }, _) => Lasts::All,
            (WindowPlan::Sliding(_) | WindowPlan::Calendar(_), Direct::At(_)) if threshold.is_least() => {
                Lasts::Below
            }
            (WindowPlan::Sliding(_) | WindowPlan::Calendar(_), _) => Lasts::None,
        };
        Some(Question { direct, threshold, shape: Arc::clone(condition.program.shape()), lasts })
    }

    /// Kinds and first values of the condition's fields.
    #[inline]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether a condition with these fields is met at `now`, unix ms.
    #[inline]
    pub fn answer(&self, fields: &Fields<'_>, now: i64) -> Answer {
        if let (Lasts::Below, Direct::At(slot)) = (self.lasts, self.direct)
            && let Some(count) = fields.sliding(slot, now)
        {
            let holds = |count| self.threshold.holds(&Operand::Int(count));
            return Answer { met: holds(count.inside), lasts: !holds(count.inside + count.ahead) };
        }
        let met = self.threshold.holds(&self.direct.value(fields, now));
        Answer { met, lasts: self.lasts == Lasts::All }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
