//! What is filed of timers.

use std::collections::BTreeMap;

use super::{
    Emitted,
    scene::{evaluator, event, load, save, send},
};

#[test]
fn a_key_has_one_timer_filed_however_often_it_is_touched() {
    let mut evaluator = evaluator();
    for i in 0..50 {
        event(&mut evaluator, "1", i);
        event(&mut evaluator, "2", i);
    }
    assert_eq!(evaluator.store.timers(), 2);
    for i in 50..80 {
        // Cleared and set again, so that it is another timer each time.
        send(&mut evaluator, "1", "B", i);
        event(&mut evaluator, "1", i);
    }
    assert_eq!(evaluator.store.timers(), 2);
    let mut emitted = Emitted::default();
    assert!(evaluator.advance(180, 100, &mut emitted));
    let deadlines: Vec<_> = emitted.triggers.iter().map(|t| t.cause.as_ref().unwrap().deadline).collect();
    assert_eq!((deadlines, evaluator.store.timers()), (vec![Some(100), Some(179)], 0));
}

#[test]
fn a_key_that_leaves_memory_takes_its_timer_along() {
    let (mut evaluator, mut stored) = (evaluator(), BTreeMap::new());
    event(&mut evaluator, "1", 10);
    save(&mut evaluator, 1, &mut stored);
    evaluator.folded(1);
    for _ in 0..20 {
        evaluator.evict(100);
        assert_eq!((evaluator.keys(), evaluator.store.timers()), (0, 0));
        load(&mut evaluator, "1", &stored);
        assert_eq!((evaluator.keys(), evaluator.store.timers()), (1, 1));
    }
}
