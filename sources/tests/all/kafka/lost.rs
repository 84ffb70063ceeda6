//! Tests with positions that the topic no longer has, or never had.

use std::time::Duration;

use operators::model::ids::{PartitionId, Positions};
use rdkafka::{Offset, TopicPartitionList};
use strateye_sources::events::{EventSource, KafkaConfig, KafkaSource, Next, kafka::OnLost};

use super::scene::{self, Received, Writer, administer, eventually, position_of, topic};

/// Removes the records before `offset` from the first `partitions`.
fn remove_before(config: &KafkaConfig, partitions: i32, offset: i64) {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(&config.topic, partition, Offset::Offset(offset)).unwrap();
    }
    administer(config, async |admin, options| {
        let removed = admin.delete_records(&list, options).await.unwrap();
        removed.elements().iter().for_each(|element| element.error().unwrap());
    });
}

#[test]
fn a_position_outside_the_partition_is_an_error_or_reading_continues_at_the_oldest_record() {
    let config = topic("lost", 2);
    Writer::new(&config).numbers(0, 0..100);
    remove_before(&config, 1, 50);
    let opened = |config: &KafkaConfig, positions: [(u32, u64); 1]| {
        KafkaSource::open(config.clone(), 0, 1, &scene::positions(positions))
    };
    let error = opened(&config, [(0, 10)]).err().unwrap().to_string();
    for part in ["`lost` partition 0", "position 10 is lost", "50 to before 100", "retention", "`on_lost`"] {
        assert!(error.contains(part), "{error}");
    }
    let error = opened(&config, [(0, 101)]).err().unwrap().to_string();
    assert!(error.contains("position 101 is lost") && error.contains("created again"), "{error}");
    let error = opened(&config, [(2, 7)]).err().unwrap().to_string();
    for part in ["partition 2: position 7 is lost", "partitions 0 to 1", "`on_lost`"] {
        assert!(error.contains(part), "{error}");
    }
    for (position, begin) in [(50, 50), (100, 100)] {
        assert_eq!(position_of(&opened(&config, [(0, position)]).unwrap(), 0), begin);
    }
    let config = KafkaConfig { on_lost: OnLost::Earliest, ..config };
    for position in [10, 101] {
        let mut source = opened(&config, [(0, position)]).unwrap();
        let mut received = Received::default();
        received.until(&mut source, |received| received.is_caught_up(0, 0));
        assert_eq!(received.numbers(0), (50..100).collect::<Vec<_>>());
    }
    let source = opened(&config, [(2, 7)]).unwrap();
    assert_eq!(source.partitions(), [PartitionId(0), PartitionId(1)], "the lost partition is left out");
}

/// Deletes a topic, and waits until it is gone.
fn delete(config: &KafkaConfig) {
    administer(config, async |admin, options| {
        let deleted = admin.delete_topics(&[&config.topic], options).await.unwrap();
        deleted.into_iter().for_each(|topic| drop(topic.unwrap()));
    });
}

/// Reads until the source fails.
fn failure(source: &mut KafkaSource) -> String {
    let mut error = String::new();
    eventually("it fails", || {
        source.next(Duration::from_millis(50)).map_err(|failed| error = failed.to_string()).is_err()
    });
    error
}

#[test]
fn a_topic_that_is_gone_is_told_and_one_with_fewer_partitions_loses_the_others() {
    let config = topic("shrunk", 3);
    Writer::new(&config).numbers(0, 0..10);
    let mut source = scene::open(&config);
    let mut received = Received::default();
    received.until(&mut source, |received| received.count() == 10);
    assert_eq!(source.trouble(), None);
    delete(&config);
    eventually("the absence is told", || {
        source.next(Duration::from_millis(50)).unwrap();
        source.trouble().is_some_and(|trouble| trouble.contains("topic `shrunk` does not exist"))
    });
    scene::BROKER.topic("shrunk", 1);
    let error = failure(&mut source);
    for part in ["partition 1: position 0 is lost", "only partitions 0 to 0", "created again"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_topic_made_anew_that_ends_before_the_position_has_lost_it() {
    for (name, on_lost) in [("anew", OnLost::Fail), ("anew-earliest", OnLost::Earliest)] {
        let config = KafkaConfig { on_lost, ..topic(name, 1) };
        Writer::new(&config).numbers(0, 0..10);
        let mut source = scene::open(&config);
        let mut received = Received::default();
        received.until(&mut source, |received| received.count() == 10);
        delete(&config);
        scene::BROKER.topic(name, 1);
        Writer::new(&config).numbers(0, 100..103);
        match on_lost {
            OnLost::Fail => {
                let error = failure(&mut source);
                assert!(
                    error.contains("position 10 is lost, there are only records from 0 to before 3"),
                    "{error}"
                );
            }
            OnLost::Earliest => {
                received.until(&mut source, |received| received.count() == 13);
                assert_eq!(received.numbers(0)[10..], [100, 101, 102]);
            }
        }
    }
}

/// 20,000 records of 1,000 bytes in each of two partitions, of which the source has fetched a part when the
/// first 15,000 are removed from the first `lost` ones.
fn overtaken(name: &str, lost: i32, on_lost: OnLost) -> KafkaSource {
    let config = KafkaConfig { on_lost, max_prefetch_bytes: 1 << 20, ..topic(name, 2) };
    let writer = Writer::new(&config);
    for n in 0..20_000 {
        writer.queue(0, None, Some(&format!("{n:01000}")));
        writer.queue(1, None, Some(&format!("{n:01000}")));
    }
    writer.flush();
    let mut source = KafkaSource::open(config.clone(), 0, 1, &Positions::default()).unwrap();
    eventually("reading has begun", || {
        matches!(source.next(Duration::from_millis(50)).unwrap(), Next::Batch(_))
    });
    remove_before(&config, lost, 15_000);
    source
}

#[test]
fn a_reader_that_the_retention_overtakes_fails_after_its_last_record() {
    let mut source = overtaken("overtaken", 1, OnLost::Fail);
    let mut error = String::new();
    eventually("it fails", || match source.next(Duration::from_millis(50)) {
        Ok(Next::End) | Err(_) if !error.is_empty() => true,
        Ok(_) => false,
        Err(failed) => {
            error = failed.to_string();
            true
        }
    });
    let position = position_of(&source, 0);
    assert!((0..15_000).contains(&position));
    assert!(error.contains(&format!("partition 0: position {position} is lost")), "{error}");
    assert!(error.contains("15000 to before 20000"), "{error}");
    assert!(position_of(&source, 1) < 15_000, "it does not wait for the other partition's backlog");
    assert!(matches!(source.next(Duration::ZERO).unwrap(), Next::End));
}

#[test]
fn a_reader_that_the_retention_overtakes_may_continue_at_the_oldest_record() {
    for (name, lost) in [("skipped", 1), ("both-skipped", 2)] {
        let mut source = overtaken(name, lost, OnLost::Earliest);
        let begun = source.positions();
        let mut received = Received::default();
        received.until(&mut source, |received| (0..2).all(|partition| received.is_caught_up(partition, 0)));
        for partition in 0..2 {
            let mut expected = begun.get(PartitionId(partition)).unwrap().0;
            for (offset, _) in &received.records[&partition] {
                if *offset != expected {
                    assert!((*offset, expected < 15_000) == (15_000, true), "{expected} {offset}");
                    assert!(i64::from(partition) < i64::from(lost), "nothing else is lost or repeated");
                }
                expected = offset + 1;
            }
            assert_eq!(expected, 20_000);
            assert!(received.count() < 40_000 - 1000, "some were removed");
        }
    }
}
