//! Opens the source of events of a worker.

use operators::model::{
    decode::Decoder,
    ids::{PartitionId, Positions},
};
use sources::events::{
    EventSource, FileSource, GeneratorConfig, GeneratorSource, KafkaSource, LineConfig, SortedSource,
    StreamSource,
};

use super::{
    events::Open,
    job::{Events, Job},
    meter::Lags,
};

/// Opener of a worker's source. A file or standard input is one partition, read by worker 0; the generator
/// has one per worker; of a topic worker w reads the partitions p with p mod workers = w.
pub(super) fn opener(job: &Job, worker: usize, peers: usize, lags: Lags) -> Open {
    let (events, max_records) = (job.events.clone(), job.batches.read);
    let decoder = Decoder::new(&job.fields);
    Box::new(move |resume: &Positions| {
        let at = |partition: PartitionId| resume.get(partition).unwrap_or_default();
        let first_offset = at(PartitionId(0));
        let lines = LineConfig { first_offset, max_records, ..LineConfig::default() };
        let source: Box<dyn EventSource> = match events.clone() {
            Events::File(path) if worker == 0 => Box::new(FileSource::open(&path, lines)?),
            Events::SortedFile(path) if worker == 0 => Box::new(SortedSource::open(&path, &decoder, lines)?),
            Events::Stdin if worker == 0 => Box::new(StreamSource::stdin(lines)?),
            Events::Generator(config) => Box::new(GeneratorSource::new(GeneratorConfig {
                rate: config.rate / peers as f64,
                partition: PartitionId(worker as u32),
                partitions: peers as u32,
                first_offset: at(PartitionId(worker as u32)),
                max_records,
                ..config
            })?),
            Events::Kafka(config) => {
                let source = KafkaSource::open(config, worker as u32, peers as u32, resume)?;
                // A source is opened successfully once.
                let _ = lags.set(source.lags());
                Box::new(source.in_batches_of(max_records))
            }
            Events::File(_) | Events::SortedFile(_) | Events::Stdin | Events::None => return Ok(None),
        };
        Ok(Some(source))
    })
}
