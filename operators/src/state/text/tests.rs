use proptest::prelude::*;

use super::*;
use crate::calculator::CellRef;
use crate::{
    calculator::{
        Aggregate, Cell,
        aggregate::{Cut, Distinct, Latest, Stats, Top, Window, latest::Scalar},
    },
    model::{number::Number, value::Value},
};

fn round(names: &[&str], initial: &[Cell], cells: &[Cell]) -> String {
    let mut text = String::new();
    write(names.iter().copied(), cells.iter().map(CellRef::from), &mut text);
    assert_eq!(read(names.iter().copied(), initial, &text).as_deref(), Ok(cells), "{text}");
    text
}

fn aggregate(a: Aggregate) -> [Cell; 1] {
    [Cell::Aggregate(Box::new(a))]
}

#[test]
fn states_read_as_people_expect() {
    assert_eq!(round(&["value"], &[Cell::Int(0)], &[Cell::Int(3)]), "3");
    let gap = [Cell::Int(0), Cell::Int(-1)];
    assert_eq!(
        round(&["value", "pending"], &gap, &[Cell::Int(2), Cell::Int(9)]),
        r#"{"value":2,"pending":9}"#
    );
    let mut stats = Stats::default();
    [1, 3].into_iter().for_each(|x| stats.add(Number::Int(x)));
    let text =
        round(&["n"], &aggregate(Aggregate::Stats(Stats::default())), &aggregate(Aggregate::Stats(stats)));
    assert_eq!(text, r#"{"sum":4.0,"count":2,"min":1.0,"max":3.0}"#);
    stats.add(Number::Int(i64::MAX));
    stats.add(Number::Float(0.3));
    let of = |stats| aggregate(Aggregate::Stats(stats));
    assert_eq!(
        round(&["n"], &of(Stats::default()), &of(stats)),
        r#"{"sum":"9223372036854775811.300000000","count":4,"min":0.3,"max":9223372036854775807}"#
    );
    stats.add(Number::Float(0.1 + 0.2));
    round(&["n"], &of(Stats::default()), &of(stats));
    let mut top = Top::new(2);
    [7.0, 9.0, 8.0].into_iter().for_each(|x| top.add(x));
    assert_eq!(
        round(&["n"], &aggregate(Aggregate::Top(Top::new(2))), &aggregate(Aggregate::Top(top))),
        "[9.0,8.0]"
    );
    let empty = Window::new(Cut::last(640));
    let count = |count| {
        round(&["n"], &aggregate(Aggregate::Count(empty.clone())), &aggregate(Aggregate::Count(count)))
    };
    assert_eq!(count(empty.clone()), r#"{"b":[]}"#);
    assert_eq!(count(empty.with(vec![(20, 4)], vec![]).unwrap()), r#"{"b":[[20,4]]}"#);
    let mut folded = empty.clone();
    (0..3).for_each(|time| folded.fold((), 25 + time, 30, || 0));
    assert_eq!(count(folded), r#"{"folds":[25,26,27]}"#);
    let both = empty.with(vec![(20, 4)], vec![(25, ())]).unwrap();
    assert_eq!(count(both), r#"{"folds":[25],"older":[[20,4]]}"#);
    let empty = Window::<Stats>::new(Cut::last(640));
    let mut sums = empty.clone();
    sums.fold(Number::Float(0.5), 25, 30, Stats::default);
    sums.fold(Number::Int(i64::MAX), 26, 30, Stats::default);
    let of = |window| aggregate(Aggregate::WindowStats(window));
    assert_eq!(round(&["n"], &of(empty), &of(sums)), r#"{"folds":[[25,0.5],[26,9223372036854775807]]}"#);
    let mut latest = Latest::new(None);
    latest.add(Scalar::Float(2.0), 5);
    let empty = aggregate(Aggregate::Latest(Latest::new(None)));
    assert_eq!(round(&["l"], &empty, &aggregate(Aggregate::Latest(latest))), r#"{"at":5,"value":2.0}"#);
    assert_eq!(round(&["l"], &empty, &empty), "null");
    for f in [f64::INFINITY, f64::NEG_INFINITY, 0.1 + 0.2, 1e300] {
        round(&["x"], &[Cell::Float(0.0)], &[Cell::Float(f)]);
    }
}

#[test]
fn what_is_wrong_is_told() {
    let initial = [Cell::Int(0), Cell::Int(-1)];
    let fault = |text: &str| read(["value", "pending"].into_iter(), &initial, text).unwrap_err();
    assert!(fault("3").contains("write one of value, pending"));
    assert!(fault(r#"{"valeu":3}"#).contains("there is no field `valeu`"));
    assert!(fault(r#"{"value":"x"}"#).contains("not an integer"));
    assert!(fault("{").contains("is not JSON"));
    let text = read(["value", "pending"].into_iter(), &initial, r#"{"value":7}"#).unwrap();
    assert_eq!(text, [Cell::Int(7), Cell::Int(-1)], "what is left out is as initially");
}

#[test]
fn names_and_texts_read_back_whatever_is_in_them() {
    let names = ["a \"b\"", "c\\d", "重庆\n\u{1}", "plain"];
    let initial = names.map(|_| Cell::Text("".into()));
    let cells = names.map(|name| Cell::Text(name.into()));
    assert!(round(&names, &initial, &cells).ends_with(r#""plain":"plain"}"#));
}

proptest! {
    #[test]
    fn distinct_reads_back(n in 0i64..300, span in prop::option::of(1i64..100_000)) {
        let mut distinct = Distinct::default();
        (0..n).for_each(|i| distinct.add(&Value::Int(i * 7919)));
        let (initial, cell) = match span {
            None => (Aggregate::Distinct(Distinct::default()), Aggregate::Distinct(distinct)),
            Some(span) => {
                let empty = Window::new(Cut::last(span));
                let kept = (0..n % 64).map(|i| (i, i.cast_unsigned())).collect();
                let window = empty.with(vec![(0, distinct)], kept).unwrap();
                (Aggregate::WindowDistinct(empty), Aggregate::WindowDistinct(window))
            }
        };
        round(&["d"], &aggregate(initial), &aggregate(cell));
    }

    #[test]
    fn floats_read_back_exactly(bits in any::<u64>()) {
        let f = f64::from_bits(bits);
        prop_assume!(!f.is_nan());
        round(&["x"], &[Cell::Float(0.0)], &[Cell::Float(f)]);
    }
}
