//! Records: both decoders agree, an event is decoded again from what it says, and the engine takes any.

use operators::model::{
    decode::{Decoder, EventFormat, StreamDecoder},
    event::Event,
    field::{Field, Fields, TOP_LEVEL},
};
use serde_json::{Map, Value as Json, json};
use strateye_tests::{
    engine::{Engine, Layout},
    fuzz::fuzz,
    golden,
};

use super::{book, told_apart};

/// Inputs after which an engine is made anew: one that has seen an event of a far year drops most as late.
const LIFE: u32 = 500;

fn samples() -> Vec<Vec<u8>> {
    golden::cases().iter().flat_map(|case| &case.events).map(|line| line.as_bytes().to_vec()).collect()
}

/// Every way in which golden cases write events, and times of any year.
fn formats() -> Vec<EventFormat> {
    let mut formats = vec![EventFormat::of_milliseconds()];
    for format in golden::cases().iter().map(golden::Case::format) {
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}

/// The fields that golden rules read.
fn fields() -> Fields {
    let rules: Vec<Json> = golden::cases().into_iter().flat_map(|case| case.rules).collect();
    book(&rules).fields.clone()
}

/// An event as a record by the default names.
fn written(event: &Event<'_>, fields: &Fields) -> Vec<u8> {
    let mut record = Map::new();
    let mut properties = Map::new();
    for (at, value) in event.values.iter().enumerate() {
        let Some(value) = value else { continue };
        let place = if at < TOP_LEVEL.len() { &mut record } else { &mut properties };
        place.insert(fields.name(Field(at as u32)).to_owned(), value.json());
    }
    record.insert("properties".to_owned(), properties.into());
    Json::from(record).to_string().into_bytes()
}

/// What an event says, as JSON.
fn said(event: &Event<'_>) -> Json {
    let values: Vec<Json> =
        event.values.iter().map(|value| value.as_ref().map_or(Json::Null, |value| value.json())).collect();
    json!([event.event_time, values])
}

#[test]
fn records_of_any_bytes() {
    let fields = fields();
    let mut decoders: Vec<_> = formats()
        .iter()
        .map(|format| {
            let decoder = Decoder::new(format);
            let plain = EventFormat { absent: format.absent.clone(), ..EventFormat::of_milliseconds() };
            (decoder.clone(), StreamDecoder::new(decoder, fields.clone()), Decoder::new(&plain))
        })
        .collect();
    fuzz("records", 20_000, &samples(), |record| {
        for (general, stream, plain) in &mut decoders {
            let event = match (general.decode(&fields, record), stream.decode(record)) {
                (Ok(event), Ok(streamed)) => {
                    assert_eq!(
                        (event.event_time, &event.values, event.unusable),
                        (streamed.event_time, &streamed.values, streamed.unusable)
                    );
                    event
                }
                (Err(reason), Err(streamed)) => {
                    assert!(reason == streamed && !reason.to_string().is_empty(), "{reason} {streamed}");
                    continue;
                }
                (general, streamed) => panic!("{general:?} {streamed:?}"),
            };
            let record = written(&event, &fields);
            let reread = plain.decode(&fields, &record).unwrap();
            assert_eq!(said(&reread), said(&event), "{}", String::from_utf8_lossy(&record));
        }
    });
}

#[test]
fn events_of_any_text() {
    let rules: Vec<Json> = golden::cases().into_iter().flat_map(|case| case.rules).collect();
    let rules = told_apart(&rules);
    let engine = || {
        let layout = Layout { workers: 2, format: EventFormat::of_milliseconds(), ..Layout::default() };
        let mut engine = Engine::new(layout, 1);
        engine.put(&rules, 1, 0, &[]);
        engine
    };
    let (mut running, mut age) = (engine(), 0);
    fuzz("events", 5_000, &samples(), |record| {
        age += 1;
        if age % LIFE == 0 {
            running.end();
            running = engine();
        }
        running.event(0, &String::from_utf8_lossy(record));
        if age % 7 == 0 {
            running.apply_clocks();
        }
        running.triggers.clear();
    });
}
