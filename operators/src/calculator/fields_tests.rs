use proptest::prelude::*;

use super::*;
use crate::calculator::{
    Program,
    aggregate::{Cut, Distinct, Latest, Stats, Top, Window},
};

/// One field of each kind; sliding counts of a wide and of a narrow window.
fn cells() -> Vec<Cell> {
    let aggregate = |aggregate| Cell::Aggregate(Box::new(aggregate));
    vec![
        Cell::Int(-1),
        Cell::Bool(true),
        Cell::Float(0.5),
        Cell::Text("first".into()),
        aggregate(Aggregate::Stats(Stats::default())),
        aggregate(Aggregate::Count(Window::new(Cut::last(6_400)))),
        aggregate(Aggregate::Count(Window::new(Cut::last(10)))),
        aggregate(Aggregate::WindowStats(Window::new(Cut::last(640)))),
        aggregate(Aggregate::Top(Top::new(2))),
        aggregate(Aggregate::Distinct(Distinct::default())),
        aggregate(Aggregate::Latest(Latest::new(None))),
    ]
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![20 => 0..9_000i64, 2 => 0..9_000_000i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => any::<i64>()]
}

proptest! {
    /// Whatever is done to the fields of a state: they are the cells to which the same was done, copied and read
    /// back they are the same, and nothing is left of them in the end.
    #[test]
    fn fields_are_cells(
        steps in prop::collection::vec((0..11u8, 0..8u8, times(), times(), -9..9i64), 0..120),
        weighs in any::<bool>(),
    ) {
        let shape = Shape::new(cells());
        let (mut words, mut cells, mut objects) = (shape.initial_words().to_vec(), cells(), Objects::default());
        if weighs {
            objects.weigh();
        }
        for (slot, step, time, now, number) in steps {
            let value = crate::model::value::Value::Int(number);
            let mut fields = Fields::new(&shape, &mut words, &mut objects);
            let expected = &mut cells[..];
            match (slot, step) {
                (0, _) => {
                    fields.set_word(slot, time);
                    expected.set_word(slot, time);
                }
                (1, _) => {
                    fields.set_word(slot, time & 1);
                    expected.set_word(slot, time & 1);
                }
                (2, _) => {
                    fields.set_word(slot, (number as f64).to_bits().cast_signed());
                    expected.set_word(slot, (number as f64).to_bits().cast_signed());
                }
                (3, _) => {
                    let text = if number < 0 { "first".to_owned() } else { number.to_string() };
                    fields.set_text(slot, &text);
                    expected.set_text(slot, &text);
                }
                (_, 7) => {
                    let first = shape.initial()[usize::from(slot)].clone();
                    fields.set_cell(slot, first.clone());
                    expected.set_cell(slot, first);
                }
                (_, 6) => {
                    let same = fields.cell(slot);
                    fields.set_cell(slot, same);
                }
                (5 | 6, _) => {
                    fields.count(slot, time, now);
                    expected.count(slot, time, now);
                }
                _ => {
                    let folded = fields.fold(slot, Some(&value), time, now);
                    prop_assert_eq!(folded, expected.fold(slot, Some(&value), time, now));
                }
            }
            prop_assert_eq!(fields.at(slot, now), expected.at(slot, now));
            let read: Vec<Cell> = fields.values().map(Cell::from).collect();
            prop_assert_eq!(&read, &cells);
            let initial = cells.iter().zip(shape.initial()).all(|(cell, first)| cell == first);
            prop_assert_eq!(shape.is_initial(&words, &objects), initial);
        }
        let mut copied = words.clone();
        shape.copy(&mut copied, &mut objects);
        shape.free(&words, &mut objects);
        let fields = Fields::new(&shape, &mut copied, &mut objects);
        prop_assert_eq!(fields.values().map(Cell::from).collect::<Vec<_>>(), cells);
        shape.free(&copied, &mut objects);
        prop_assert!(objects.is_empty() && objects.bytes() == 0);
    }
}

#[test]
fn a_usual_sliding_count_is_no_object() {
    let script =
        "fn init(params) { #{ n: count(params.window) } } fn outputs(state, params, now) { #{ n: 0 } }
        fn on_event(state, event, params) { state.n.add(event.time, event.now); true }";
    let program =
        Program::compile(script, &serde_json::Map::new(), Some(Cut::last(3_600_000)), None).unwrap();
    let (mut words, mut objects) = (program.shape().initial_words().to_vec(), Objects::default());
    let mut fields = Fields::new(program.shape(), &mut words, &mut objects);
    let start = 1_700_000_000_000;
    for time in [0, 900_000, 1_800_000, 3_500_000, 3_500_000, 3_500_001, 3_599_999] {
        fields.count(0, start + time, start + time);
    }
    assert_eq!(fields.at(0, start + 3_599_999), Some(7));
    assert_eq!(fields.at(0, start + 3_600_000), Some(6));
    assert!(objects.is_empty());
    assert_eq!(words.len(), 4);
}
