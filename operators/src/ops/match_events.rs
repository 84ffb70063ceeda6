//! `match`: from raw records to routed ones, by the book of the record's epoch.
//!
//! Records of a switch's epoch and later wait until the book is there and the crowds have passed that epoch; both are
//! made before the switch is announced, so this takes a moment. Capabilities are held for waiting records only.
//!
//! Once per epoch it tells the clocks of its partitions: whatever it sends later has a `now` at or above them. Until its
//! sources are open, and so its partitions are known, it tells a clock that holds back all timers.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    mem,
    rc::Rc,
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Stream, StreamVec,
        channels::pact::Pipeline,
        operators::{
            Capability,
            generic::{OutputBuilder, builder_rc::OperatorBuilder},
        },
    },
    progress::Antichain,
};

use super::{
    crowds::{CrowdReader, crowds},
    matching::{MatchCounts, Matcher},
    signal::{Shelf, Signal},
};
use crate::model::{
    raw::{RawBatch, Refused},
    routed::Routed,
};

/// What a source hands on.
#[derive(Clone, Debug)]
pub enum Read {
    /// Records of a partition.
    Batch(RawBatch),
    /// These partitions are read from now on, each from that offset, beside those opened before.
    Opened(Vec<(u32, u64)>),
    /// The partitions had nothing more at that time (unix ms, grace already taken off): their clocks may move there.
    Idle {
        /// The partitions.
        partitions: Vec<u32>,
        /// Their clock.
        clock: i64,
    },
    /// What was read before this belongs before a barrier, what comes after it behind.
    Mark {
        /// Which barrier.
        mark: Mark,
        /// First offset not read, by partition.
        positions: Vec<(u32, u64)>,
    },
    /// The partition has ended for good; timers due at its last instant may run.
    End {
        /// The partition.
        partition: u32,
    },
}

/// A barrier that sources mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// That checkpoint.
    Checkpoint(u64),
    /// The switch to the book of that generation.
    Switch(u64),
}

/// How far a worker's sources had come at a barrier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Marked {
    /// Which barrier.
    pub mark: Mark,
    /// First offset not read, by partition.
    pub positions: Vec<(u32, u64)>,
    /// The ingest clocks, by partition.
    pub clocks: Vec<(u32, i64)>,
}

/// Stands for a worker's partitions until they are known: this less the worker's number.
const UNOPENED: u32 = u32::MAX;

/// The streams that come out of `match`.
pub struct Matched<'s> {
    /// Routed records, not yet exchanged.
    pub routed: Stream<'s, u64, Routed>,
    /// Records that are no events.
    pub refused: StreamVec<'s, u64, Refused>,
    /// Clocks of this worker's partitions.
    pub clocks: StreamVec<'s, u64, (u32, i64)>,
    /// How far this worker's sources had come at each barrier.
    pub marked: StreamVec<'s, u64, Marked>,
}

const FLUSH_AT: usize = 1024;

type Capabilities = [Capability<u64>; 4];

/// Matches what sources read.
pub fn match_events<'s>(
    reads: StreamVec<'s, u64, Read>,
    signals: StreamVec<'s, u64, Signal>,
    shelf: Arc<dyn Shelf>,
    mut matcher: Matcher,
    counts: Rc<Cell<MatchCounts>>,
) -> Matched<'s> {
    let arranged = crowds(signals.clone(), Arc::clone(&shelf));
    let mut crowds = CrowdReader::new(arranged.trace);
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("match".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let mut reads = builder.new_input(reads, Pipeline);
    let mut batches = builder.new_input(arranged.stream, Pipeline);
    let inputs = || [(0, Antichain::from_elem(0)), (1, Antichain::from_elem(0))];
    let (routed_output, routed_stream) = builder.new_output_connection::<Routed, _>(inputs());
    let (refused_output, refused_stream) = builder.new_output_connection::<Vec<Refused>, _>(inputs());
    let (clocks_output, clocks_stream) = builder.new_output_connection::<Vec<(u32, i64)>, _>(inputs());
    let mut routed_output = OutputBuilder::<_, CapacityContainerBuilder<Routed>>::from(routed_output);
    let mut refused_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Refused>>>::from(refused_output);
    let (marked_output, marked_stream) = builder.new_output_connection::<Vec<Marked>, _>(inputs());
    let mut clocks_output =
        OutputBuilder::<_, CapacityContainerBuilder<Vec<(u32, i64)>>>::from(clocks_output);
    let mut marked_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Marked>>>::from(marked_output);
    let unopened = UNOPENED - scope.index() as u32;
    builder.build(move |initial| {
        drop(initial);
        let mut waiting: VecDeque<(Capabilities, Vec<Read>)> = VecDeque::new();
        let mut switches: VecDeque<(u64, u64)> = VecDeque::new();
        let mut announced = 0;
        let mut told: Vec<(u32, i64)> = Vec::new();
        let mut resumed: BTreeMap<u32, i64> = BTreeMap::new();
        matcher.move_clock(unopened, i64::MIN);
        move |frontiers| {
            let mut routed_output = routed_output.activate();
            let mut refused_output = refused_output.activate();
            let mut clocks_output = clocks_output.activate();
            let mut marked_output = marked_output.activate();
            batches.for_each(|_, _| {});
            signals.for_each(|time, words| {
                for word in words.drain(..) {
                    match word {
                        Signal::Epoch(epoch) => {
                            announced = epoch;
                            let mut now: Vec<_> = matcher.clocks().collect();
                            now.sort_unstable();
                            if now != told {
                                clocks_output.session(&time.retain(2)).give_iterator(now.iter().copied());
                                told = now;
                            }
                        }
                        Signal::Switch { generation, at } => switches.push_back((at, generation)),
                        Signal::Start(start) => resumed.extend(start.clocks.iter().copied()),
                        Signal::Prepare(_)
                        | Signal::Checkpoint { .. }
                        | Signal::Correct { .. }
                        | Signal::Committed(_)
                        | Signal::Folded(_)
                        | Signal::Hold(_) => {}
                    }
                }
            });
            reads.for_each(|time, reads| {
                waiting.push_back(([0, 1, 2, 3].map(|output| time.retain(output)), mem::take(reads)));
            });
            loop {
                let epoch = waiting.front().map_or(announced, |(capabilities, _)| *capabilities[0].time());
                if let Some((at, generation)) = switches.front().copied()
                    && at <= epoch
                {
                    let Some(applied) = shelf.applied(generation) else { break };
                    if frontiers[2].less_equal(&at) {
                        break;
                    }
                    matcher.install(Arc::clone(&applied.book), crowds.at(at));
                    switches.pop_front();
                    continue;
                }
                let Some(([routed_at, refused_at, clocks_at, marked_at], reads)) = waiting.pop_front() else {
                    break;
                };
                let mut routed_session = routed_output.session_with_builder(&routed_at);
                let (mut routed, mut refused) = (Routed::default(), Vec::new());
                for read in reads {
                    match read {
                        Read::Batch(batch) => matcher.batch(&batch, &mut routed, &mut refused),
                        Read::Opened(partitions) => {
                            for (partition, _) in partitions {
                                matcher.move_clock(
                                    partition,
                                    resumed.get(&partition).copied().unwrap_or(i64::MIN),
                                );
                            }
                            matcher.move_clock(unopened, i64::MAX);
                        }
                        Read::Idle { partitions, clock } => partitions.into_iter().for_each(|p| {
                            matcher.move_clock(p, clock);
                        }),
                        Read::Mark { mark, positions } => {
                            let clocks = matcher.clocks().filter(|(p, _)| *p != unopened).collect();
                            marked_output.session(&marked_at).give(Marked { mark, positions, clocks });
                        }
                        Read::End { partition } => {
                            let last = matcher.move_clock(partition, i64::MIN);
                            let clock = matcher.move_clock(partition, last.saturating_add(1));
                            clocks_output.session(&clocks_at).give((partition, clock));
                        }
                    }
                    if routed.len() >= FLUSH_AT {
                        routed_session.give_container(&mut routed);
                        routed.clear();
                    }
                }
                if !routed.is_empty() {
                    routed_session.give_container(&mut routed);
                }
                if !refused.is_empty() {
                    refused_output.session(&refused_at).give_iterator(refused.into_iter());
                }
            }
            counts.set(matcher.counts());
        }
    });
    Matched { routed: routed_stream, refused: refused_stream, clocks: clocks_stream, marked: marked_stream }
}
