//! Crowds: a differential arrangement from a rule's slot to its crowd, one per worker.
//!
//! Changes enter at the epoch of the switch they belong to. The arrangement runs ahead of the events: once `Epoch(e)` is
//! heard no change at `e + 1` or before can come any more, so its frontier stands at `e + 2`, and reading it never waits
//! but in the moment of a switch.
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
    container::CapacityContainerBuilder,
    dataflow::{
        StreamVec,
        channels::pact::Pipeline,
        operators::generic::{OutputBuilder, builder_rc::OperatorBuilder},
    },
    progress::Antichain,
};

use super::signal::{Shelf, Signal};
use crate::rule::crowd::Crowd;

/// A crowd's row in the arrangement: slot, crowd, epoch, difference.
type Update = ((u32, Crowd), u64, isize);

/// The arrangement's trace.
pub type CrowdTrace = TraceAgent<ValSpine<u32, Crowd, u64, isize>>;

/// Arranges the crowds of all rules as the signals say.
pub fn crowds<'s>(signals: StreamVec<'s, u64, Signal>, shelf: Arc<dyn Shelf>) -> Arranged<'s, CrowdTrace> {
    let mut builder = OperatorBuilder::new("crowds".to_owned(), signals.scope());
    let mut signals = builder.new_input(signals, Pipeline);
    let (output, updates) = builder.new_output_connection::<Vec<Update>, _>([(0, Antichain::new())]);
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Update>>>::from(output);
    builder.build(move |mut capabilities| {
        let mut capability = capabilities.pop();
        move |frontiers| {
            let mut output = output.activate();
            signals.for_each(|_, words| {
                let Some(capability) = capability.as_mut() else { return };
                for word in words.drain(..) {
                    match word {
                        Signal::Epoch(e) => capability.downgrade(&(e + 2).max(*capability.time())),
                        Signal::Switch { generation, at } => {
                            let Some(applied) = shelf.applied(generation) else { continue };
                            let mut session = output.session(&*capability);
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
            if frontiers[0].is_empty() {
                capability = None;
            }
        }
    });
    arrange_core::<
        _,
        _,
        ContainerChunker<Vec<Update>>,
        ValBatcher<u32, Crowd, u64, isize>,
        ValBuilder<u32, Crowd, u64, isize>,
        ValSpine<u32, Crowd, u64, isize>,
    >(updates, Pipeline, "crowds.arrange")
}

/// Reads the crowds as they are at an epoch, and lets the trace forget what was before.
pub struct CrowdReader {
    trace: CrowdTrace,
}

impl CrowdReader {
    /// Reads through `trace`.
    pub fn new(trace: CrowdTrace) -> Self {
        CrowdReader { trace }
    }

    /// All crowds at `epoch`, which the arrangement has passed.
    pub fn at(&mut self, epoch: u64) -> HashMap<u32, Crowd> {
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
