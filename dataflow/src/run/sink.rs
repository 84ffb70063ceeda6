//! `sink`: triggers and refused records leave the dataflow. Everything goes to worker 0, which writes lines.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hdrhistogram::Histogram;
use operators::model::{raw::Refused, trigger::Fired};
use sinks::{LineSink, SinkError};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        ProbeHandle, StreamVec,
        channels::pact::Exchange,
        operators::{Probe, generic::Operator},
    },
};

/// Latest triggers kept for the live view.
const LATEST: usize = 12;
/// Start-up is left out of the overall latency for so long after the first trigger.
const WARM_UP: Duration = Duration::from_secs(2);

/// What the sink shows of itself.
#[derive(Debug)]
pub struct SinkGauge {
    /// Triggers written, held-out ones included.
    pub triggers: u64,
    /// By rule: name and how many.
    pub by_rule: BTreeMap<String, (String, u64)>,
    /// Latest triggers: rule name, key, held out.
    pub latest: VecDeque<(String, String, bool)>,
    /// From the source to here, µs, since the gauge was last reset.
    pub latency: Histogram<u64>,
    /// The same over all, the first two seconds left out.
    pub latency_total: Histogram<u64>,
    first: Option<Instant>,
    /// Refused records, and the last reason.
    pub refused: (u64, String),
}

impl Default for SinkGauge {
    fn default() -> Self {
        // Up to ten minutes; what is beyond counts as ten minutes.
        let histogram = || {
            Histogram::new_with_bounds(1, 600_000_000, 3)
                .unwrap_or_else(|_| unreachable!("the bounds are valid"))
        };
        SinkGauge {
            triggers: 0,
            by_rule: BTreeMap::new(),
            latest: VecDeque::new(),
            latency: histogram(),
            latency_total: histogram(),
            first: None,
            refused: (0, String::new()),
        }
    }
}

fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

impl SinkGauge {
    fn trigger(&mut self, fired: Fired) {
        self.triggers += 1;
        if fired.seen > 0 {
            let latency = wall_us().saturating_sub(fired.seen);
            self.latency.saturating_record(latency);
            if self.first.get_or_insert_with(Instant::now).elapsed() > WARM_UP {
                self.latency_total.saturating_record(latency);
            }
        }
        self.by_rule.entry(fired.rule_id).or_insert_with(|| (fired.name.clone(), 0)).1 += 1;
        if self.latest.len() == LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back((fired.name, fired.key, fired.held_out));
    }

    fn refuse(&mut self, record: &Refused) {
        let reason = format!("partition {} offset {}: {}", record.partition, record.offset, record.reason);
        self.refused = (self.refused.0 + 1, reason);
    }
}

/// A sink that fails ends the process; the supervisor decides what follows.
fn written(result: Result<(), SinkError>) {
    if let Err(error) = result {
        let code = if matches!(error, SinkError::ReaderGone) {
            super::exit::READER_GONE
        } else {
            super::exit::SINK_FAILED
        };
        tracing::error!(%error, "a sink failed");
        std::process::exit(code);
    }
}

/// Writes triggers, each as one line, flushed at every activation.
pub fn triggers(
    fired: StreamVec<'_, u64, Fired>,
    out: LineSink,
    gauge: Rc<RefCell<SinkGauge>>,
    probe: &ProbeHandle<u64>,
) {
    lines(fired, "sink.triggers", out, probe, move |fired, out| {
        written(out.line(&fired.line));
        gauge.borrow_mut().trigger(fired);
    });
}

/// Writes refused records, each as one line of JSON.
pub fn refused(
    refused: StreamVec<'_, u64, Refused>,
    out: LineSink,
    gauge: Rc<RefCell<SinkGauge>>,
    probe: &ProbeHandle<u64>,
) {
    lines(refused, "sink.dead_letters", out, probe, move |record, out| {
        // Plain text and numbers always serialize.
        written(out.line(&serde_json::to_string(&record).unwrap_or_default()));
        gauge.borrow_mut().refuse(&record);
    });
}

/// Brings everything to worker 0 and hands it to `write`, flushing after every activation that wrote.
fn lines<D: timely::ExchangeData>(
    stream: StreamVec<'_, u64, D>,
    name: &str,
    mut out: LineSink,
    probe: &ProbeHandle<u64>,
    mut write: impl FnMut(D, &mut LineSink) + 'static,
) {
    stream
        .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Exchange::new(|_: &D| 0), name, move |_, _| {
            move |input, _output| {
                let mut any = false;
                input.for_each(|_, batch| {
                    any = true;
                    batch.drain(..).for_each(|item| write(item, &mut out));
                });
                if any {
                    written(out.flush());
                }
            }
        })
        .probe_with(probe);
}
