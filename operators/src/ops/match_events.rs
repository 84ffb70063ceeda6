//! `match`: from raw records to routed ones, by the book of the record's epoch.
//!
//! The operator only moves data and capabilities; [`Matching`] decides which reads may be matched when.
//! Capabilities are held for waiting reads, and for routed records that wait for others ([`Outgoing`]).
//!
//! [`Outgoing`]: super::outgoing::Outgoing

use std::{cell::Cell, mem, rc::Rc, sync::Arc, time::Duration};

use timely::dataflow::{
    Stream, StreamVec,
    channels::pact::Pipeline,
    operators::{Capability, generic::builder_rc::OperatorBuilder},
};

use super::{
    crowds::{CrowdReader, crowds},
    kit::{self, Frontier},
    matcher::{MatchCounts, Matcher},
    matching::{Matches, Matching},
    read::{BarrierReached, Read},
    signal::{Shelf, Signal},
};
use crate::model::{
    epoch::Epoch,
    ids::{IngestTime, PartitionId},
    raw::Refused,
    routed::Routed,
};

/// Time until rows of crowds are asked for again, while reads wait for them.
const SOON: Duration = Duration::from_millis(5);

/// Output streams of `match`.
pub struct Matched<'s> {
    /// Batches of routed records, each of one owner, not yet exchanged.
    pub routed: Stream<'s, Epoch, Routed>,
    /// Records that are not events.
    pub refused: StreamVec<'s, Epoch, Refused>,
    /// Ingest clocks of this worker's partitions, unix ms.
    pub clocks: StreamVec<'s, Epoch, (PartitionId, IngestTime)>,
    /// Positions and clocks of this worker's sources at each barrier.
    pub barriers: StreamVec<'s, Epoch, BarrierReached>,
}

/// Parts of a worker's `match`.
pub struct MatchParts {
    /// Rule books of the process.
    pub shelf: Arc<dyn Shelf>,
    /// Matcher, still by an empty book.
    pub matcher: Matcher,
    /// Set to the current figures at every activation.
    pub counts: Rc<Cell<MatchCounts>>,
    /// Most routed records in a batch.
    pub max_routed: usize,
}

/// Matches the reads of sources.
pub fn match_events<'s>(
    reads: StreamVec<'s, Epoch, Read>,
    signals: StreamVec<'s, Epoch, Signal>,
    parts: MatchParts,
) -> Matched<'s> {
    let MatchParts { shelf, matcher, counts, max_routed } = parts;
    let arranged = crowds(signals.clone(), Arc::clone(&shelf));
    let mut crowds = CrowdReader::new(arranged.trace);
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("match".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let mut reads = builder.new_input(reads, Pipeline);
    let mut arranged = builder.new_input(arranged.stream, Pipeline);
    // The arrangement runs ahead of the events, and so is not an input of the outputs.
    let (mut routed_output, routed) = kit::output_from(&mut builder, &[0, 1]);
    let (mut refused_output, refused) = kit::output_from::<Vec<Refused>>(&mut builder, &[0, 1]);
    let (mut clocks_output, clocks) =
        kit::output_from::<Vec<(PartitionId, IngestTime)>>(&mut builder, &[0, 1]);
    let (mut barriers_output, barriers) = kit::output_from::<Vec<BarrierReached>>(&mut builder, &[0, 1]);
    let mut matching = Matching::<[Capability<Epoch>; 4]>::new(matcher, shelf, scope.index());
    let activator = scope.activator_for(builder.operator_info().address);
    let peers = scope.peers();
    builder.build(move |initial| {
        drop(initial);
        let mut matches = Matches::to(peers, max_routed);
        move |frontiers| {
            let mut routed_output = routed_output.activate();
            let mut refused_output = refused_output.activate();
            let mut clocks_output = clocks_output.activate();
            let mut barriers_output = barriers_output.activate();
            arranged.for_each(|_, _| {});
            signals.for_each(|time, signals| {
                for signal in signals.drain(..) {
                    if let Some(clocks) = matching.signal(&signal) {
                        clocks_output.session(&time.retain(2)).give_iterator(clocks.iter());
                    }
                }
            });
            reads.for_each(|time, reads| {
                let capabilities = [0, 1, 2, 3].map(|output| time.retain(output));
                matching.wait(*time.time(), capabilities, mem::take(reads));
            });
            let arranged_to = Frontier::from(&frontiers[2]);
            let mut crowds_at = |epoch| arranged_to.has_passed(epoch).then(|| crowds.at(epoch));
            let mut send = |at: &Capability<Epoch>, routed: &mut Routed| {
                routed_output.session_with_builder(at).give_container(routed);
            };
            let slice = matching.slice();
            while let Some((capabilities, reads)) = matching.next(&slice, &mut crowds_at) {
                let [routed_at, refused_at, clocks_at, barriers_at] = capabilities.clone();
                matches.routed.begin(*routed_at.time(), routed_at, &mut send);
                let mut reads = reads.into_iter();
                while let Some(read) = matching.take(&slice, &mut reads) {
                    matching.read(read, &mut matches);
                    matches.routed.send_full(&mut send);
                }
                matching.put_back(capabilities, reads.collect());
                let Matches { refused, clocks, barriers, .. } = &mut matches;
                refused_output.session(&refused_at).give_iterator(refused.drain(..));
                clocks_output.session(&clocks_at).give_iterator(clocks.drain(..));
                barriers_output.session(&barriers_at).give_iterator(barriers.drain(..));
            }
            if matches.routed.end_activation(&mut send) | matching.is_used_up(&slice) {
                activator.activate();
            } else if matching.awaits_rows() {
                activator.activate_after(SOON);
            }
            counts.set(matching.counts());
        }
    });
    Matched { routed, refused, clocks, barriers }
}
