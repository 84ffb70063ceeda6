#!/bin/sh
# Stands for the strateye binary in the harness's tests: takes its arguments, prints figures as it would.
# STUB_FAULT: `differs` (fires otherwise with two processes), `loses` (reads too few events), `fails`, `mumbles`.
command=$1
[ "$command" = --version ] && { echo "strateye 0.0-stub"; exit 0; }
while [ $# -gt 0 ]; do
    case $1 in
    --processes) processes=$2 ;;
    --triggers) triggers=$2 ;;
    --events) events=$2 ;;
    esac
    shift
done
[ "$STUB_FAULT" = fails ] && { echo "no such luck" >&2; exit 1; }
[ "$STUB_FAULT" = mumbles ] && { echo "all is well"; exit 0; }
if [ "$command" = demo ]; then
    echo '{"events_per_second": 998.7, "cpu_cores": 0.5, "latency_ms": {"p50": 4.25, "p99": 21.0}, "more": true}'
    exit 0
fi
count=$(wc -l < "$events")
# A run over one event is the start-up alone.
if [ "$count" -eq 1 ]; then
    cpu=0.1
    memory=52428800
else
    cpu=0.5
    memory=104857600
    [ "$STUB_FAULT" = loses ] && count=$((count - 1))
fi
if [ "$processes" = 1 ]; then
    printf '%s\n' '{"rule_id":"a"}' '{"rule_id":"b"}' > "$triggers"
elif [ "$STUB_FAULT" = differs ]; then
    printf '%s\n' '{"rule_id":"b"}' '{"rule_id":"c"}' > "$triggers"
else
    printf '%s\n' '{"rule_id":"b"}' '{"rule_id":"a"}' > "$triggers"
fi
echo "{\"events\": $count, \"seconds\": 2.0, \"events_per_second\": 123456, \"cpu_seconds\": $cpu, \"triggers\": 2,"
echo " \"peak_memory_bytes\": $memory, \"keys\": 50}"
