use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;

use super::*;
use crate::{
    model::ids::{Offset, PartitionId},
    rule::{
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
        plan::RulePlan,
    },
    state::Armed,
};

/// Plans of three rules, by slot.
fn plans() -> Vec<Arc<RulePlan>> {
    let put = |i: u64| {
        let document = format!(
            r#"{{"rule_id": "r{i}", "key_by": "ip", "trigger": {{"each": "t"}}, "conditions": [
                {{"id": "t", "calculator": "absence", "steps": [{{"id": "A"}}, {{"id": "B"}}], "params": {{"within": "1s"}}}}]}}"#
        );
        RuleChange::Put(Box::new(Published::first(&document, 1, 0, BTreeMap::new()).unwrap()))
    };
    let set = ChangeSet { changes: (0..3).map(put).collect(), ..ChangeSet::default() };
    Catalog::default().apply(&set).book.rules.clone()
}

/// Arms a timer whose memory depends on `letters`.
fn arm(state: &mut RuleState, letters: usize) {
    state.arm(Armed {
        condition: 0,
        deadline: 0,
        partition: PartitionId::default(),
        offset: Offset::default(),
        event_id: "A".repeat(letters).into(),
        event_time: 0,
        guid: None,
        values: Vec::new(),
    });
}

proptest! {
    /// Whatever is put in, changed, taken out and removed: the bytes are those of what is there.
    #[test]
    fn bytes_are_those_of_all_keys_and_states(
        weighs in any::<bool>(),
        steps in prop::collection::vec((0..7u8, 0..4u32, 0..3u32, 1..99usize), 1..120),
    ) {
        let (plans, mut store) = (plans(), Store::default());
        if weighs {
            store.weigh();
        }
        let mut there = BTreeSet::new();
        for (step, key, slot, letters) in steps {
            let id = store.entry(u64::from(key), 0, &key.to_string());
            match step {
                0 | 1 => {
                    let mut state = RuleState::fresh(&plans[slot as usize], 5);
                    arm(&mut state, letters);
                    store.put(id, state);
                    there.insert((key, slot));
                }
                2 | 3 => {
                    let present = store.change(id, slot, |text, state| {
                        assert_eq!((text, state.slot()), (key.to_string().as_str(), slot));
                        arm(state, letters);
                        true
                    });
                    prop_assert_eq!(present, there.contains(&(key, slot)));
                }
                4 => {
                    let present = store.change(id, slot, |_, state| {
                        arm(state, letters);
                        false
                    });
                    prop_assert_eq!(present, there.remove(&(key, slot)));
                }
                5 => prop_assert_eq!(store.take(id, slot).is_some(), there.remove(&(key, slot))),
                _ => {
                    store.remove(id);
                    there.retain(|(k, _)| *k != key);
                }
            }
            let states = |block: &KeyBlock| block.states().map(|s| weight::of_state(s) as usize).sum::<usize>();
            let weighed: usize = store.blocks().map(|block| weight::of_key(block.key()) + states(block)).sum();
            prop_assert_eq!(store.bytes(), if weighs { weighed } else { 0 });
            let found: BTreeSet<_> = store
                .blocks()
                .flat_map(|block| block.states().map(|state| (block.key().parse().unwrap(), state.slot())))
                .collect();
            prop_assert_eq!(&found, &there);
        }
    }
}
