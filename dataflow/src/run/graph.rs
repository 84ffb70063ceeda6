//! The dataflow graph of a worker.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use operators::{
    document::span::Span,
    model::{decode::Decoder, epoch::Epoch},
    ops::{
        Bounded, NoSaver, Saver, Signal,
        evaluate::{EvaluateParts, Evaluated, evaluate},
        evaluating::Evaluator,
        kit,
        match_events::{MatchParts, Matched, match_events},
        matcher::Matcher,
    },
    rule::catalog::Catalog,
};
use sinks::LineWriter;
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        ProbeHandle, StreamVec,
        channels::pact::{Exchange, Pipeline},
        operators::{
            Concat,
            generic::{Operator, builder_rc::OperatorBuilder},
            vec::{Broadcast, Map},
        },
    },
    worker::Worker,
};

use super::{
    control::{Control, Mailbox, signals},
    events::{Open, Reading, events},
    meter::Gauges,
    stall::waits,
};
use crate::{
    checkpoint::{
        State,
        restore::restore,
        writer::{Writer, Written, reports},
    },
    exit::ExitHandle,
    protocol::{report::Report, rules::RuleFaults, time::wall_clock},
    rules::books::Books,
    triggers::{
        destinations::TriggerSinks,
        write::{self, TriggerOutput},
    },
};

/// Parts of a worker.
pub struct Parts {
    /// Worker 0's control.
    pub control: Option<Control>,
    /// Opens this worker's source.
    pub open: Open,
    /// Parameters of its reading.
    pub reading: Reading,
    /// The process's rule books.
    pub books: Books,
    /// Decoder of events.
    pub decoder: Decoder,
    /// How long messages are recognized when they are sent again.
    pub dedupe_for: Span,
    /// Most records in a batch that a worker sends.
    pub max_routed: usize,
    /// Store of the state.
    pub state: State,
    /// Writer of checkpoints, and its reports of written blobs.
    pub writer: Option<(Writer, Written)>,
    /// Bound of the memory of keys; `None` without a bound.
    pub bounded: Option<Bounded>,
    /// Set while the store of evicted keys can't be reached.
    pub away: Arc<AtomicBool>,
    /// Sinks of triggers (worker 0 only; no triggers arrive elsewhere).
    pub triggers: Rc<TriggerSinks>,
    /// Destination of refused records (worker 0 only).
    pub dead_letters: LineWriter,
    /// Ends the process if a part of it fails for good.
    pub exit: ExitHandle,
}

/// Builds a worker's graph; returns the probe of the epochs that are complete on all workers.
pub fn build(worker: &mut Worker, parts: Parts, gauges: &Gauges) -> ProbeHandle<Epoch> {
    let probe = ProbeHandle::new();
    let Parts { control, open, reading, books, decoder, dedupe_for, max_routed, state, .. } = parts;
    let Parts { writer, bounded, away, triggers, dead_letters, exit, .. } = parts;
    let (saver, written): (Box<dyn Saver>, _) = match writer {
        Some((writer, written)) => (Box::new(writer), Some(written)),
        None => (Box::new(NoSaver), None),
    };
    let effects = control.as_ref().map(|c| c.effects.clone());
    let shelf: Arc<dyn operators::ops::Shelf> = Arc::new(books.clone());
    let live = reading.live;
    worker.dataflow::<Epoch, _, _>(|scope| {
        let mailbox = Mailbox::default();
        let signals = signals(scope, control, Rc::clone(&mailbox), probe.clone(), exit.clone());
        let ready = prepare(signals.clone(), books);
        let read = events(signals.clone(), open, reading, probe.clone());
        let empty = Catalog::default().book();
        let matcher = Matcher::new(decoder, Arc::clone(&empty), live).at(wall_clock());
        let counts = Rc::clone(&gauges.matching);
        let parts = MatchParts { shelf: Arc::clone(&shelf), matcher, counts, max_routed };
        let Matched { routed, refused, clocks, barriers } = match_events(read.reads, signals.clone(), parts);
        let stored = restore(signals.clone(), Arc::clone(&shelf), state, exit.clone());
        let parts = EvaluateParts {
            shelf,
            evaluator: Evaluator::new(empty).remembering(dedupe_for),
            saver,
            gauge: Rc::clone(&gauges.evaluating),
            bounded,
            refused: Rc::clone(&gauges.notes),
            split: Rc::clone(&gauges.split),
        };
        let Evaluated { fired, failures } =
            evaluate(routed, signals.clone(), clocks.broadcast(), stored, parts);
        let gauge = || Rc::clone(&gauges.sink);
        let output = TriggerOutput { sinks: triggers, effects, gauge: gauge(), exit: exit.clone() };
        write::triggers(fired, output, &probe);
        write::refused(refused, dead_letters, gauge(), &probe, exit);
        let evaluating = Rc::clone(&gauges.evaluating);
        let waiting = move || away.load(Ordering::Relaxed) || evaluating.get().restoring;
        let reports = ready
            .concat(read.reports)
            .concat(failures.map(Report::Failed))
            .concat(barriers.map(Report::BarrierReached))
            .concat(waits(signals.clone(), waiting))
            .concat(reports(signals, written));
        deliver(reports, mailbox, gauges, &probe);
    });
    probe
}

/// Makes the book of each change set that is signalled, and reports when it is made.
fn prepare<'s>(signals: StreamVec<'s, Epoch, Signal>, books: Books) -> StreamVec<'s, Epoch, Report> {
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("rules.prepare".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let (mut output, reports) = kit::output::<Vec<Report>>(&mut builder);
    let wake = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    builder.build(move |initial| {
        drop(initial);
        let mut waiting = Vec::new();
        move |_| {
            signals.for_each(|time, signals| {
                for signal in signals.drain(..) {
                    if let Signal::Prepare(set) = signal {
                        books.prepare(&set, wake.clone());
                        waiting.push((time.retain(0), set.generation));
                    }
                }
            });
            let mut output = output.activate();
            waiting.retain(|(capability, generation)| {
                let Some(applied) = operators::ops::Shelf::applied(&books, *generation) else { return true };
                let faults = RuleFaults::from(&*applied);
                output.session(capability).give(Report::Ready { generation: *generation, faults });
                false
            });
        }
    });
    reports
}

/// Puts reports into the mailbox of worker 0.
fn deliver<'s>(
    reports: StreamVec<'s, Epoch, Report>,
    mailbox: Mailbox,
    gauges: &Gauges,
    probe: &ProbeHandle<Epoch>,
) {
    use timely::dataflow::operators::Probe;
    let (failures, waits) = (Rc::clone(&gauges.failures), Rc::clone(&gauges.waits));
    reports
        .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
            Exchange::new(|_: &Report| 0),
            "control.mailbox",
            move |_, _| {
                move |input, _output| {
                    input.for_each(|_, batch| {
                        for report in &*batch {
                            match report {
                                Report::Failed(failure) => {
                                    failures.borrow_mut().add(&failure.rule_id, failure.count);
                                }
                                Report::Waits => waits.set(Some(Instant::now())),
                                _ => {}
                            }
                        }
                        mailbox.borrow_mut().append(batch);
                    });
                }
            },
        )
        .probe_with(probe);
}
