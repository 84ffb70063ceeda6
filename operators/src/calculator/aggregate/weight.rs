//! Weight: approximate memory of an aggregate.

use std::mem::size_of;

use super::{Aggregate, Buckets, Distinct, Top, latest::Scalar};

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
        Aggregate::Count(buckets) => of_buckets(buckets, |_| 0),
        Aggregate::Stats(_) => 0,
        Aggregate::Latest(latest) => match latest.held() {
            Some((_, Scalar::Text(text))) => ALLOCATION + text.len(),
            _ => 0,
        },
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
