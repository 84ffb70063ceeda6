//! Property tests: a stream decoder returns what `Decoder` returns, whatever it has read before; and it reads
//! usual records itself.

#![allow(clippy::unwrap_used)]

mod records;

use std::borrow::Cow;

use proptest::{collection::vec, prelude::*, sample::select};

use self::records::{NAMES, READ, changed, changes, object, usual_event};
use super::{DecodeError, Decoder, EventFormat, StreamDecoder};
use crate::model::{event::Event, field::Fields, value::Value};

fn fields() -> Fields {
    let mut fields = Fields::default();
    for name in READ {
        fields.intern_property(name);
    }
    fields
}

/// Whether two results are the same, down to the bits of floats and to which texts are borrowed.
fn same(a: &Result<Event<'_>, DecodeError>, b: &Result<Event<'_>, DecodeError>) -> bool {
    let same_value = |a: &Option<Value<'_>>, b: &Option<Value<'_>>| match (a, b) {
        (Some(Value::Float(a)), Some(Value::Float(b))) => a.to_bits() == b.to_bits(),
        (Some(Value::Text(a)), Some(Value::Text(b))) => {
            a == b && matches!(a, Cow::Borrowed(_)) == matches!(b, Cow::Borrowed(_))
        }
        (a, b) => a == b,
    };
    match (a, b) {
        (Ok(a), Ok(b)) => {
            (a.guid(), a.event_time, a.values.len(), a.unusable)
                == (b.guid(), b.event_time, b.values.len(), b.unusable)
                && a.values.iter().zip(&b.values).all(|(a, b)| same_value(a, b))
        }
        (a, b) => a.as_ref().err() == b.as_ref().err(),
    }
}

/// Decodes the records in their order, each twice; the second time its names are expected. Returns how many
/// were handed over.
fn check<R: AsRef<[u8]>>(decoder: &Decoder, records: &[R]) -> Result<u64, TestCaseError> {
    let fields = fields();
    let mut stream = StreamDecoder::new(decoder.clone(), fields.clone());
    for record in records.iter().flat_map(|record| [record, record]) {
        let record = record.as_ref();
        let (fast, present) = (stream.decode(record), decoder.decode(&fields, record));
        let text = String::from_utf8_lossy(record);
        prop_assert!(same(&fast, &present), "{text}\n{fast:?}\n{present:?}");
        fast.into_iter().for_each(|event| stream.recycle(event));
    }
    Ok(stream.unusual())
}

proptest! {
    #[test]
    fn usual_records_are_read_in_a_single_pass(records in vec(usual_event(), 1..6)) {
        prop_assert_eq!(check(&Decoder::of_milliseconds(), &records)?, 0);
    }

    #[test]
    fn objects_of_any_members_are_decoded_alike(records in vec(object(), 1..6)) {
        check(&Decoder::of_milliseconds(), &records)?;
    }

    #[test]
    fn changed_records_are_decoded_alike(records in vec((prop_oneof![usual_event(), object()], changes()), 1..6)) {
        let records: Vec<Vec<u8>> = records.iter().map(|(text, changes)| changed(text, changes)).collect();
        check(&Decoder::of_milliseconds(), &records)?;
    }

    #[test]
    fn names_of_a_deployment_are_decoded_alike(records in vec(object(), 1..6), names in vec(select(NAMES.to_vec()), 7)) {
        let name = |i: usize| vec![names[i].to_owned(), NAMES[i].to_owned()];
        let names = EventFormat {
            guid: name(0),
            device_id: name(1),
            ip: name(2),
            session_id: name(3),
            event_id: name(4),
            event_time: name(5),
            properties: name(6),
            ..EventFormat::of_milliseconds()
        };
        check(&Decoder::new(&names), &records)?;
    }

    #[test]
    fn any_bytes_are_decoded_alike(records in vec(vec(any::<u8>(), 0..80), 1..4)) {
        check(&Decoder::of_milliseconds(), &records)?;
    }
}

#[test]
fn a_record_cut_anywhere_is_decoded_alike() {
    let event = r#"{"guid":1001,"event_id":"search","ts":1766000000123,"properties":{"keyword":"重庆民宿","amt":25.5,"n":3}}"#;
    let records: Vec<&[u8]> = (0..=event.len()).map(|end| &event.as_bytes()[..end]).collect();
    assert_eq!(check(&Decoder::of_milliseconds(), &records).unwrap(), 2 * event.len() as u64);
}

#[test]
fn values_that_nest_deep_are_left_to_the_decoder_of_any_record() {
    let record = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"event_id":"pay","ts":5,"properties":{{"a":{open}{close},"n":{open}1{close}}}}}"#)
    };
    let unusual = |depths: &[usize]| {
        let records: Vec<String> = depths.iter().map(|depth| record(*depth)).collect();
        check(&Decoder::of_milliseconds(), &records).unwrap()
    };
    assert_eq!(unusual(&[1, 2, 7, 8]), 0);
    // Each record is decoded twice.
    assert_eq!(unusual(&[9, 63, 64, 65, 100_000]), 10);
}

#[test]
fn a_recycled_event_lends_its_memory_to_the_next() {
    let record = br#"{"event_id":"pay","event_time":5,"properties":{"keyword":"a","n":3}}"#;
    let mut stream = StreamDecoder::new(Decoder::of_milliseconds(), fields());
    let event = stream.decode(record).unwrap();
    let memory = event.values.as_ptr().addr();
    stream.recycle(event);
    let again = stream.decode(record).unwrap();
    assert_eq!(again.values.as_ptr().addr(), memory);
    assert!(same(&Ok(again), &Decoder::of_milliseconds().decode(&fields(), record)));
    // Fields that the record lacks are absent, whatever the event before had.
    let other = br#"{"event_id":"pay","event_time":5}"#;
    let mut stream = StreamDecoder::new(Decoder::of_milliseconds(), fields());
    let event = stream.decode(record).unwrap();
    stream.recycle(event);
    assert!(same(&stream.decode(other), &Decoder::of_milliseconds().decode(&fields(), other)));
}

#[test]
fn an_installed_set_of_fields_counts_from_the_next_record() {
    let record = br#"{"event_id":"pay","event_time":5,"properties":{"amt":2.5,"n":3}}"#;
    let (mut amt, mut n) = (Fields::default(), Fields::default());
    let (first, second) = (amt.intern("amt"), n.intern("n"));
    let mut stream = StreamDecoder::new(Decoder::of_milliseconds(), amt.clone());
    for (fields, field, value) in
        [(&amt, first, Value::Float(2.5)), (&n, second, Value::Int(3)), (&amt, first, Value::Float(2.5))]
    {
        stream.install(fields);
        for _ in 0..2 {
            let event = stream.decode(record).unwrap();
            assert_eq!((event.values.len(), event.get(field)), (fields.len(), Some(&value)));
        }
    }
    assert_eq!(stream.unusual(), 0);
}
