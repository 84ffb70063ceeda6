use std::time::{Duration, Instant};

use operators::model::ids::{CheckpointNumber, IngestTime, PartitionId};

use super::*;
use crate::{
    protocol::{
        figures::{
            ByRule, CheckpointFigures, LatencyBuckets, RuleFigure, RuleNumbers, SinkFigures, SpoolFigures,
        },
        numbers::SinkNumbers,
    },
    telemetry::Expected,
};

fn board() -> Board {
    Board::new(Expected {
        processes: 0..1,
        checkpoint_within: None,
        epoch: Duration::from_millis(50),
        supervised: true,
    })
}

fn page(numbers: Numbers) -> String {
    let board = board();
    board.status().take(numbers, Instant::now());
    write(&board).unwrap()
}

#[test]
fn units_kinds_and_labels_stand_as_openmetrics_has_them() {
    let mut counts = ByRule::default();
    counts.add("say \"a\\b\"\nend", 3);
    let mut buckets = LatencyBuckets::default();
    buckets.record(1_500);
    let figures = SinkFigures {
        sink: "0-webhook".into(),
        queued: 4,
        dead: 2,
        spool: Some(SpoolFigures { breaker: 2, triggers: 3, bytes: 900, full: 0 }),
        ..SinkFigures::default()
    };
    let sink = SinkNumbers { triggers: 3, counts, buckets, sinks: vec![figures], ..SinkNumbers::default() };
    let page = page(Numbers {
        records: 7,
        cpu_seconds: 1.5,
        epochs_behind: 3,
        lags: [(PartitionId(5), 9)].into(),
        split_keys: [("ip".to_owned(), 6)].into(),
        sink: Some(sink),
        checkpoint: Some(CheckpointFigures {
            number: CheckpointNumber(12),
            took_ms: 250,
            ..CheckpointFigures::default()
        }),
        rules: Some(RuleNumbers {
            paused: 1,
            each: vec![RuleFigure { rule_id: "r".into(), version: 2, state: "paused".into() }],
            ..RuleNumbers::default()
        }),
        ..Numbers::default()
    });
    for line in [
        "# TYPE strateye_events counter",
        "strateye_events_total{process=\"0\"} 7",
        "# UNIT strateye_cpu_seconds seconds",
        "strateye_cpu_seconds_total{process=\"0\"} 1.5",
        "strateye_split_keys_total{process=\"0\",key_by=\"ip\"} 6",
        "strateye_kafka_lag{process=\"0\",partition=\"5\"} 9",
        "strateye_rule_triggers_total{rule=\"say \\\"a\\\\b\\\"\\nend\"} 3",
        "strateye_trigger_latency_seconds_bucket{le=\"0.0025\"} 1",
        "strateye_trigger_latency_seconds_bucket{le=\"+Inf\"} 1",
        "strateye_trigger_latency_seconds_sum 0.0015",
        "strateye_sink_queued{sink=\"0-webhook\"} 4",
        "strateye_sink_dead_letters_total{sink=\"0-webhook\"} 2",
        "strateye_sink_breaker{sink=\"0-webhook\"} 2",
        "strateye_sink_spooled{sink=\"0-webhook\"} 3",
        "strateye_sink_spool_bytes{sink=\"0-webhook\"} 900",
        "strateye_checkpoint_number 12",
        "strateye_checkpoint_duration_seconds 0.25",
        "strateye_rules{state=\"paused\"} 1",
        "strateye_rule_info{rule=\"r\",version=\"2\",state=\"paused\"} 1",
        "strateye_restarts_total 0",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
    assert!(
        page.lines().any(|l| l.starts_with("strateye_epoch_delay_seconds{process=\"0\"} 0.15")),
        "{page}"
    );
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn every_family_is_there_before_any_message() {
    let count = |page: &str| page.lines().filter(|l| l.starts_with("# TYPE ")).count();
    let empty = write(&board()).unwrap();
    assert_eq!(count(&empty), count(&page(Numbers::default())));
    assert!(count(&empty) > 50);
}

#[test]
fn a_clock_that_nothing_is_known_of_has_no_lag_of_decades() {
    let numbers = |clock| Numbers {
        held_back_by: Some(PartitionId(3)),
        clock: IngestTime(clock),
        ..Numbers::default()
    };
    let page_of = |clock| page(numbers(clock));
    let page = page_of(i64::MIN);
    let lag = page.lines().find_map(|l| l.strip_prefix("strateye_timer_clock_lag_seconds{process=\"0\"} "));
    assert!(lag.unwrap().parse::<f64>().unwrap() < 60.0, "{page}");
    assert!(page_of(0).contains("strateye_timer_held_back{process=\"0\",partition=\"3\"} 1"));
}
