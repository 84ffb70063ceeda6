//! Records that the brokers refused as too large, each sent again in a batch of its own.
//!
//! Brokers judge a batch as a whole, so a record may be refused for the size of the others. Only a record
//! that is refused in a batch of its own is left out.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rdkafka::{error::KafkaError, producer::ThreadedProducer, types::RDKafkaErrorCode};

use super::{
    config::KafkaSinkConfig,
    context::{Acknowledgements, Ledger, Oversized},
    error::KafkaSinkError,
    record,
};

/// Pause before a full queue is tried again.
const FULL: Duration = Duration::from_millis(10);

/// Starts the thread that sends the records of `oversized` again. It creates its client with the first
/// record, and ends when the sender of the channel is dropped.
///
/// # Errors
/// If the thread can't be started.
pub(super) fn start(
    config: &KafkaSinkConfig,
    ledger: &Arc<Ledger>,
    oversized: mpsc::Receiver<Oversized>,
) -> Result<(), KafkaSinkError> {
    let (config, ledger) = (config.clone(), Arc::clone(ledger));
    let run = move || {
        let mut producer = None;
        for record in oversized {
            if let Err(error) = send(&mut producer, &config, &ledger, &record) {
                ledger.fail(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
                return;
            }
        }
    };
    let spawned = thread::Builder::new().name("kafka-single".to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| KafkaSinkError::Fatal(error.to_string()))
}

fn send(
    producer: &mut Option<ThreadedProducer<Acknowledgements>>,
    config: &KafkaSinkConfig,
    ledger: &Arc<Ledger>,
    oversized: &Oversized,
) -> Result<(), KafkaError> {
    let producer = match producer {
        Some(producer) => producer,
        None => producer.insert(config.single().create_with_context(Acknowledgements::last(ledger))?),
    };
    let topic = &config.topic;
    while let Err((error, _)) = producer.send(record(topic, &oversized.trigger, oversized.number as usize)) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(error);
        }
        producer.poll(FULL);
    }
    Ok(())
}
