//! Pauses of a rule, numbered from 1 while it is in force.

use std::collections::BTreeSet;

use crate::{
    document::lifecycle::{Gap, Status},
    rule::remembered::Remembered,
};

/// The pauses of a rule.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pauses {
    /// Number of the current pause.
    pub(super) current: Option<u64>,
    /// Number of pauses so far, the current one included.
    pub(super) count: u64,
    /// Pauses whose events do not count.
    pub(super) skipped: BTreeSet<u64>,
}

impl Pauses {
    /// The pauses of a rule in force.
    pub(super) fn of(rule: &Remembered) -> Self {
        let published = &rule.published;
        Pauses { current: published.pause, count: rule.pauses, skipped: published.skipped.clone() }
    }

    /// Pauses of the rule under that status; `gap` decides whether a pause that ends counts.
    pub(super) fn under(mut self, status: Status, gap: Gap) -> Self {
        match (self.current, status == Status::Paused) {
            (None, true) => {
                self.count += 1;
                self.current = Some(self.count);
            }
            (Some(pause), false) => {
                self.skipped.extend((gap == Gap::Skip).then_some(pause));
                self.current = None;
            }
            (Some(_), true) | (None, false) => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_has_its_number_and_is_skipped_or_not_when_it_ends() {
        let first = Pauses::default().under(Status::Paused, Gap::Skip);
        assert_eq!(first, Pauses { current: Some(1), count: 1, skipped: BTreeSet::new() });
        let still = first.under(Status::Paused, Gap::Replay);
        assert_eq!(still.current, Some(1), "paused already");
        let online = still.under(Status::Online, Gap::Skip).under(Status::Online, Gap::Replay);
        assert_eq!(online, Pauses { current: None, count: 1, skipped: [1].into() });
        let second = online.under(Status::Paused, Gap::Replay).under(Status::Online, Gap::Replay);
        assert_eq!(second, Pauses { current: None, count: 2, skipped: [1].into() });
    }
}
