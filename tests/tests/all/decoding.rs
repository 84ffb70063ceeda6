//! Tests that the events of the golden cases are decoded in a single pass.

use operators::model::{
    decode::{Decoder, StreamDecoder},
    field::Fields,
};
use strateye_tests::golden;

#[test]
fn events_of_golden_cases_are_decoded_in_a_single_pass() {
    let mut decoder = StreamDecoder::new(Decoder::default(), Fields::default());
    for case in golden::cases() {
        for line in &case.events {
            decoder.decode(line.as_bytes()).unwrap();
            assert_eq!(decoder.unusual(), 0, "{}: {line}", case.name);
        }
    }
}
