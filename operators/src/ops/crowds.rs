//! Crowds: a differential arrangement from a rule's slot to its crowd, one per worker.
//!
//! Changes enter at the epoch of the switch they belong to. The arrangement runs ahead of the events: once
//! `Epoch(e)` is received no change at `e + 1` or before can arrive any more, so its frontier is at `e + 2`,
//! and readers wait for it only at a switch.
//!
//! The bitmaps are not copied: every worker of a process arranges pointers to the same ones.

use std::{collections::HashMap, sync::Arc};

use differential_dataflow::{
    operators::arrange::{Arranged, TraceAgent, arrangement::arrange_core},
    trace::{
        Cursor, TraceReader,
        implementations::{ContainerChunker, ValBatcher, ValBuilder, ValSpine},
    },
};
use timely::{
    dataflow::{StreamVec, channels::pact::Pipeline, operators::generic::builder_rc::OperatorBuilder},
    progress::Antichain,
};

use super::{
    kit::{self, Frontier, HeldEpoch},
    signal::{Shelf, Signal},
};
use crate::{model::epoch::Epoch, rule::crowd::Crowd};

/// Update of the arrangement: rule slot and crowd, epoch, difference.
type Update = ((u32, Crowd), Epoch, isize);

/// Trace of the arrangement, shared by its readers.
pub type CrowdTrace = TraceAgent<ValSpine<u32, Crowd, Epoch, isize>>;

/// Arranges the crowds of all rules; each switch changes them at its epoch.
pub fn crowds<'s>(signals: StreamVec<'s, Epoch, Signal>, shelf: Arc<dyn Shelf>) -> Arranged<'s, CrowdTrace> {
    let mut builder = OperatorBuilder::new("crowds".to_owned(), signals.scope());
    let mut signals = builder.new_input(signals, Pipeline);
    let (mut output, updates) = kit::output_from::<Vec<Update>>(&mut builder, &[]);
    builder.build(move |initial| {
        // No earlier barrier can be announced any more.
        let mut held = HeldEpoch::<1>::new(initial);
        move |frontiers| {
            let mut output = output.activate();
            signals.for_each(|_, signals| {
                for signal in signals.drain(..) {
                    match signal {
                        Signal::Epoch(epoch) => held.advance(epoch.next_barrier()),
                        Signal::Switch { generation, at } => {
                            let Some([capability]) = held.capabilities() else { return };
                            let Some(applied) = shelf.applied(generation) else { continue };
                            let mut session = output.session(capability);
                            for change in &applied.crowds {
                                let row = |crowd: &Crowd, difference| {
                                    ((change.slot, crowd.clone()), at, difference)
                                };
                                session.give_iterator(change.before.iter().map(|c| row(c, -1)));
                                session.give_iterator(change.after.iter().map(|c| row(c, 1)));
                            }
                        }
                        _ => {}
                    }
                }
            });
            held.release_if(Frontier::from(&frontiers[0]).has_ended());
        }
    });
    arrange_core::<
        _,
        _,
        ContainerChunker<Vec<Update>>,
        ValBatcher<u32, Crowd, Epoch, isize>,
        ValBuilder<u32, Crowd, Epoch, isize>,
        ValSpine<u32, Crowd, Epoch, isize>,
    >(updates, Pipeline, "crowds.arrange")
}

/// Reader of the crowds as of an epoch; lets the trace compact everything before that epoch.
pub struct CrowdReader {
    trace: CrowdTrace,
}

impl CrowdReader {
    /// Makes a reader of `trace`, whose compaction it holds back.
    pub fn new(trace: CrowdTrace) -> Self {
        CrowdReader { trace }
    }

    /// Crowds by rule slot as of `epoch`, which the arrangement must have passed. Epochs of later calls must
    /// not be earlier.
    pub fn at(&mut self, epoch: Epoch) -> HashMap<u32, Crowd> {
        let mut crowds = HashMap::new();
        let (mut cursor, storage) = self.trace.cursor();
        while let Some(slot) = cursor.get_key(&storage) {
            let slot = *slot;
            while let Some(crowd) = cursor.get_val(&storage) {
                let crowd = crowd.clone();
                let mut count = 0;
                cursor.map_times(&storage, |time, difference| {
                    if *time <= epoch {
                        count += *difference;
                    }
                });
                if count > 0 {
                    crowds.insert(slot, crowd);
                }
                cursor.step_val(&storage);
            }
            cursor.step_key(&storage);
        }
        let frontier = Antichain::from_elem(epoch);
        self.trace.set_logical_compaction(frontier.borrow());
        self.trace.set_physical_compaction(frontier.borrow());
        crowds
    }
}
