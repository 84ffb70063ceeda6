//! `sink`: triggers and refused records leave the dataflow, from worker 0.
//!
//! A trigger for which a full sink has no room waits here and holds back the frontier, so that sources stop
//! reading. **Limit**: triggers of timers that run out meanwhile wait here too, as many as timers are armed:
//! no more than there is state in memory.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hdrhistogram::Histogram;
use operators::model::{epoch::Epoch, raw::Refused, trigger::Fired};
use sinks::{LineWriter, TriggerSinkError};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        ProbeHandle, StreamVec,
        channels::pact::Exchange,
        operators::{Capability, Probe, generic::Operator},
    },
};

use super::destinations::TriggerSinks;
use crate::{
    exit::ExitHandle,
    protocol::{
        figures::{ByRule, LatencyBuckets, NAMED},
        numbers::{Latency, LatestTrigger, RefusedRecords, SinkNumbers},
        rules::Effect,
        text::{REASON, cut},
    },
    rules::inbox::EffectSender,
};

/// Pause before a full sink is tried again.
const FULL: Duration = Duration::from_millis(5);
/// Latest triggers kept for the live view.
const LATEST: usize = 12;
/// Upper bound of the bytes shown of a rule's name or a key.
const SHOWN: usize = 128;
/// Time from the first trigger on that is left out of the latency shown to people.
const WARM_UP: Duration = Duration::from_secs(2);

/// Gauge of the sinks.
#[derive(Debug)]
pub struct SinkGauge {
    /// Triggers written, held-out ones included.
    pub triggers: u64,
    /// Names of the rules that `counts` counts individually, as first seen, long ones cut.
    pub names: BTreeMap<String, String>,
    /// Latest triggers: rule name and key, long ones cut, and whether the trigger was held out.
    pub latest: VecDeque<LatestTrigger>,
    /// Time from the source to here, µs, since the gauge was last read; start-up is left out.
    pub latency: Histogram<u64>,
    /// Latency since the start, µs; start-up is left out.
    pub latency_total: Histogram<u64>,
    first: Option<Instant>,
    /// Whether a trigger waits for room in a sink.
    pub full: bool,
    /// Whether a refused record waits until it can be written.
    pub refused_wait: bool,
    /// Number of refused records, and the last reason.
    pub refused: RefusedRecords,
    /// Distribution of latency since the start, start-up included.
    pub buckets: LatencyBuckets,
    /// Triggers by rule, for at most as many rules as may be named.
    pub counts: ByRule,
}

impl Default for SinkGauge {
    fn default() -> Self {
        // Up to ten minutes; longer latencies count as ten minutes.
        let histogram = || {
            Histogram::new_with_bounds(1, 600_000_000, 3)
                .unwrap_or_else(|_| unreachable!("the bounds are valid"))
        };
        SinkGauge {
            triggers: 0,
            names: BTreeMap::new(),
            latest: VecDeque::new(),
            latency: histogram(),
            latency_total: histogram(),
            first: None,
            full: false,
            refused_wait: false,
            refused: RefusedRecords::default(),
            buckets: LatencyBuckets::default(),
            counts: ByRule::default(),
        }
    }
}

fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

impl SinkGauge {
    /// The gauge's numbers with those of the sinks. Measurements since the last report are reset.
    ///
    /// # Errors
    /// If a sink has failed for good.
    pub fn numbers(&mut self, sinks: &TriggerSinks) -> Result<SinkNumbers, TriggerSinkError> {
        let numbers = SinkNumbers {
            triggers: self.triggers,
            names: self.names.clone(),
            latest: self.latest.iter().cloned().collect(),
            latency: Latency::from(&self.latency),
            latency_total: Latency::from(&self.latency_total),
            buckets: self.buckets,
            counts: self.counts.clone(),
            sinks: sinks.figures()?,
            refused: self.refused.clone(),
        };
        self.latency.reset();
        Ok(numbers)
    }

    fn trigger(&mut self, fired: &Fired) {
        self.triggers += 1;
        if fired.seen > 0 {
            let latency = wall_us().saturating_sub(fired.seen);
            self.buckets.record(latency);
            if self.first.get_or_insert_with(Instant::now).elapsed() > WARM_UP {
                self.latency.saturating_record(latency);
                self.latency_total.saturating_record(latency);
            }
        }
        let name = cut(&fired.name, SHOWN);
        if self.names.len() < NAMED && !self.names.contains_key(&fired.rule_id) {
            self.names.insert(fired.rule_id.clone(), name.clone().into_owned());
        }
        self.counts.add(&fired.rule_id, 1);
        if self.latest.len() == LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(LatestTrigger {
            rule: name.into_owned(),
            key: cut(&fired.key, SHOWN).into_owned(),
            held_out: fired.held_out,
        });
    }

    fn refuse(&mut self, record: &Refused) {
        let reason = cut(&record.reason, REASON);
        let reason = format!("partition {} offset {}: {reason}", record.partition, record.offset);
        self.refused = RefusedRecords { count: self.refused.count + 1, last: reason };
    }
}

/// A trigger for which a sink has no room yet, and the index of the sink.
struct Waiting {
    /// Holds the frontier back, and so the sources, until there is room.
    _capability: Capability<Epoch>,
    fired: Fired,
    sink: usize,
}

/// Sinks of triggers, and other receivers.
pub struct TriggerOutput {
    /// The sinks; open on worker 0 only.
    pub sinks: Rc<TriggerSinks>,
    /// To the rules feed: numbers of firings by rule (worker 0).
    pub effects: Option<EffectSender>,
    /// Counts and latency.
    pub gauge: Rc<RefCell<SinkGauge>>,
    /// Ends the process if a sink fails for good.
    pub exit: ExitHandle,
}

impl TriggerOutput {
    /// Sends a trigger to the sinks from the given one on. Returns the one that is full, to be tried again.
    fn send(&self, fired: &Fired, from: usize) -> Option<usize> {
        self.sinks.send(fired, from).unwrap_or_else(|error| self.exit.end(error))
    }

    /// Passes lines on to the system; returns whether it takes them all.
    fn flush(&self) -> bool {
        self.sinks.flush().unwrap_or_else(|error| self.exit.end(error))
    }
}

/// Sends triggers to the sinks, in order. All triggers are exchanged to worker 0. A full sink holds back the
/// frontier; one that has failed for good ends the process.
pub fn triggers(fired: StreamVec<'_, Epoch, Fired>, output: TriggerOutput, probe: &ProbeHandle<Epoch>) {
    let scope = fired.scope();
    let to_first = Exchange::new(|_: &Fired| 0);
    fired
        .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(to_first, "sink.triggers", move |_, info| {
            let activator = scope.activator_for(info.address);
            let mut waiting: VecDeque<Waiting> = VecDeque::new();
            move |input, _output| {
                let mut counts: BTreeMap<String, u64> = BTreeMap::new();
                input.for_each(|time, batch| {
                    for fired in batch.drain(..) {
                        *counts.entry(fired.rule_id.clone()).or_default() += 1;
                        let full = if waiting.is_empty() { output.send(&fired, 0) } else { Some(0) };
                        output.gauge.borrow_mut().trigger(&fired);
                        if let Some(sink) = full {
                            waiting.push_back(Waiting { _capability: time.retain(0), fired, sink });
                        }
                    }
                });
                while let Some(first) = waiting.front_mut() {
                    match output.send(&first.fired, first.sink) {
                        Some(sink) => {
                            first.sink = sink;
                            break;
                        }
                        None => drop(waiting.pop_front()),
                    }
                }
                let full = !waiting.is_empty();
                output.gauge.borrow_mut().full = full;
                if !output.flush() || full {
                    activator.activate_after(FULL);
                }
                if let (Some(effects), false) = (&output.effects, counts.is_empty()) {
                    effects.send(Effect::Fired(counts.into_iter().collect()));
                }
            }
        })
        .probe_with(probe);
}

/// Writes refused records, each as one line of JSON. All records are exchanged to worker 0; what can't be
/// written yet holds back the frontier, and a file that fails for good ends the process.
pub fn refused(
    refused: StreamVec<'_, Epoch, Refused>,
    mut out: LineWriter,
    gauge: Rc<RefCell<SinkGauge>>,
    probe: &ProbeHandle<Epoch>,
    exit: ExitHandle,
) {
    let scope = refused.scope();
    let to_first = Exchange::new(|_: &Refused| 0);
    refused
        .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(to_first, "sink.dead_letters", move |_, info| {
            let activator = scope.activator_for(info.address);
            let mut waiting: VecDeque<(Capability<Epoch>, Refused)> = VecDeque::new();
            move |input, _output| {
                input.for_each(|time, batch| {
                    waiting.extend(batch.drain(..).map(|record| (time.retain(0), record)));
                });
                while out.has_room()
                    && let Some((_, record)) = waiting.pop_front()
                {
                    // Plain text and numbers always serialize.
                    let line = serde_json::to_string(&record).unwrap_or_default();
                    out.line(&line).unwrap_or_else(|error| exit.end(TriggerSinkError::from(error)));
                    gauge.borrow_mut().refuse(&record);
                }
                let full = !waiting.is_empty();
                gauge.borrow_mut().refused_wait = full;
                let flushed = out.flush().unwrap_or_else(|error| exit.end(TriggerSinkError::from(error)));
                if !flushed || full {
                    activator.activate_after(FULL);
                }
            }
        })
        .probe_with(probe);
}

#[cfg(test)]
mod tests {
    use operators::model::ids::{Offset, PartitionId};

    use super::*;
    use crate::protocol::figures::OTHER;

    fn fired(rule: usize, key: &str) -> Fired {
        Fired {
            rule_id: format!("r{rule:05}"),
            name: "重".repeat(10_000),
            key: key.to_owned(),
            ..Fired::default()
        }
    }

    #[test]
    fn what_is_shown_of_many_rules_and_long_keys_stays_small() {
        let mut gauge = SinkGauge::default();
        for rule in 0..NAMED + 500 {
            gauge.trigger(&fired(rule, "k"));
        }
        let key = "\u{1}".repeat(900_000);
        (0..LATEST).for_each(|_| gauge.trigger(&fired(0, &key)));
        let reason = "x".repeat(5 << 20);
        gauge.refuse(&Refused {
            partition: PartitionId(0),
            offset: Offset(7),
            reason,
            sample: String::new(),
        });
        let numbers = gauge.numbers(&TriggerSinks::default()).unwrap();
        assert_eq!(numbers.counts.0[OTHER], 500);
        assert_eq!(numbers.by_rule().nth(1).map(|rule| (rule.rule_id, rule.triggers)), Some(("r00000", 13)));
        assert!(
            numbers.latest.iter().all(|trigger| trigger.rule.ends_with('…') && trigger.key.ends_with('…'))
        );
        let size = serde_json::to_string(&numbers).unwrap_or_default().len();
        assert!(size < 1 << 20, "{size} bytes");
    }

    #[test]
    fn start_up_is_left_out_of_the_latency_that_people_see() {
        let mut gauge = SinkGauge::default();
        let slow = || Fired { seen: wall_us() - 3_000_000, ..fired(0, "k") };
        gauge.trigger(&slow());
        let first = gauge.numbers(&TriggerSinks::default()).unwrap();
        assert_eq!((first.latency.count, first.latency_total.count), (0, 0));
        assert_eq!(first.buckets.counts.iter().sum::<u64>(), 1, "metrics have all");
        gauge.first = Instant::now().checked_sub(2 * WARM_UP);
        gauge.trigger(&Fired { seen: wall_us(), ..fired(0, "k") });
        let second = gauge.numbers(&TriggerSinks::default()).unwrap();
        assert_eq!((second.latency.count, second.latency_total.count), (1, 1));
        assert!(second.latency.p99 < 3_000.0, "{:?}", second.latency);
    }
}
