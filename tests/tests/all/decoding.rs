//! Tests that the events of the golden cases are decoded in a single pass.

use operators::model::{
    decode::{Decoder, StreamDecoder},
    field::Fields,
};
use strateye_tests::golden;

#[test]
fn events_of_golden_cases_are_decoded_in_a_single_pass() {
    for case in golden::cases().iter().filter(|case| !case.name.starts_with("event-")) {
        let mut decoder = StreamDecoder::new(Decoder::new(&case.format()), Fields::default());
        for line in &case.events {
            decoder.decode(line.as_bytes()).unwrap();
            assert_eq!(decoder.unusual(), 0, "{}: {line}", case.name);
        }
    }
}
