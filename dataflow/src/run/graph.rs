//! The dataflow graph of a worker.

use std::{rc::Rc, sync::Arc};

use operators::{
    model::decode::Decoder,
    ops::{
        Signal,
        evaluate::{Evaluated, evaluate},
        evaluating::Evaluator,
        match_events::{Matched, match_events},
        matching::Matcher,
    },
    rule::book::Catalog,
};
use sinks::LineSink;
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        ProbeHandle, StreamVec,
        channels::pact::{Exchange, Pipeline},
        operators::{
            Concat,
            generic::{Operator, OutputBuilder, builder_rc::OperatorBuilder},
            vec::{Broadcast, Map},
        },
    },
    worker::Worker,
};

use super::{
    control::{Control, Mailbox, signals},
    events::{Partition, Reading, events},
    meter::Gauges,
    report::Report,
    shelf::Books,
    sink,
};

/// What a worker is built of.
pub struct Parts {
    /// Worker 0's control.
    pub control: Option<Control>,
    /// What this worker reads.
    pub partitions: Vec<Partition>,
    /// How it reads.
    pub reading: Reading,
    /// The process's rule books.
    pub books: Books,
    /// How events are decoded.
    pub decoder: Decoder,
    /// Where triggers go (worker 0 only; elsewhere nothing arrives).
    pub triggers: LineSink,
    /// Where refused records go (worker 0 only).
    pub dead_letters: LineSink,
}

/// Builds a worker's graph; the probe tells which epochs are complete everywhere.
pub fn build(worker: &mut Worker, parts: Parts, gauges: &Gauges) -> ProbeHandle<u64> {
    let probe = ProbeHandle::new();
    let Parts { control, partitions, reading, books, decoder, triggers, dead_letters } = parts;
    let shelf: Arc<dyn operators::ops::Shelf> = Arc::new(books.clone());
    let live = reading.live;
    let numbers = partitions.iter().map(|p| p.number).collect();
    worker.dataflow::<u64, _, _>(|scope| {
        let mailbox = Mailbox::default();
        let signals = signals(scope, control, Rc::clone(&mailbox), probe.clone());
        let ready = prepare(signals.clone(), books);
        let read = events(signals.clone(), partitions, reading, probe.clone());
        let empty = Catalog::default().book();
        let matcher = Matcher::new(decoder, Arc::clone(&empty), live);
        let Matched { routed, refused, clocks } = match_events(
            read.reads,
            signals.clone(),
            Arc::clone(&shelf),
            matcher,
            numbers,
            Rc::clone(&gauges.matching),
        );
        let Evaluated { fired, failures } = evaluate(
            routed,
            signals,
            clocks.broadcast(),
            shelf,
            Evaluator::new(empty),
            Rc::clone(&gauges.evaluating),
        );
        sink::triggers(fired, triggers, Rc::clone(&gauges.sink), &probe);
        sink::refused(refused, dead_letters, Rc::clone(&gauges.sink), &probe);
        let reports = ready.concat(read.reports).concat(failures.map(Report::Failed));
        deliver(reports, mailbox, &probe);
    });
    probe
}

/// Has books made as they are asked for, and reports each when it is there.
fn prepare<'s>(signals: StreamVec<'s, u64, Signal>, books: Books) -> StreamVec<'s, u64, Report> {
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("rules.prepare".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let (output, reports) = builder.new_output::<Vec<Report>>();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Report>>>::from(output);
    let wake = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    builder.build(move |initial| {
        drop(initial);
        let mut waiting = Vec::new();
        move |_| {
            signals.for_each(|time, words| {
                for word in words.drain(..) {
                    if let Signal::Prepare(set) = word {
                        books.prepare(&set, wake.clone());
                        waiting.push((time.retain(0), set.generation));
                    }
                }
            });
            let mut output = output.activate();
            waiting.retain(|(capability, generation)| {
                let Some(applied) = operators::ops::Shelf::applied(&books, *generation) else { return true };
                let rejected = applied
                    .rejected
                    .iter()
                    .map(|(rule, faults)| (rule.clone(), faults.to_string()))
                    .collect();
                output.session(capability).give(Report::Ready { generation: *generation, rejected });
                false
            });
        }
    });
    reports
}

/// Puts reports into worker 0's mailbox.
fn deliver<'s>(reports: StreamVec<'s, u64, Report>, mailbox: Mailbox, probe: &ProbeHandle<u64>) {
    use timely::dataflow::operators::Probe;
    reports
        .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
            Exchange::new(|_: &Report| 0),
            "control.mailbox",
            move |_, _| move |input, _output| input.for_each(|_, batch| mailbox.borrow_mut().append(batch)),
        )
        .probe_with(probe);
}
