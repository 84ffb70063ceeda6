//! Routed batches: one that can be read gives records, and is read again as the same.

use operators::{
    model::{
        decode::Decoder,
        raw::RawBatch,
        routed::Routed,
        wire::{Codec, decode, encode},
    },
    ops::matcher::Matcher,
};
use strateye_tests::{engine, fuzz::fuzz, golden};

use super::book;

/// Batches of the golden events, by the checked codec.
fn samples() -> Vec<Vec<u8>> {
    let cases = golden::cases();
    let rules: Vec<_> = cases.iter().flat_map(|case| case.rules.clone()).collect();
    let mut matcher = Matcher::new(Decoder::default(), book(&rules), false);
    let sample = |lines: &[String]| {
        let batch: RawBatch = engine::batch(0, lines, &mut 0);
        let mut routed = Routed::default();
        matcher.batch(&batch, &mut routed, &mut Vec::new());
        let mut bytes = Vec::new();
        encode(&routed, Codec::Bytemuck, &mut bytes);
        bytes
    };
    cases.iter().flat_map(|case| case.events.chunks(3)).map(sample).collect()
}

#[test]
fn routed_batches_of_any_bytes() {
    fuzz("routed batches", 20_000, &samples(), |bytes| {
        let Some(batch) = decode(bytes, Codec::Bytemuck) else { return };
        for at in 0..batch.len() + 1 {
            if let Some(record) = batch.get(at) {
                record.values().for_each(drop);
            }
        }
        let mut again = Vec::new();
        encode(&batch, Codec::Bytemuck, &mut again);
        assert_eq!(decode(&again, Codec::Bytemuck), Some(batch));
    });
}
