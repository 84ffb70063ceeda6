use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::calculator::aggregate::{Distinct, Sliding, Stats};
use crate::model::{calendar::Calendar, number::Number};

/// A fold: how far after the fold before `now` is, how far ahead of it the time is, and the value.
type Drawn = (i64, i64, i64);

fn drawn() -> impl Strategy<Value = (i64, Vec<Drawn>)> {
    let ahead = prop_oneof![6 => Just(0), 2 => -2_000i64..0, 1 => 0..600i64];
    (1i64..10_000).prop_flat_map(move |span| {
        let step = prop_oneof![1 => Just(0), 8 => 0..=span / 16, 1 => 0..2 * span];
        (Just(span), prop::collection::vec((step, ahead.clone(), -80..80i64), 1..300))
    })
}

/// Folds with their `now`, those of a device's clock that is slow or fast included.
fn folds(drawn: &[Drawn]) -> Vec<(i64, i64, i64)> {
    let mut now = 1_000_000;
    let fold = |(step, ahead, value): &Drawn| {
        now += step;
        (now, now + ahead, *value)
    };
    drawn.iter().map(fold).collect()
}

/// What counts at `now`, by the definition: all that was folded is looked through.
fn counting(sliding: Sliding, now: i64, folded: &[(i64, i64)], once: bool) -> Vec<(i64, i64)> {
    let reaches = |(time, _): &&(i64, i64)| sliding.start(*time) > now - sliding.span() - sliding.width();
    let held: Vec<_> = folded.iter().filter(reaches).copied().collect();
    let number = match once {
        true => held.iter().map(|(_, value)| value).collect::<BTreeSet<_>>().len(),
        false => held.len(),
    };
    let begun = held.into_iter().filter(|(time, _)| sliding.start(*time) <= now);
    begun.filter(|(time, _)| number > KEPT || *time > now - sliding.span()).collect()
}

proptest! {
    /// At every instant from the last fold on, the figures are those of the definition.
    #[test]
    fn figures_are_those_of_the_definition((span, drawn) in drawn(), later in 0..20_000i64) {
        let (sliding, cut) = (Sliding::new(span), Cut::last(span));
        let (mut count, mut stats) = (Window::<u64>::new(cut), Window::<Stats>::new(cut));
        let mut distinct = Window::<Distinct>::new(cut);
        let mut folded = Vec::new();
        for (now, time, value) in folds(&drawn) {
            count.fold((), time, now, || 0);
            stats.fold(Number::Int(value), time, now, Stats::default);
            distinct.fold(value.cast_unsigned(), time, now, Distinct::default);
            folded.push((time, value));
            for at in [now, now + later] {
                let counted = counting(sliding, at, &folded, false);
                prop_assert_eq!(count.figure(at, 0), counted.len() as u64);
                let figure = stats.figure(at, Stats::default());
                prop_assert_eq!(figure.count, counted.len() as u64);
                prop_assert_eq!(figure.sum.float(), counted.iter().map(|(_, value)| *value).sum::<i64>() as f64);
                let least = counted.iter().map(|(_, value)| *value).min();
                prop_assert!(least.is_none_or(|least| figure.min == Number::Int(least)));
                let counted = counting(sliding, at, &folded, true);
                let values: BTreeSet<u64> = counted.iter().map(|(_, value)| value.cast_unsigned()).collect();
                let mut expected = Distinct::default();
                values.iter().for_each(|value| expected.fold(*value));
                prop_assert_eq!(distinct.figure(at, Distinct::default()).count(), expected.count());
            }
            prop_assert!(count.kept().len() <= KEPT);
        }
    }

    /// A window of the calendar contains what is of the period of `now`; what is ahead waits for its own.
    #[test]
    fn periods_contain_what_is_of_them(
        drawn in prop::collection::vec((0..9i64, -50..30i64, -80..80i64), 1..100), unit in prop::sample::select(&["day", "week", "month"][..]),
    ) {
        const HOUR: i64 = 3_600_000;
        let calendar = Calendar::parse(&format!("{unit} America/New_York")).unwrap();
        let (mut count, mut stats) =
            (Window::<u64>::new(Cut::Calendar(calendar)), Window::<Stats>::new(Cut::Calendar(calendar)));
        let mut distinct = Window::<Distinct>::new(Cut::Calendar(calendar));
        let mut folded = Vec::new();
        let mut now = 1_772_600_000_000;
        for (step, ahead, value) in drawn {
            now += step * HOUR;
            let time = now + ahead * HOUR;
            count.fold((), time, now, || 0);
            stats.fold(Number::Int(value), time, now, Stats::default);
            distinct.fold(value.cast_unsigned(), time, now, Distinct::default);
            folded.push((time, value));
            for at in [now, now + 11 * HOUR] {
                let own = |(time, _): &&(i64, i64)| calendar.start(*time) == calendar.start(at);
                let values: Vec<i64> = folded.iter().filter(own).map(|(_, value)| *value).collect();
                prop_assert_eq!(count.figure(at, 0), values.len() as u64);
                let figure = stats.figure(at, Stats::default());
                prop_assert_eq!((figure.count, figure.sum.float()), (values.len() as u64, values.iter().sum::<i64>() as f64));
                let different = values.iter().collect::<BTreeSet<_>>().len();
                if different <= KEPT {
                    prop_assert_eq!(distinct.figure(at, Distinct::default()).count(), different as u64);
                }
            }
            prop_assert!(count.kept().is_empty() && stats.kept().is_empty());
        }
    }

    /// What is folded at one `now` may come in any order.
    #[test]
    fn the_order_does_not_matter(
        span in 1i64..10_000, mut folds in prop::collection::vec((-12_000i64..500, -80..80i64), 1..200), seed in any::<u64>(),
    ) {
        let now = 1_000_000;
        let folded = |folds: &[(i64, i64)]| {
            let cut = Cut::last(span);
            let (mut stats, mut distinct) = (Window::<Stats>::new(cut), Window::<Distinct>::new(cut));
            for (ago, value) in folds {
                stats.fold(Number::Int(*value), now + ago, now, Stats::default);
                distinct.fold(value.cast_unsigned(), now + ago, now, Distinct::default);
            }
            (stats, distinct)
        };
        let (stats, distinct) = folded(&folds);
        folds.sort_by_key(|(ago, value)| (ago ^ value).cast_unsigned().wrapping_mul(seed | 1));
        let (other, others) = folded(&folds);
        prop_assert_eq!(stats, other);
        for at in (now..now + 2 * span).step_by(span as usize / 40 + 1) {
            let count = |distinct: &Window<Distinct>| distinct.figure(at, Distinct::default()).count();
            prop_assert_eq!(count(&distinct), count(&others));
        }
    }

    /// Buckets of which the folds are not known, as earlier releases stored them, count whole until they have left.
    #[test]
    fn buckets_alone_count_whole(span in 64i64..10_000, times in prop::collection::vec(0i64..10_000, 1..40), later in 0i64..30_000) {
        let (sliding, cut) = (Sliding::new(span), Cut::last(span));
        let times: BTreeSet<i64> = times.into_iter().filter(|time| 10_000 - time < span).collect();
        let starts: BTreeSet<i64> = times.iter().map(|time| sliding.start(*time)).collect();
        let of = |start: &i64| (*start, times.iter().filter(|time| sliding.start(**time) == *start).count() as u64);
        let mut window = Window::<u64>::new(cut).with(starts.iter().map(of).collect(), Vec::new()).unwrap();
        window.fold((), 10_000, 10_000, || 0);
        let now = 10_000 + later;
        let is_old = starts.iter().any(|start| *start >= sliding.oldest(now));
        let reaches = |time: &&i64| sliding.start(**time) >= sliding.oldest(now);
        let own = if is_old { 10_000 >= sliding.oldest(now) } else { 10_000 > now - span };
        let expected = times.iter().filter(reaches).count() as u64 + u64::from(own);
        prop_assert_eq!(window.figure(now, 0), expected);
    }
}
