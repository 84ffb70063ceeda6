use operators::model::ids::{Clocks, Positions};
use proptest::prelude::*;

use super::*;

fn blob(n: u64, triggers: bool) -> BlobRef {
    BlobRef { name: format!("ckpt:1:{n}:0:{}", u8::from(triggers)), digest: 0, bytes: 1, triggers }
}

/// Lists and commits checkpoint n with a blob of state and one of triggers, as a keeper does.
fn commit(ledger: &mut Ledger, n: u64, dropped: &[&str], vouched: u64) -> (Vec<String>, Compaction) {
    let dropped = dropped.iter().map(|name| (*name).to_owned()).collect();
    let (number, vouched) = (CheckpointNumber(n), CheckpointNumber(vouched));
    let unlisted = ledger.list(number, vec![blob(n, false), blob(n, true)], dropped);
    ledger.committed(number, vouched);
    (unlisted, ledger.hand_on(number))
}

fn listed(ledger: &Ledger) -> Vec<u64> {
    let numbers: BTreeSet<u64> = ledger.listed().iter().map(|listed| listed.number.0).collect();
    numbers.into_iter().collect()
}

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn with_one_log_a_blob_goes_once_a_commit_vouches_for_its_compaction() {
    let (mut ledger, now) = (Ledger::new(true, None), Instant::now());
    commit(&mut ledger, 1, &[], 0);
    assert!(ledger.compacted(Compacted::UpTo(CheckpointNumber(1)), now).is_empty());
    assert_eq!(commit(&mut ledger, 2, &[], 1).0, [] as [&str; 0], "no commit has vouched for it yet");
    assert_eq!(ledger.readable_up_to().0, 1);
    let (unlisted, _) = commit(&mut ledger, 3, &[], 1);
    assert_eq!(unlisted, [blob(1, false).name, blob(1, true).name]);
    assert_eq!(listed(&ledger), [2, 3]);
}

#[test]
fn a_mark_of_an_earlier_run_unlists_nothing_that_this_run_has_not_compacted() {
    let mut ledger = Ledger::new(true, Some(CheckpointNumber(1)));
    ledger.committed(CheckpointNumber(2), CheckpointNumber(9));
    commit(&mut ledger, 3, &[], 9);
    commit(&mut ledger, 4, &[], 9);
    assert_eq!(listed(&ledger), [3, 4]);
}

#[test]
fn with_many_logs_a_blob_goes_a_while_after_its_compaction() {
    let (mut ledger, start) = (Ledger::new(false, None), Instant::now());
    commit(&mut ledger, 1, &[], 0);
    ledger.compacted(Compacted::UpTo(CheckpointNumber(1)), start);
    commit(&mut ledger, 2, &[], 1);
    ledger.compacted(Compacted::UpTo(CheckpointNumber(2)), after(start, 59));
    assert_eq!(ledger.readable_up_to().0, 2, "what was compacted can be read at once");
    commit(&mut ledger, 3, &[], 2);
    assert_eq!(listed(&ledger), [1, 2, 3]);
    ledger.compacted(Compacted::UpTo(CheckpointNumber(3)), after(start, 60));
    commit(&mut ledger, 4, &[], 3);
    assert_eq!(listed(&ledger), [2, 3, 4]);
}

#[test]
fn a_loss_hands_on_again_in_order_and_the_wait_begins_anew() {
    let (mut ledger, start) = (Ledger::new(false, None), Instant::now());
    for n in 1..=3 {
        let (_, compaction) = commit(&mut ledger, n, &[], 0);
        assert_eq!((compaction.after.0, compaction.number.0), (n - 1, n));
        assert_eq!(compaction.blobs, [blob(n, false)]);
        ledger.compacted(Compacted::UpTo(CheckpointNumber(n)), start);
    }
    let again = ledger.compacted(Compacted::LostAbove(CheckpointNumber(1)), after(start, 61));
    assert_eq!(again.iter().map(|c| (c.after.0, c.number.0)).collect::<Vec<_>>(), [(1, 2), (2, 3)]);
    assert_eq!(ledger.uncompacted(), 2);
    ledger.compacted(Compacted::UpTo(CheckpointNumber(3)), after(start, 62));
    commit(&mut ledger, 4, &[], 3);
    assert_eq!(listed(&ledger), [1, 2, 3, 4], "what was reported before the loss counts no more");
}

#[test]
fn blobs_stay_until_their_triggers_are_published() {
    let (mut ledger, now) = (Ledger::new(true, None), Instant::now());
    ledger.published(Some(CheckpointNumber(0)));
    commit(&mut ledger, 1, &[], 0);
    ledger.compacted(Compacted::UpTo(CheckpointNumber(1)), now);
    commit(&mut ledger, 2, &[], 1);
    assert_eq!((ledger.uncompacted(), ledger.behind()), (1, 2));
    commit(&mut ledger, 3, &[], 1);
    assert_eq!(listed(&ledger), [1, 2, 3]);
    ledger.published(Some(CheckpointNumber(1)));
    assert_eq!(ledger.behind(), 2);
    commit(&mut ledger, 4, &[], 1);
    assert_eq!(listed(&ledger), [2, 3, 4]);
    assert_eq!(ledger.triggers_of(CheckpointNumber(3)), [blob(3, true)]);
}

#[test]
fn names_of_dropped_state_go_with_the_last_blob_that_may_have_them() {
    let (mut ledger, now) = (Ledger::new(true, None), Instant::now());
    commit(&mut ledger, 1, &[], 0);
    let (_, compaction) = commit(&mut ledger, 2, &["r:a:1"], 0);
    assert_eq!(compaction.dropped, ["r:a:1"]);
    ledger.compacted(Compacted::UpTo(CheckpointNumber(2)), now);
    commit(&mut ledger, 3, &[], 1);
    commit(&mut ledger, 4, &[], 2);
    assert_eq!(listed(&ledger), [2, 3, 4]);
    assert_eq!(
        ledger.dropped(),
        [Dropped { number: CheckpointNumber(2), names: vec!["r:a:1".to_owned()] }],
        "blob 2 is listed"
    );
    commit(&mut ledger, 5, &[], 2);
    assert_eq!((listed(&ledger), ledger.dropped()), (vec![3, 4, 5], Vec::new()));
}

#[test]
fn a_restart_hands_on_what_the_last_commit_lists() {
    let mut before = Ledger::new(true, None);
    commit(&mut before, 3, &[], 0);
    commit(&mut before, 5, &["r:a:1"], 0);
    let manifest = Manifest {
        at: 0,
        lineage: None,
        zones: None,
        positions: Positions::default(),
        clocks: Clocks::default(),
        corrections: None,
        rules: blob(5, false),
        blobs: before.listed(),
        dropped: before.dropped(),
    };
    let mut ledger = Ledger::new(true, Some(CheckpointNumber(7)));
    let numbers = ledger.resume(manifest);
    assert_eq!(numbers.iter().map(|number| number.0).collect::<Vec<_>>(), [3, 5, 7]);
    let handed: Vec<_> =
        numbers.into_iter().map(|n| ledger.hand_on(n)).map(|c| (c.after.0, c.number.0)).collect();
    assert_eq!(handed, [(0, 3), (3, 5), (5, 7)]);
}

/// A step in the life of a keeper.
#[derive(Clone, Copy, Debug)]
enum Step {
    Commit,
    Compact,
    Lose { back: u64 },
    Publish,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Commit),
        3 => Just(Step::Compact),
        1 => (1_u64..4).prop_map(|back| Step::Lose { back }),
        3 => Just(Step::Publish),
        2 => Just(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn nothing_goes_before_it_is_published_and_durably_compacted(
        one_log: bool,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let (mut ledger, mut now) = (Ledger::new(one_log, None), Instant::now());
        // Model of the store: its mark of compaction, and since when each checkpoint has been compacted
        // without a loss.
        let (mut last, mut mark, mut published) = (0, 0, 0);
        let mut since = std::collections::BTreeMap::<u64, Instant>::new();
        let mut vouched = 0;
        ledger.published(Some(CheckpointNumber(0)));
        for step in steps {
            match step {
                Step::Commit => {
                    last += 1;
                    let durable_before = vouched;
                    let before = listed(&ledger);
                    commit(&mut ledger, last, &[], mark);
                    vouched = mark;
                    let listed = listed(&ledger);
                    prop_assert!(listed.is_sorted());
                    for n in before.into_iter().filter(|n| !listed.contains(n)) {
                        prop_assert!(n <= published, "{} is unlisted and not published", n);
                        let durable = if one_log {
                            n <= durable_before
                        } else {
                            since.get(&n).is_some_and(|at| now - *at >= LISTED_AFTER)
                        };
                        prop_assert!(durable, "{} is unlisted and may be lost", n);
                    }
                }
                Step::Compact => {
                    mark = last;
                    for n in 1..=last {
                        since.entry(n).or_insert(now);
                    }
                    prop_assert!(ledger.compacted(Compacted::UpTo(CheckpointNumber(last)), now).is_empty());
                }
                Step::Lose { back } => {
                    mark = mark.saturating_sub(back).max(if one_log { vouched } else { 0 });
                    // Unlisted checkpoints can't be lost any more.
                    mark = mark.max(listed(&ledger).first().map_or(last, |first| first - 1));
                    since.retain(|n, _| *n <= mark);
                    let again = ledger.compacted(Compacted::LostAbove(CheckpointNumber(mark)), now);
                    let numbers: Vec<u64> = again.iter().map(|c| c.number.0).collect();
                    prop_assert_eq!(numbers, (mark + 1..=last).collect::<Vec<_>>());
                    // Reports before the loss do not count towards the wait.
                    since.values_mut().for_each(|at| *at = now);
                }
                Step::Publish => {
                    published = last;
                    ledger.published(Some(CheckpointNumber(published)));
                }
                Step::Wait => now += LISTED_AFTER / 2,
            }
        }
    }
}
