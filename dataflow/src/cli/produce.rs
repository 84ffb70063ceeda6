//! `strateye produce`: sends a file of events, or standard input, to a topic.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};
use sinks::produce::{PartitionBy, ProduceConfig, ProduceError, Produced, Producer, Timestamps};
use sources::events::{EventSource, FileSource, LineConfig, Next, ReadProgress, StreamSource};

use super::{
    CliError,
    options::{is_readable, settings},
};

/// Longest wait for the delivery of queued records, once all is read.
const ARRIVE: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(super) struct Produce {
    /// The events, one JSON object per line; - for standard input
    #[arg(long, value_name = "FILE|-")]
    events: PathBuf,
    /// The topic; it must exist
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Brokers to connect to first
    #[arg(long, value_name = "HOST:PORT,..")]
    brokers: Option<String>,
    /// Field whose value is the record's key: device_id, guid, ip, .. or properties.NAME; keys go to the
    /// partitions that the Java client chooses
    #[arg(long, value_name = "FIELD", default_value = "device_id")]
    key: String,
    /// Choose the partition by an integer field modulo M instead of the key, such as guid%12
    #[arg(long, value_name = "FIELD%M", value_parser = partition_by)]
    partition_by: Option<PartitionBy>,
    /// Timestamps of the records: the time of sending, or the event's own time
    #[arg(long, value_name = "event|now", default_value = "now", value_parser = timestamps)]
    timestamps: Timestamps,
    /// Highest number of lines per second, such as 5000/s; as fast as the brokers accept them if left out
    #[arg(long, value_name = "N/s", value_parser = rate)]
    rate: Option<f64>,
    /// Settings in TOML: brokers, topic and client options (TLS, SASL) of their `[kafka]`, unless given as
    /// options here
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Print the summary as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

fn partition_by(text: &str) -> Result<PartitionBy, CliError> {
    let parts = text.split_once('%').and_then(|(field, modulo)| {
        let modulo = modulo.parse::<u64>().ok().filter(|modulo| *modulo > 0)?;
        (!field.is_empty()).then(|| PartitionBy { field: field.to_owned(), modulo })
    });
    parts.ok_or_else(|| CliError::usage("write FIELD%M with an M of at least 1, such as guid%12"))
}

fn timestamps(text: &str) -> Result<Timestamps, CliError> {
    match text {
        "event" => Ok(Timestamps::Event),
        "now" => Ok(Timestamps::Now),
        _ => Err(CliError::usage("write event or now")),
    }
}

fn rate(text: &str) -> Result<f64, CliError> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse::<f64>().ok();
    // A lower rate would mean waits of hours.
    let number = number.filter(|rate| (0.001..=1e9).contains(rate));
    number.ok_or_else(|| CliError::usage("write a number of lines per second, such as 5000/s"))
}

/// Summary of a run.
struct Summary {
    produced: Produced,
    too_long: u64,
    by_partition: BTreeMap<i32, u64>,
    took: Duration,
}

impl Produce {
    pub(super) fn main(self) -> Result<(), CliError> {
        let config = self.config()?;
        let mut source = open(&self.events)?;
        let mut producer = Producer::open(config).map_err(wrong)?;
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent}% {msg}") {
            bar.set_style(style);
        }
        let begun = Instant::now();
        let sent = send(&mut *source, &mut producer, self.rate, &bar);
        let arrived = sent.and_then(|too_long| Ok((producer.flush(ARRIVE).map_err(wrong)?, too_long)));
        bar.finish_and_clear();
        let (produced, too_long) = arrived?;
        let by_partition = producer.delivered_by_partition();
        print(&Summary { produced, too_long, by_partition, took: begun.elapsed() }, self.json);
        Ok(())
    }

    fn config(&self) -> Result<ProduceConfig, CliError> {
        let settings = settings(self.config.as_deref())?;
        let kafka = settings.kafka();
        let missing =
            |what: &str| CliError::usage(format!("--{what} is missing: give it, or a --config with [kafka]"));
        let brokers = self.brokers.clone().or(kafka.map(|kafka| kafka.brokers.clone()));
        let topic = self.topic.clone().or(kafka.map(|kafka| kafka.topic.clone()));
        Ok(ProduceConfig {
            brokers: brokers.ok_or_else(|| missing("brokers"))?,
            topic: topic.ok_or_else(|| missing("topic"))?,
            key: self.key.clone(),
            timestamps: self.timestamps,
            partition_by: self.partition_by.clone(),
            options: kafka.map(|kafka| kafka.options.clone()).unwrap_or_default(),
        })
    }
}

fn wrong(error: ProduceError) -> CliError {
    match error {
        ProduceError::Setting { .. } | ProduceError::Topic { .. } => CliError::usage(error),
        _ => CliError::failed(error),
    }
}

fn open(events: &Path) -> Result<Box<dyn EventSource>, CliError> {
    if events == Path::new("-") {
        let stdin = StreamSource::stdin(LineConfig::default()).map_err(CliError::failed)?;
        return Ok(Box::new(stdin));
    }
    is_readable(events)?;
    Ok(Box::new(FileSource::open(events, LineConfig::default()).map_err(CliError::usage)?))
}

/// Sends every line that is not blank; returns the number of lines too long to be sent.
fn send(
    source: &mut dyn EventSource,
    producer: &mut Producer,
    rate: Option<f64>,
    bar: &ProgressBar,
) -> Result<u64, CliError> {
    let (begun, mut sent, mut too_long) = (Instant::now(), 0u64, 0);
    loop {
        let batch = match source.next(Duration::from_millis(200)).map_err(CliError::failed)? {
            Next::Batch(batch) => batch,
            Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => continue,
            Next::End => return Ok(too_long),
        };
        for record in &batch.records {
            let line = batch.record(record);
            if line.trim_ascii().is_empty() {
                continue;
            }
            if let Some(rate) = rate {
                let due = begun + Duration::from_secs_f64(sent as f64 / rate);
                // Waits for the requested pace.
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            producer.send_line(line).map_err(wrong)?;
            sent += 1;
        }
        for refused in &batch.refused {
            too_long += 1;
            tracing::warn!(line = refused.offset.next().0, "not sent: {}", refused.reason);
        }
        let ReadProgress { bytes, total } = source.progress();
        bar.set_length(total.unwrap_or(0));
        bar.set_position(bytes);
        bar.set_message(format!("{sent} lines"));
    }
}

impl Summary {
    fn json(&self) -> Json {
        let Produced {
            lines, bytes, without_key, broken, without_partition, without_time, delivered, ..
        } = self.produced;
        let seconds = self.took.as_secs_f64();
        json!({
            "lines": lines, "bytes": bytes, "delivered": delivered, "seconds": seconds,
            "lines_per_second": delivered as f64 / seconds.max(1e-9),
            "keyless": without_key, "broken": broken, "without_partition": without_partition,
            "without_time": without_time, "too_long": self.too_long, "partitions": self.by_partition,
        })
    }
}

#[expect(clippy::print_stdout, reason = "the summary is what the command was asked for")]
fn print(summary: &Summary, json: bool) {
    let all = summary.json();
    if json {
        println!("{all}");
        return;
    }
    let count = |name: &str| all[name].as_u64().unwrap_or(0);
    eprintln!(
        "{} lines ({} bytes) in {:.2} s ({:.0} lines/s)",
        count("delivered"),
        count("bytes"),
        summary.took.as_secs_f64(),
        all["lines_per_second"].as_f64().unwrap_or(0.0)
    );
    for (name, about) in [
        ("keyless", "without a key: spread over all partitions"),
        ("broken", "not JSON objects: sent as they are"),
        ("without_partition", "without the number that chooses the partition: chosen by their key"),
        ("without_time", "without a time of their own: the moment of sending taken"),
        ("too_long", "too long: not sent"),
    ] {
        if count(name) > 0 {
            eprintln!("{:>10}  {about}", count(name));
        }
    }
    for (partition, lines) in &summary.by_partition {
        eprintln!("{lines:>10}  in partition {partition}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_refused_with_what_to_write() {
        assert_eq!(partition_by("guid%12").unwrap(), PartitionBy { field: "guid".into(), modulo: 12 });
        for wrong in ["guid", "%3", "guid%0", "guid%x"] {
            assert!(partition_by(wrong).unwrap_err().to_string().contains("guid%12"), "{wrong}");
        }
        assert_eq!((rate("5000/s").unwrap(), rate("0.5").unwrap()), (5000.0, 0.5));
        for wrong in ["0/s", "-1", "fast", "inf", "nan"] {
            assert!(rate(wrong).unwrap_err().to_string().contains("5000/s"), "{wrong}");
        }
        assert_eq!(timestamps("event").unwrap(), Timestamps::Event);
        assert!(timestamps("then").is_err());
    }
}
