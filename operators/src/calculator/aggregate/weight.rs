//! Weight: approximate memory of an aggregate.

use std::mem::size_of;

use super::{Aggregate, Distinct, Figures, Top, Window, latest::Scalar};

/// Overhead of an allocation, bytes.
pub(crate) const ALLOCATION: usize = 16;

/// Bytes of a text by itself.
pub(crate) fn of_text(text: &str) -> usize {
    size_of::<Box<str>>() + ALLOCATION + text.len()
}

/// Bytes of an aggregate with what it points to.
pub(crate) fn of_aggregate(aggregate: &Aggregate) -> usize {
    size_of::<Aggregate>() + behind(aggregate)
}

fn behind(aggregate: &Aggregate) -> usize {
    match aggregate {
        Aggregate::Count(window) => of_window(window, |_| 0),
        Aggregate::Stats(_) => 0,
        Aggregate::Latest(latest) => match latest.held() {
            Some((_, Scalar::Text(text))) => ALLOCATION + text.len(),
            _ => 0,
        },
        Aggregate::WindowStats(window) => of_window(window, |_| 0),
        Aggregate::Top(top) => of_top(top),
        Aggregate::WindowTop(_, window) => of_window(window, of_top),
        Aggregate::Distinct(distinct) => of_distinct(distinct),
        Aggregate::WindowDistinct(window) => of_window(window, of_distinct),
    }
}

fn of_window<A: Figures>(window: &Window<A>, figure: impl Fn(&A) -> usize) -> usize {
    let buckets = window.buckets().iter().map(|(_, a)| size_of::<(i64, A)>() + figure(a)).sum::<usize>();
    2 * ALLOCATION + buckets + size_of_val(window.kept())
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
