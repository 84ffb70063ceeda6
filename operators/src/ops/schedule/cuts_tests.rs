//! Property test: how records are cut into batches, and how far progress lags behind them, changes neither
//! triggers nor checkpoints nor states. So nothing that is done for a batch, such as fetching ahead, reaches
//! across an epoch, a clock or a barrier.
//!
//! `telling` tells the stories, `books` has their rules.

mod books;
mod telling;

use proptest::prelude::*;

use self::telling::{Act, Cuts, Outcome, outcome};

fn act() -> impl Strategy<Value = Act> {
    let kind = prop::sample::select(vec!["A", "A", "B", "T"]);
    let after = prop::sample::select(vec![0i64, 0, 1, 20, 100, 500]);
    prop_oneof![
        60 => (1u64..9, kind, after).prop_map(|(guid, kind, after)| Act::Event { guid, kind, after }),
        4 => Just(Act::Epoch),
        1 => Just(Act::Switch),
        2 => Just(Act::Checkpoint),
        1 => (1u64..9).prop_map(|guid| Act::Correct { guid }),
        1 => Just(Act::Clocks),
    ]
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let size = prop_oneof![1usize..4, 4usize..40, Just(usize::MAX)];
    let parts = (prop::collection::vec(size, 1..6), prop::collection::vec(0u64..4, 1..6));
    parts.prop_map(|(sizes, lags)| Cuts { sizes, lags })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_into_batches_change_no_trigger_no_checkpoint_and_no_state(
        story in prop::collection::vec(act(), 1..250), cuts in cuts(),
    ) {
        let singly = outcome(&story, &Cuts { sizes: vec![1], lags: vec![0] });
        prop_assert_eq!(&singly.refused, &Vec::<String>::new());
        prop_assert_eq!(outcome(&story, &cuts), singly);
    }
}

#[test]
fn a_story_fires_by_events_and_by_clocks_and_its_checkpoints_have_states_and_triggers() {
    let event = |guid, kind| Act::Event { guid, kind, after: 20 };
    let round = |guid| [event(guid, "A"), event(guid, "A"), event(guid, "T"), Act::Checkpoint, Act::Epoch];
    let mut story: Vec<Act> = (1..9).flat_map(round).collect();
    story.extend([Act::Event { guid: 9, kind: "T", after: 1_000 }, Act::Clocks]);
    story.extend([Act::Correct { guid: 1 }, Act::Switch, Act::Clocks, event(1, "T"), event(2, "T")]);
    let Outcome { triggers, saved, figures, refused } =
        outcome(&story, &Cuts { sizes: vec![usize::MAX], lags: vec![3, 0] });
    let of = |rule: &str, lines: &[String]| lines.iter().filter(|line| line.contains(rule)).count();
    let by_rule = ["often", "unpaid", "limited"].map(|rule| of(&format!(r#""rule_id":"{rule}""#), &triggers));
    assert!(by_rule.iter().all(|fired| *fired > 4), "{by_rule:?}");
    assert!(of(r#""deadline""#, &triggers) > 4, "timers fire");
    assert_eq!(saved.iter().map(|parts| parts.triggers.len()).sum::<usize>(), triggers.len());
    assert!(saved.iter().filter(|parts| !parts.changes.is_empty()).count() > 4);
    assert!(!figures.is_empty() && refused.is_empty(), "{refused:?}");
}
