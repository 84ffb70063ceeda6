//! The plan of a rule: names resolved, scripts and filters compiled, instants computed.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    action::Action,
    crowd::Departed,
    guards::Guards,
    identity::Identities,
    limit::LimitPlan,
    met::{Met, OutputPlan, When},
    trigger_line::LineTexts,
    verdict::Verdict,
};
use crate::{
    calculator::{
        Program,
        aggregate::{Cut, Sliding},
    },
    document::spec::{Already, Rule},
    filter::Filter,
    model::{calendar::Calendar, field::Field, key::KeyFields},
};

/// A compiled rule. Field positions refer to the catalog's `Fields`.
#[derive(Clone, Debug)]
pub struct RulePlan {
    /// The document.
    pub spec: Arc<Rule>,
    /// Version of the rule, from 1.
    pub version: u64,
    /// Number of the rule in the catalog, the same for all its versions.
    pub slot: u32,
    /// Instant at which the rule was first published, unix ms; the same for all its versions.
    pub first_published: i64,
    /// Instant at which it first goes live, unix ms: that of its publish, or `active.from` if that is later.
    pub publish: i64,
    /// Version at which the document last changed, see [`Lineage`](super::lineage::Lineage).
    pub edited: u64,
    /// Number of the current pause. A paused rule continues to fold and fires nothing.
    pub pause: Option<u64>,
    /// Pauses whose events do not count: state continues as it was when they began.
    pub skipped: BTreeSet<u64>,
    /// People who left the crowd.
    pub departed: Vec<Departed>,
    /// Whether the rule has state besides that of its conditions: left by a firing, an edge, a timer, a pause
    /// or `ttl`, or the times at which people were last seen, if some have left. Once a version has it for
    /// another reason than a pause, all later ones do.
    pub rule_level: bool,
    /// Instant since which states record when they are touched, unix ms: a state that was not touched since
    /// counts as touched then. `i64::MIN`: since the states began, or unknown. `None` while the rule has no
    /// rule-level state, or only for a pause.
    pub level_since: Option<i64>,
    /// `key_by`, as triggers show it.
    pub key: KeyFields,
    /// The conditions, in their order.
    pub conditions: Vec<ConditionPlan>,
    /// `when`; `None`: all conditions met.
    pub when: Option<When>,
    /// `when` as a table, if it asks nothing but which conditions are met, and no answer can fail.
    pub verdict: Option<Verdict>,
    /// The cause of its triggers.
    pub trigger: TriggerPlan,
    /// Its limit.
    pub limit: Option<LimitPlan>,
    /// Content of its triggers.
    pub action: Action,
    /// The properties its action reads.
    pub action_fields: Vec<Field>,
    /// Constant parts of its trigger lines.
    pub line_texts: Arc<LineTexts>,
    /// Whether any output changes by time alone.
    pub slides: bool,
    /// Identities by which state of this version is distinguished from that of others.
    pub identities: Arc<Identities>,
}

/// A compiled condition.
#[derive(Clone, Debug)]
pub struct ConditionPlan {
    /// Its id.
    pub id: String,
    /// Program of its calculator.
    pub program: Arc<Program>,
    /// Fields that the calculator reads, in the order of its inputs.
    pub inputs: Vec<Field>,
    /// Filter of its event, or filters of its steps.
    pub filters: Vec<Filter>,
    /// How a list is folded.
    pub lists: Lists,
    /// Whether the condition has steps.
    pub steps: bool,
    /// Window of time that counts.
    pub window: WindowPlan,
    /// Expression for when it is met; `None` if `when` never asks.
    pub met: Option<Met>,
    /// Hash of everything that determines how it folds.
    pub hash: u128,
}

/// How a calculator folds a property that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lists {
    /// Each element by itself.
    Each,
    /// The list as it is, as the text of its JSON.
    Whole,
    /// As if the property were absent.
    Absent,
}

/// A window with its instants computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowPlan {
    /// Everything that comes in from this instant on, the rule's publish: `now >= publish`.
    Since(i64),
    /// `from <= event_time < until`.
    Fixed {
        /// First instant inside.
        from: i64,
        /// First instant outside.
        until: i64,
    },
    /// `event_time > now - span`.
    Sliding(Sliding),
    /// The period in which `now` lies.
    Calendar(Calendar),
}

impl WindowPlan {
    /// How it cuts time, if it moves with `now`.
    pub fn cut(self) -> Option<Cut> {
        match self {
            WindowPlan::Sliding(sliding) => Some(Cut::Sliding(sliding)),
            WindowPlan::Calendar(calendar) => Some(Cut::Calendar(calendar)),
            WindowPlan::Since(_) | WindowPlan::Fixed { .. } => None,
        }
    }

    /// Whether an event of `time` that comes in at `now` folds; `steps` is whether the condition has steps.
    #[inline(always)]
    pub fn folds(self, time: i64, now: i64, steps: bool) -> bool {
        match self {
            WindowPlan::Since(publish) => now >= publish,
            WindowPlan::Fixed { from, until } => time >= from && time < until,
            WindowPlan::Sliding(sliding) => steps || time >= sliding.since(now),
            WindowPlan::Calendar(calendar) => steps || time >= calendar.start(now),
        }
    }

    /// Whether a timer with that deadline counts. The event that set it has folded.
    pub fn counts(self, deadline: i64) -> bool {
        match self {
            WindowPlan::Fixed { from, until } => deadline >= from && deadline < until,
            WindowPlan::Since(_) | WindowPlan::Sliding(_) | WindowPlan::Calendar(_) => true,
        }
    }
}

/// The cause of a rule's triggers.
#[derive(Clone, Debug)]
pub enum TriggerPlan {
    /// A matching event.
    Event(Filter),
    /// `when` turning true.
    Satisfied,
    /// A condition completing once more.
    Each {
        /// Its position.
        condition: usize,
        /// Its output that counts completions.
        value: OutputPlan,
    },
}

impl RulePlan {
    /// The same plan with other field positions: `positions` gives the new one of each field.
    #[must_use]
    pub fn renumbered(&self, positions: &[Field]) -> RulePlan {
        let at = |field: &Field| positions[field.index()];
        let condition = |c: &ConditionPlan| ConditionPlan {
            inputs: c.inputs.iter().map(at).collect(),
            filters: c.filters.iter().map(|f| f.renumbered(positions)).collect(),
            ..c.clone()
        };
        let trigger = match &self.trigger {
            TriggerPlan::Event(filter) => TriggerPlan::Event(filter.renumbered(positions)),
            other => other.clone(),
        };
        let mut action_fields: Vec<Field> = self.action_fields.iter().map(at).collect();
        action_fields.sort_unstable();
        RulePlan {
            key: KeyFields { fields: self.key.fields.iter().map(at).collect(), network: self.key.network },
            conditions: self.conditions.iter().map(condition).collect(),
            trigger,
            action: self.action.renumbered(positions),
            action_fields,
            ..self.clone()
        }
    }

    /// The rule's id.
    pub fn id(&self) -> &str {
        &self.spec.rule_id
    }

    /// Whether keys that satisfy `when` at publish fire at that instant.
    pub fn fires_at_publish(&self) -> bool {
        matches!(self.trigger, TriggerPlan::Satisfied) && self.spec.already == Already::Fire
    }

    /// Whether the rule is active at `now`. For history (`now` before publish) only the end of the period
    /// counts.
    pub fn active(&self, now: i64) -> bool {
        Guards::new(self).active(now)
    }

    /// Whether firing is barred at `now`: the rule is paused, or `now` lies before publish.
    pub fn sealed(&self, now: i64) -> bool {
        self.pause.is_some() || now < self.publish
    }

    /// Whether the document asks for state besides that of its conditions.
    pub(super) fn makes_rule_level(&self) -> bool {
        self.spec.limit.is_some()
            || self.spec.ttl.is_some()
            || !matches!(self.trigger, TriggerPlan::Event(_))
            || self.conditions.iter().any(|c| c.program.timer().is_some())
    }

    /// `key_by` as JSON.
    pub fn key_text(&self) -> String {
        // Field names always serialize.
        serde_json::to_string(&self.spec.key_by).unwrap_or_default()
    }

    /// Position of the user among the key's fields.
    pub fn guid_in_key(&self) -> Option<usize> {
        self.key.fields.iter().position(|f| *f == Field::GUID)
    }
}
