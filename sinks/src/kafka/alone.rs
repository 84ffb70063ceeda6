//! Records that the brokers refused as too large: each is sent again by itself.
//!
//! Brokers judge a batch as a whole, so what they refuse may be small and only have been in company. Only what is refused by itself is
//! left out.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rdkafka::{error::KafkaError, producer::ThreadedProducer, types::RDKafkaErrorCode};

use super::{
    config::KafkaSinkConfig,
    context::{Acknowledgements, Refused, Shared},
    error::KafkaSinkError,
    record,
};

/// Between two looks at a full queue.
const FULL: Duration = Duration::from_millis(10);

/// Starts the thread that sends what comes from there. It has a client from the first one on, and ends with the other end.
///
/// # Errors
/// If the system has no thread for it.
pub(super) fn start(
    config: &KafkaSinkConfig,
    shared: &Arc<Shared>,
    from: mpsc::Receiver<Refused>,
) -> Result<(), KafkaSinkError> {
    let (config, shared) = (config.clone(), Arc::clone(shared));
    let run = move || {
        let mut producer = None;
        for refused in from {
            if let Err(error) = send(&mut producer, &config, &shared, &refused) {
                shared.fail(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
                return;
            }
        }
    };
    let spawned = thread::Builder::new().name("kafka-alone".to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| KafkaSinkError::Fatal(error.to_string()))
}

fn send(
    producer: &mut Option<ThreadedProducer<Acknowledgements>>,
    config: &KafkaSinkConfig,
    shared: &Arc<Shared>,
    refused: &Refused,
) -> Result<(), KafkaError> {
    let producer = match producer {
        Some(producer) => producer,
        None => producer.insert(config.alone().create_with_context(Acknowledgements::last(shared))?),
    };
    let topic = &config.topic;
    while let Err((error, _)) = producer.send(record(topic, &refused.outgoing, refused.number as usize)) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(error);
        }
        producer.poll(FULL);
    }
    Ok(())
}
