//! Guards: the instants and spans by which an event concerns a rule, and by which a key's state lasts.

use super::plan::RulePlan;

/// Guards of a rule, apart from its plan, since they are asked for each rule that an event concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Instant of publish, unix ms.
    publish: i64,
    /// First instant at which the rule is active, unix ms; before publish it does not count.
    from: i64,
    /// First instant at which the rule is no longer active, unix ms.
    until: Option<i64>,
    /// Upper bound of the time by which an event may lie behind `now`, ms.
    late: i64,
    /// Upper bound of the time between two touches of a state, ms.
    ttl: i64,
}

impl Guards {
    /// The guards of a rule.
    pub fn new(plan: &RulePlan) -> Self {
        let spec = &plan.spec;
        Guards {
            publish: plan.publish,
            from: spec.active.from.map_or(i64::MIN, |from| from.0),
            until: spec.active.until.map(|until| until.0),
            late: spec.late.map_or(i64::MAX, |late| late.0),
            ttl: spec.ttl.map_or(i64::MAX, |ttl| ttl.0),
        }
    }

    /// Whether every event concerns the rule, whenever it comes.
    pub fn admit_all(&self) -> bool {
        self.from == i64::MIN && self.until.is_none() && self.late == i64::MAX
    }

    /// Whether the rule is active at `now`. For history (`now` before publish) only the end of the period
    /// counts.
    #[inline]
    pub fn active(&self, now: i64) -> bool {
        (now < self.publish || now >= self.from) && self.until.is_none_or(|until| now < until)
    }

    /// Whether an event at `time` comes too late at `now`.
    #[inline]
    pub fn is_late(&self, time: i64, now: i64) -> bool {
        now.saturating_sub(time) > self.late
    }

    /// Whether a state last touched at `touched` is idle beyond `ttl` at `now`; one of which that is unknown
    /// (`i64::MIN`) is not.
    #[inline]
    pub fn is_idle(&self, touched: i64, now: i64) -> bool {
        touched > i64::MIN && now.saturating_sub(touched) > self.ttl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Guards = Guards { publish: 0, from: i64::MIN, until: None, late: i64::MAX, ttl: i64::MAX };

    #[test]
    fn a_period_begins_with_its_first_instant_and_ends_before_its_last() {
        let guards = Guards { publish: 10, from: 20, until: Some(30), ..OPEN };
        let active = [9, 10, 19, 20, 29, 30].map(|now| guards.active(now));
        assert_eq!(active, [true, false, false, true, true, false], "history counts, up to the end");
        assert!(!Guards { until: Some(5), ..guards }.active(5));
        assert!([i64::MIN, 0, i64::MAX].into_iter().all(|now| OPEN.active(now)));
    }

    #[test]
    fn guards_without_bounds_admit_all() {
        assert!(OPEN.admit_all() && Guards { publish: 10, ttl: 5, ..OPEN }.admit_all());
        let bounded =
            [Guards { from: 0, ..OPEN }, Guards { until: Some(9), ..OPEN }, Guards { late: 5, ..OPEN }];
        assert!(!bounded.iter().any(Guards::admit_all));
    }

    #[test]
    fn what_lies_at_a_bound_is_within() {
        let guards = Guards { late: 100, ttl: 50, ..OPEN };
        assert_eq!([0, 100, 101].map(|now| guards.is_late(0, now)), [false, false, true]);
        assert_eq!([0, 50, 51].map(|now| guards.is_idle(0, now)), [false, false, true]);
        assert!(!guards.is_idle(i64::MIN, i64::MAX), "nobody knows when it was touched");
        assert!(!OPEN.is_late(i64::MIN, i64::MAX) && !OPEN.is_idle(0, i64::MAX));
    }
}
