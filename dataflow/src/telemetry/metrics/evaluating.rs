//! Metrics of `evaluate`: folding, firing, barred firings, and state.

use std::fmt;

use super::{
    super::{
        board::ClusterStatus,
        page::{Metric, Page, bytes, plain},
    },
    each,
};

const FOLDED: Metric = plain("folded", "Calls that folded an event into a condition's state");
const NOT_FOLDED: Metric = plain("not_folded", "Values that a calculator could not take");
const TIMERS: Metric = plain("timers", "Timers that ran out");
const SEALED: Metric = plain("sealed", "Firings suppressed because the rule was not live yet, or paused");
const LIMITED: Metric = plain("limited", "Firings suppressed by a rule's limit");
const LATE: Metric = plain("late", "Events ignored because they are older than a rule's `late` allows");
const DUPLICATES: Metric =
    plain("duplicates", "Events ignored by a rule because their message was there before, per rule");
const FAILED: Metric = plain("failed_calls", "Calls and expressions of rules that failed");
const KEYS: Metric = plain("keys", "Keys remembered");
const WAITING: Metric = bytes("waiting", "Routed records that wait to be evaluated");
const STATE: Metric = bytes("state", "Approximate size of keys and states in memory; 0 without a bound");
const EVICTED: Metric = plain("evicted_keys", "Keys that are in the store and not in memory");
const RELOADS: Metric = plain("reloads", "Keys read back into memory");
const RELOAD_WAITING: Metric = plain("reload_waiting", "Records that wait for their keys to be read back");
const SPLIT: Metric = plain(
    "split_keys",
    "Keys found in more than one partition, so that their events have no exact order; not expected for keys of a user or device",
);
const BOOK: Metric = plain("rule_book_generation", "Generation of the rule book in force");
const RESTORED: Metric = plain("restored_states", "States restored from the checkpoint that was resumed");
const UNREADABLE: Metric = plain("unreadable_states", "Stored states that could not be read");
const RESTORING: Metric = plain("restoring", "1 while stored state is being restored");

pub(super) fn write(page: &mut Page<'_>, status: &ClusterStatus) -> fmt::Result {
    page.counter(FOLDED, each(status, |n| n.folded))?;
    page.counter(NOT_FOLDED, each(status, |n| n.not_folded))?;
    page.counter(TIMERS, each(status, |n| n.timers))?;
    page.counter(SEALED, each(status, |n| n.sealed))?;
    page.counter(LIMITED, each(status, |n| n.limited))?;
    page.counter(LATE, each(status, |n| n.late))?;
    page.counter(DUPLICATES, each(status, |n| n.duplicates))?;
    page.counter(FAILED, each(status, |n| n.failed))?;
    page.gauge(KEYS, each(status, |n| n.keys))?;
    page.gauge(WAITING, each(status, |n| n.waiting_bytes))?;
    page.gauge(STATE, each(status, |n| n.state_bytes))?;
    page.gauge(EVICTED, each(status, |n| n.evicted_keys))?;
    page.counter(RELOADS, each(status, |n| n.reloads))?;
    page.gauge(RELOAD_WAITING, each(status, |n| n.reload_waiting))?;
    let split =
        status.processes.iter().flat_map(|(number, latest)| {
            latest.numbers.split_keys.iter().map(|(key_by, keys)| {
                (vec![("process", number.to_string()), ("key_by", key_by.clone())], *keys)
            })
        });
    page.counter(SPLIT, split)?;
    page.gauge(BOOK, each(status, |n| n.generation.0))?;
    page.gauge(RESTORED, each(status, |n| n.restored))?;
    page.gauge(UNREADABLE, each(status, |n| n.unreadable))?;
    page.gauge(RESTORING, each(status, |n| u64::from(n.restoring)))
}
