//! Tests that the events of the golden cases are decoded in a single pass.

use operators::model::{
    decode::{Decoder, StreamDecoder},
    field::Fields,
};
use strateye_tests::golden;

#[test]
fn events_of_golden_cases_are_decoded_in_a_single_pass_unless_they_nest() {
    let mut decoder = StreamDecoder::new(Decoder::default(), Fields::default());
    for case in golden::cases() {
        for line in &case.events {
            let before = decoder.unusual();
            decoder.decode(line.as_bytes()).unwrap();
            let nests = line.contains('[') || line.matches('{').count() > 2;
            assert_eq!(decoder.unusual() > before, nests, "{}: {line}", case.name);
        }
    }
}
