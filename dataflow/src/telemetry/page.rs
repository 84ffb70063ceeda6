//! A page of metrics as OpenMetrics text.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

/// Names and values of a sample's labels.
pub(super) type Labels = Vec<(&'static str, String)>;

/// No labels.
pub(super) const BARE: Labels = Vec::new();

/// The label of a process.
pub(super) fn process(number: usize) -> Labels {
    vec![("process", number.to_string())]
}

/// Name, meaning and unit of a metric. The name contains neither the unit nor `_total`: both are added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<fn() -> Unit>,
}

/// A metric without a unit.
pub(super) const fn plain(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help, unit: None }
}

/// A metric in seconds.
pub(super) const fn seconds(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help, unit: Some(|| Unit::Seconds) }
}

/// A metric in bytes.
pub(super) const fn bytes(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help, unit: Some(|| Unit::Bytes) }
}

/// Writer of a page.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    /// Writes a gauge.
    pub(super) fn gauge<V: EncodeGaugeValue>(
        &mut self,
        metric: Metric,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        self.family(metric, MetricType::Gauge, samples, |encoder, value| encoder.encode_gauge(&value))
    }

    /// Writes a counter; `_total` is added to its name.
    pub(super) fn counter<V: EncodeCounterValue>(
        &mut self,
        metric: Metric,
        samples: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        self.family(metric, MetricType::Counter, samples, |encoder, value| {
            encoder.encode_counter::<NoLabelSet, V, f64>(&value, None)
        })
    }

    /// Writes a histogram: the sum, and the count of each bucket with its upper bound.
    pub(super) fn histogram(&mut self, metric: Metric, sum: f64, buckets: &[(f64, u64)]) -> fmt::Result {
        let count = buckets.iter().map(|(_, count)| count).sum();
        self.family(metric, MetricType::Histogram, [(BARE, ())], |encoder, ()| {
            encoder.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
        })
    }

    fn family<V>(
        &mut self,
        metric: Metric,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let unit = metric.unit.map(|unit| unit());
        let name = format!("strateye_{}", metric.name);
        let mut encoder = self.0.encode_descriptor(&name, metric.help, unit.as_ref(), kind)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                write(&mut encoder, value)?;
            } else {
                write(&mut encoder.encode_family(&labels)?, value)?;
            }
        }
        Ok(())
    }
}
