//! Property tests: lines equal a naive split, for any chunking.

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;

/// Reader that returns the data in chunks of the given sizes, repeated cyclically.
struct Chunks<'a> {
    data: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Chunks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn.is_multiple_of(7) {
            return Err(ErrorKind::Interrupted.into());
        }
        let size = self.sizes[self.turn % self.sizes.len()].min(self.data.len()).min(into.len());
        into[..size].copy_from_slice(&self.data[..size]);
        self.data = &self.data[size..];
        Ok(size)
    }
}

type Taken = (Vec<(u64, Vec<u8>)>, Vec<(u64, u64)>);

fn read_all(mut lines: Lines<impl Read>) -> Taken {
    let (mut records, mut refused) = (Vec::new(), Vec::new());
    loop {
        match lines.step().unwrap() {
            Next::Batch(batch) => {
                assert!(batch.records.len() + batch.refused.len() <= lines.config.max_records);
                assert!(batch.bytes.len() < lines.config.max_batch_bytes + lines.config.max_record_bytes);
                assert!(batch.read_at > 0);
                records.extend(batch.records.iter().map(|r| (r.offset.0, batch.record(r).to_vec())));
                for refusal in batch.refused {
                    assert!(refusal.sample.len() <= SAMPLE);
                    let length = refusal.reason.split(" has ").nth(1).unwrap().split(' ').next().unwrap();
                    refused.push((refusal.offset.0, length.parse().unwrap()));
                }
            }
            Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
            Next::End => {
                assert!(matches!(lines.step().unwrap(), Next::End));
                return (records, refused);
            }
        }
    }
}

fn naive(data: &[u8], max: usize, first: u64) -> Taken {
    let (mut records, mut refused) = (Vec::new(), Vec::new());
    let mut parts: Vec<&[u8]> = data.split(|b| *b == b'\n').collect();
    if parts.last().is_some_and(|p| p.is_empty()) {
        parts.pop();
    }
    for (offset, part) in parts.into_iter().enumerate() {
        let line = part.strip_suffix(b"\r").unwrap_or(part);
        let offset = offset as u64;
        if offset < first || line.is_empty() {
        } else if line.len() > max {
            refused.push((offset, line.len() as u64));
        } else {
            records.push((offset, line.to_vec()));
        }
    }
    (records, refused)
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..12),
        2 => (0usize..80).prop_map(|n| vec![b'x'; n]),
        1 => (3000usize..9000).prop_map(|n| "民".repeat(n / 3).into_bytes()),
        1 => Just(Vec::new()),
    ];
    let end = prop_oneof![4 => Just("\n"), 2 => Just("\r\n"), 1 => Just("\r"), 1 => Just("")];
    prop::collection::vec((line, end), 0..30).prop_map(|parts| {
        parts.into_iter().flat_map(|(line, end)| [line, end.as_bytes().to_vec()].concat()).collect()
    })
}

proptest! {
    #[test]
    fn any_chunking_equals_a_naive_split(
        data in text(),
        sizes in prop::collection::vec(1usize..6000, 1..6),
        max_record_bytes in prop_oneof![1usize..40, 4000usize..7000],
        max_records in 1usize..9,
        max_batch_bytes in prop_oneof![1usize..50, Just(8192usize)],
        first_offset in prop_oneof![3 => Just(0u64), 1 => 0u64..20],
    ) {
        let config = LineConfig {
            partition: PartitionId(3),
            first_offset: Offset(first_offset),
            max_records,
            max_batch_bytes,
            max_record_bytes,
        };
        let lines = Lines::new(Chunks { data: &data, sizes, turn: 0 }, "test".into(), config).unwrap();
        prop_assert_eq!(read_all(lines), naive(&data, max_record_bytes, first_offset));
    }
}

#[test]
fn a_line_that_is_too_long_is_never_held() {
    let data = [vec![b'a'; 40 << 20], b"\nshort".to_vec()].concat();
    let config = LineConfig { max_record_bytes: 1000, ..LineConfig::default() };
    let mut lines = Lines::new(data.as_slice(), "test".into(), config).unwrap();
    let mut refused = Vec::new();
    loop {
        match lines.step().unwrap() {
            Next::Batch(batch) => refused.extend(batch.refused),
            Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
            Next::End => break,
        }
        assert_eq!(lines.buffer.len(), MAX_BATCH_BYTES);
    }
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].sample, "a".repeat(512));
    assert!(
        refused[0].reason.starts_with("line 1 has 41943040 bytes, more than the 1000 of `max_record_bytes`")
    );
}

#[test]
fn a_sample_is_text_within_its_bounds() {
    assert_eq!(sample(b"ab\xffc"), "ab\u{fffd}c");
    assert_eq!(sample("民".repeat(400).as_bytes()).len(), 510);
    assert!(sample(&[0xff; 600]).len() <= SAMPLE);
}

#[test]
fn settings_out_of_range_are_refused() {
    let config = LineConfig { max_records: 0, ..LineConfig::default() };
    let error = Lines::new(io::empty(), "test".into(), config).unwrap_err();
    assert_eq!(error.to_string(), "`max_records` is 0; write a number from 1 to 1073741824");
}
