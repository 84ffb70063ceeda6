//! Weight: approximate memory of keys and states.
//!
//! The sizes of their parts, and the overhead of the allocator.

use std::mem::size_of;

use super::{Armed, KeyBlock, RuleState, rule_level::RuleLevel};
use crate::{
    calculator::{
        Cell,
        aggregate::{Aggregate, Buckets, Distinct, Top},
    },
    model::{field::Field, value::Value},
};

/// Overhead of an allocation, bytes.
const ALLOCATION: usize = 16;
/// Bytes of a key's entry in the table of keys.
const PLACE: usize = 8;

/// Bytes of a key without its states.
pub(super) fn of_key(key: &str) -> usize {
    size_of::<KeyBlock>() + PLACE + key.len() + ALLOCATION
}

/// Bytes of a key's state for one rule.
pub(super) fn of_state(state: &RuleState) -> u32 {
    u32::try_from(size_of::<RuleState>() + ALLOCATION + behind(state)).unwrap_or(u32::MAX)
}

/// Bytes on the heap that a state points to.
fn behind(state: &RuleState) -> usize {
    let cells: usize = state.cells.iter().map(|cell| size_of::<Cell>() + of_cell(cell)).sum();
    ALLOCATION + cells + state.level.as_deref().map_or(0, of_level)
}

fn of_cell(cell: &Cell) -> usize {
    match cell {
        Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) => 0,
        Cell::Text(text) => ALLOCATION + text.len(),
        Cell::Aggregate(aggregate) => ALLOCATION + size_of::<Aggregate>() + of_aggregate(aggregate),
    }
}

fn of_aggregate(aggregate: &Aggregate) -> usize {
    match aggregate {
        Aggregate::Count(buckets) => of_buckets(buckets, |_| 0),
        Aggregate::Stats(_) | Aggregate::Latest(_) => 0,
        Aggregate::WindowStats(buckets) => of_buckets(buckets, |_| 0),
        Aggregate::Top(top) => of_top(top),
        Aggregate::WindowTop(_, buckets) => of_buckets(buckets, of_top),
        Aggregate::Distinct(distinct) => of_distinct(distinct),
        Aggregate::WindowDistinct(buckets) => of_buckets(buckets, of_distinct),
    }
}

fn of_buckets<A>(buckets: &Buckets<A>, figure: impl Fn(&A) -> usize) -> usize {
    let rows = buckets.rows();
    ALLOCATION + rows.iter().map(|(_, a)| size_of::<(i64, A)>() + figure(a)).sum::<usize>()
}

fn of_top(top: &Top) -> usize {
    ALLOCATION + size_of_val(top.numbers())
}

fn of_distinct(distinct: &Distinct) -> usize {
    ALLOCATION
        + match distinct {
            Distinct::Exact(hashes) => size_of_val(&hashes[..]),
            Distinct::Sketch(registers) => registers.len(),
        }
}

fn of_level(level: &RuleLevel) -> usize {
    let copy = level.paused_copy.as_deref();
    ALLOCATION
        + size_of::<RuleLevel>()
        + level.firings.len() * size_of::<i64>()
        + level.armed.iter().map(of_armed).sum::<usize>()
        + copy.map_or(0, |copy| ALLOCATION + size_of::<RuleState>() + behind(&copy.state))
}

fn of_armed(armed: &Armed) -> usize {
    let text = |(_, value): &(Field, Value<'_>)| match value {
        Value::Text(text) => ALLOCATION + text.len(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
    };
    size_of::<Armed>()
        + 2 * ALLOCATION
        + armed.event_id.len()
        + armed.values.len() * size_of::<(Field, Value<'static>)>()
        + armed.values.iter().map(text).sum::<usize>()
}
