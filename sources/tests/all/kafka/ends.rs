//! Tests of when a partition is caught up, and of its lag.

use std::collections::BTreeMap;

use operators::model::ids::PartitionId;
use strateye_sources::events::{EventSource, KafkaSource};

use super::scene::{Received, Writer, eventually, no_lag, now, open, position_of, topic};

#[test]
fn idle_partitions_are_caught_up_again_and_again() {
    let config = topic("idle", 3);
    Writer::new(&config).numbers(1, 0..10);
    let mut source = open(&config);
    let mut received = Received::default();
    received.until(&mut source, |received| (0..3).all(|partition| received.is_caught_up(partition, 0)));
    assert_eq!(received.numbers(1), (0..10).collect::<Vec<_>>(), "not said before all was read");
    let since = now();
    received.until(&mut source, |received| (0..3).all(|partition| received.is_caught_up(partition, since)));
    assert!(received.caught_up.iter().all(|(_, at)| *at <= now()));
    assert_eq!(*source.lags().lock().unwrap(), [0, 1, 2].map(|partition| (PartitionId(partition), 0)).into());
}

#[test]
fn nothing_is_caught_up_while_records_wait() {
    let config = topic("waiting", 2);
    Writer::new(&config).numbers(0, 0..5000);
    let mut source = open(&config);
    let mut received = Received::default();
    received.until(&mut source, |received| received.count() > 0);
    let lags = source.lags();
    // By the next query for ends, the partition has been quiet for a while.
    let since = now();
    let waiting = 5000 - received.count() as i64;
    eventually("the lag is known", || lags.lock().unwrap().get(&PartitionId(0)) == Some(&waiting));
    eventually("a while passes", || now() > since + 2500);
    while received.count() < 5000 {
        received.read(&mut source);
        assert!(received.count() == 5000 || !received.is_caught_up(0, 0), "{} read", received.count());
    }
    received
        .until(&mut source, |received| received.is_caught_up(0, since) && received.is_caught_up(1, since));
    no_lag(&source, 2);
}

#[test]
fn markers_of_transactions_and_aborted_records_leave_nothing_to_read() {
    let config = topic("transactions", 3);
    let writer = Writer::transactional(&config);
    writer.transaction(0, 0..5, true);
    writer.transaction(0, 5..8, false);
    writer.transaction(1, 0..4, false);
    let mut source = open(&config);
    let mut received = Received::default();
    received.until(&mut source, |received| (0..3).all(|partition| received.is_caught_up(partition, 0)));
    assert_eq!(received.numbers(0), (0..5).collect::<Vec<_>>());
    assert_eq!(received.numbers(1), Vec::<u64>::new());
    assert_eq!((position_of(&source, 0), position_of(&source, 1)), (5, 0), "markers are not handed over");
    no_lag(&source, 3);

    writer.transaction(0, 8..10, true);
    writer.transaction(1, 4..6, true);
    // It can't begin before the markers of the previous transaction are written.
    writer.transaction(2, 0..1, false);
    let since = now();
    received.until(&mut source, |received| (0..3).all(|partition| received.is_caught_up(partition, since)));
    assert_eq!(received.numbers(0), [0, 1, 2, 3, 4, 8, 9]);
    assert_eq!(received.numbers(1), [4, 5]);

    let mut again = KafkaSource::open(config, 0, 1, &source.positions()).unwrap();
    let mut rest = Received::default();
    rest.until(&mut again, |received| (0..3).all(|partition| received.is_caught_up(partition, 0)));
    assert_eq!(rest.records, BTreeMap::new());
}
