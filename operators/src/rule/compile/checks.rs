//! Checks of a document that need no other part of the plan.

use std::collections::BTreeSet;

use super::{Compiler, join};
use crate::{
    document::{
        condition_id::is_condition_id,
        rule_id::is_rule_id,
        spec::{self, Rule},
    },
    filter::profile,
    rule::crowd::Crowd,
};

/// Most conditions of a rule.
const MAX_CONDITIONS: usize = 32;

impl Compiler<'_> {
    /// Checks the ids of the rule and its conditions.
    pub(super) fn ids(&mut self, spec: &Rule) {
        if !is_rule_id(&spec.rule_id) {
            self.fault(
                "rule_id",
                format!(
                    "`{}` is not a rule id; write 1 to 64 of a-z 0-9 _ -, beginning with a letter or digit",
                    spec.rule_id
                ),
            );
        }
        if spec.conditions.len() > MAX_CONDITIONS {
            self.fault(
                "conditions",
                format!(
                    "{} conditions are too many; a rule has {MAX_CONDITIONS} at most",
                    spec.conditions.len()
                ),
            );
        }
        let mut seen = BTreeSet::new();
        for (i, condition) in spec.conditions.iter().enumerate() {
            let path = format!("conditions[{i}].id");
            if !is_condition_id(&condition.id) {
                self.fault(path, format!("`{}` is not a condition id; write 1 to 32 of a-z 0-9 _, beginning with a letter, and no keyword", condition.id));
            } else if !seen.insert(&condition.id) {
                self.fault(
                    path,
                    format!("`{}` is used twice; give every condition an id of its own", condition.id),
                );
            }
        }
    }

    /// Checks the ranges of `holdout`, `limit` and `active`.
    pub(super) fn numbers(&mut self, spec: &Rule) {
        if !(0.0..=1.0).contains(&spec.holdout) {
            self.fault("holdout", format!("{} is not a share; write a number from 0 to 1", spec.holdout));
        }
        if let Some(limit) = &spec.limit
            && !(1..=1000).contains(&limit.times)
        {
            self.fault("limit.times", format!("{} is out of range; write 1 to 1000", limit.times));
        }
        if let (Some(from), Some(until)) = (spec.active.from, spec.active.until)
            && from >= until
        {
            self.fault("active", "`until` must lie after `from`");
        }
    }

    /// Checks the bitmap or the query of a crowd.
    pub(super) fn crowd(&mut self, crowd: Option<&spec::Crowd>) {
        match crowd {
            Some(spec::Crowd::Bitmap(text)) => {
                if let Err(error) = Crowd::from_base64(text) {
                    self.fault("crowd.bitmap", error.to_string());
                }
            }
            Some(spec::Crowd::Profile(query)) => {
                if let Err(fault) = profile::check(query) {
                    self.fault(join("crowd.profile", &fault.path), fault.message);
                }
            }
            Some(spec::Crowd::Guids(_)) | None => {}
        }
    }
}
