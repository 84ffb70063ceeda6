//! Property test: a store answers random calls of two engines as the memory store does.

use operators::model::ids::{CheckpointNumber, OwnerGeneration};
use proptest::{
    prelude::{Just, ProptestConfig, Strategy},
    prop_oneof, proptest,
    test_runner::TestRunner,
};
use strateye_sinks::checkpoint::{CheckpointError, CheckpointStore, FieldChange};

use super::support::{FIRST, LONG, Open, Store, memory, on_cluster, on_redis, scanned, sqlite};

/// Fields and their new texts.
type Changes = Vec<(String, Option<String>)>;

#[derive(Clone, Debug)]
enum Step {
    Take,
    Renew { age: u64 },
    Release { age: u64 },
    Commit { age: u64, n: u64, manifest: u8 },
    PutBlob { name: u8, bytes: Vec<u8> },
    RemoveBlobs { names: Vec<u8> },
    Fold { age: u64, hash: u8, changes: Changes },
    FoldMany { age: u64, folds: Vec<(u8, Changes)> },
    Mark { age: u64, n: u64 },
    Drop { age: u64, hash: u8 },
    PushEdit { pairs: Vec<(String, String)> },
    TrimEdits { at: usize },
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab@]{0,2}", 1 => proptest::string::string_regex("(?s).{0,3}").unwrap()]
}

fn changes() -> impl Strategy<Value = Changes> {
    proptest::collection::vec((text(), proptest::option::weighted(0.7, text())), 0..6)
}

fn step() -> impl Strategy<Value = Step> {
    // Age of an owner generation, counted from the latest: mostly 0.
    let age = || prop_oneof![4 => Just(0u64), 1 => 1..3u64];
    let folds = proptest::collection::vec((0..3u8, changes()), 0..4);
    let pairs = proptest::collection::vec((text(), text()), 0..3);
    prop_oneof![
        3 => Just(Step::Take),
        2 => age().prop_map(|age| Step::Renew { age }),
        2 => age().prop_map(|age| Step::Release { age }),
        4 => (age(), 1..12u64, 0..2u8).prop_map(|(age, n, manifest)| Step::Commit { age, n, manifest }),
        3 => (0..4u8, proptest::collection::vec(0..=255u8, 0..9)).prop_map(|(name, bytes)| Step::PutBlob { name, bytes }),
        1 => proptest::collection::vec(0..4u8, 0..3).prop_map(|names| Step::RemoveBlobs { names }),
        6 => (age(), 0..3u8, changes()).prop_map(|(age, hash, changes)| Step::Fold { age, hash, changes }),
        3 => (age(), folds).prop_map(|(age, folds)| Step::FoldMany { age, folds }),
        2 => (age(), 1..12u64).prop_map(|(age, n)| Step::Mark { age, n }),
        1 => (age(), 0..3u8).prop_map(|(age, hash)| Step::Drop { age, hash }),
        2 => pairs.prop_map(|pairs| Step::PushEdit { pairs }),
        1 => (0..6usize).prop_map(|at| Step::TrimEdits { at }),
    ]
}

/// A store, its owner generations and accepted edits.
struct Run {
    engines: [Store; 2],
    generations: Vec<OwnerGeneration>,
    edits: Vec<String>,
}

fn blob(name: u8) -> String {
    ["ckpt:1:1:0:0", "ckpt:1:2:0:0", "crowd:a", "crowd:重"][usize::from(name)].to_owned()
}

fn hash(hash: u8) -> &'static str {
    ["r:c:1", "r:c:2", "{r}:@rule:1"][usize::from(hash)]
}

fn borrowed(changes: &[(String, Option<String>)]) -> Vec<FieldChange<'_>> {
    changes.iter().map(|(field, text)| (field.as_str(), text.as_deref())).collect()
}

/// An outcome without the parts that differ between stores: texts, times and positions.
fn outcome<T: std::fmt::Debug>(result: Result<T, CheckpointError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(CheckpointError::Owned { owner, .. }) => format!("owned by {owner}"),
        Err(CheckpointError::Fenced { generation, by }) => format!("{generation} fenced by {by}"),
        Err(CheckpointError::OutOfOrder { number, last }) => format!("{number} after {last}"),
        Err(CheckpointError::Invalid { name, .. }) => format!("invalid {name}"),
        Err(other) => panic!("{other}"),
    }
}

impl Run {
    fn new(open: &dyn Fn() -> Store) -> Self {
        Run { engines: [open(), open()], generations: Vec::new(), edits: Vec::new() }
    }

    fn generation(&self, age: u64) -> OwnerGeneration {
        let back = usize::try_from(age).unwrap();
        self.generations.iter().rev().nth(back).copied().unwrap_or_default()
    }

    fn make(&mut self, engine: usize, step: &Step) -> String {
        let name = ["first", "second"][engine];
        let generation = |age: &u64| self.generation(*age);
        match step {
            Step::Take => {
                let taken = self.engines[engine].take(name, LONG);
                self.generations.extend(taken.as_ref().map(|taken| taken.generation));
                outcome(taken)
            }
            Step::Renew { age } => {
                let generation = generation(age);
                outcome(self.engines[engine].renew(generation, LONG))
            }
            Step::Release { age } => {
                let generation = generation(age);
                outcome(self.engines[engine].release(generation))
            }
            Step::Commit { age, n, manifest } => {
                let generation = generation(age);
                outcome(self.engines[engine].commit(generation, CheckpointNumber(*n), &[*manifest]))
            }
            Step::PutBlob { name, bytes } => outcome(self.engines[engine].put_blob(&blob(*name), bytes)),
            Step::RemoveBlobs { names } => {
                let names: Vec<String> = names.iter().map(|&name| blob(name)).collect();
                outcome(self.engines[engine].remove_blobs(&names))
            }
            Step::Fold { age, hash: at, changes } => {
                let generation = generation(age);
                outcome(self.engines[engine].apply(generation, FIRST, hash(*at), &borrowed(changes)))
            }
            Step::FoldMany { age, folds } => self.apply_many(engine, self.generation(*age), folds),
            Step::Mark { age, n } => {
                let generation = generation(age);
                outcome(self.engines[engine].mark_compacted(generation, CheckpointNumber(*n)))
            }
            Step::Drop { age, hash: at } => {
                let generation = generation(age);
                outcome(self.engines[engine].drop_hash(generation, hash(*at)))
            }
            Step::PushEdit { pairs } => {
                let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
                let pushed = self.engines[engine].push_edit(&pairs);
                self.edits.extend(pushed.as_ref().ok().cloned());
                outcome(pushed.map(drop))
            }
            Step::TrimEdits { at } => match self.edits.get(*at) {
                Some(position) => outcome(self.engines[engine].trim_edits(position)),
                None => String::new(),
            },
        }
    }

    /// Whether the other changes are made if one is refused depends on the store: here none is refused, or
    /// only the refused ones are sent.
    fn apply_many(&mut self, engine: usize, generation: OwnerGeneration, folds: &[(u8, Changes)]) -> String {
        if self.generations.last() != Some(&generation) {
            return String::new();
        }
        let borrowed: Vec<(&str, Vec<FieldChange<'_>>)> =
            folds.iter().map(|(at, changes)| (hash(*at), borrowed(changes))).collect();
        let folds: Vec<(&str, &[FieldChange<'_>])> =
            borrowed.iter().map(|(name, changes)| (*name, changes.as_slice())).collect();
        outcome(self.engines[engine].apply_many(generation, FIRST, &folds))
    }

    /// All readable data, with the edits in order.
    fn kept(&mut self) -> String {
        let store: &mut dyn CheckpointStore = &mut *self.engines[0];
        let blobs: Vec<_> =
            store.blobs().unwrap().into_iter().map(|name| (store.blob(&name).unwrap(), name)).collect();
        let mut hashes = Vec::new();
        for name in store.hashes().unwrap() {
            let mut fields: Vec<_> = scanned(store, &name).into_iter().collect();
            fields.sort();
            hashes.push((name, fields));
        }
        let edits: Vec<_> = store
            .edits(None, 1000)
            .unwrap()
            .into_iter()
            .map(|edit| (self.edits.iter().position(|known| *known == edit.position), edit.pairs))
            .collect();
        format!("{:?}\n{blobs:?}\n{hashes:?}\n{edits:?}", store.committed().unwrap())
    }
}

/// Asserts that every outcome and all stored data are the same as in memory.
fn compare(open: &Open<'_>, cases: u32) {
    let steps = proptest::collection::vec((0..2usize, step()), 1..60);
    let case = std::cell::Cell::new(0);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let run = TestRunner::new(config).run(&steps, |steps| {
        case.set(case.get() + 1);
        let (model, place) = (memory(), format!("case{}", case.get()));
        let mut expected = Run::new(&|| model(&place));
        let mut actual = Run::new(&|| open(&place));
        for (at, (engine, step)) in steps.iter().enumerate() {
            let (left, right) = (expected.make(*engine, step), actual.make(*engine, step));
            assert_eq!(left, right, "step {at}: engine {engine}, {step:?}");
        }
        assert_eq!(expected.kept(), actual.kept());
        Ok(())
    });
    run.unwrap();
}

#[test]
fn sqlite_answers_as_memory_does() {
    let folder = tempfile::tempdir().unwrap();
    compare(&sqlite(folder.path()), 40);
}

#[test]
fn redis_answers_as_memory_does() {
    compare(&on_redis("random", 1), 100);
}

#[test]
fn redis_cluster_answers_as_memory_does() {
    compare(&on_cluster("random", 1), 60);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    /// With buckets a change by the latest generation is the same for every reader.
    #[test]
    fn buckets_are_not_observable(folds in proptest::collection::vec((0..3u8, changes()), 1..20)) {
        let (model, open) = (memory(), on_redis("random-buckets", 5));
        let place = format!("{:x}", rand::random::<u64>());
        let (mut expected, mut actual) = (Run::new(&|| model(&place)), Run::new(&|| open(&place)));
        for run in [&mut expected, &mut actual] {
            run.make(0, &Step::Take);
            for (hash, changes) in &folds {
                run.make(0, &Step::Fold { age: 0, hash: *hash, changes: changes.clone() });
            }
        }
        assert_eq!(expected.kept(), actual.kept());
    }
}
