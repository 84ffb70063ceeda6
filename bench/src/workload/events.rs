//! The events of a workload, one JSON object per line.
//!
//! About 225 bytes each; their times ascend, 20 ms apart on average.

use std::io::Write as _;

use super::{
    Settings, Stream,
    draw::Draw,
    users::{Users, device},
    vocabulary::{
        CATEGORIES, CHANNELS, Carries, EVENT_TYPES, EventType, FREQUENCIES, HALVES, KEYWORDS,
        LONGEST_DURATION, PAGES, SYSTEMS,
    },
};

/// Time of the first event, unix ms.
pub const START: i64 = 1_760_000_000_000;
/// Upper bound of the time between two events (ms), twice its average.
const STEP: usize = 41;
/// Average time between two events, ms.
pub const MEAN_STEP: f64 = (STEP - 1) as f64 / 2.0;

/// Endless writer of events. The first `n` are the same however many are written.
#[derive(Debug)]
pub struct Events {
    users: Users,
    draw: Draw,
    time: i64,
}

impl Events {
    /// The events of a workload, from the first.
    pub fn new(settings: &Settings) -> Events {
        Events { users: settings.population(), draw: settings.draw(Stream::Events), time: START }
    }

    /// Appends the next event and a line break.
    pub fn write_next(&mut self, out: &mut Vec<u8>) {
        let draw = &mut self.draw;
        let guid = self.users.draw(draw);
        let kind = &EVENT_TYPES[FREQUENCIES.event_types.draw(draw)];
        let elsewhere = [1, 2, 0, 0, 0, 0, 0, 0, 0, 0];
        let ip = self.users.ip(guid, *draw.pick(&elsewhere));
        self.time += draw.below(STEP) as i64;
        // Writing into memory does not fail.
        let _ = write!(
            out,
            r#"{{"guid":{guid},"device_id":"{}","ip":"{ip}","event_id":"{}","ts":{},"properties":{{"page_id":"page_{:03}""#,
            device(guid),
            kind.id,
            self.time,
            FREQUENCIES.pages.draw(draw),
        );
        write_particulars(kind, draw, out);
        let _ = writeln!(
            out,
            r#","channel":"{}","os":"{}","refer":"page_{:03}","dur":{}}}}}"#,
            draw.pick(&CHANNELS),
            SYSTEMS[guid as usize % SYSTEMS.len()],
            draw.below(PAGES),
            draw.below(LONGEST_DURATION),
        );
    }
}

/// Appends the properties that only some kinds of events have.
fn write_particulars(kind: &EventType, draw: &mut Draw, out: &mut Vec<u8>) {
    if kind.carries == Carries::Keyword {
        let _ = write!(out, r#","keyword":"{}""#, KEYWORDS[FREQUENCIES.keywords.draw(draw)]);
    }
    if kind.has_item() {
        let item = FREQUENCIES.items.draw(draw);
        let _ = write!(out, r#","item":"item_{item:05}","cate":"{}""#, CATEGORIES[item % CATEGORIES.len()]);
    }
    if kind.has_amount() {
        let halves = draw.pick(&HALVES);
        let _ = write!(out, r#","amt":{}.{}"#, halves / 2, halves % 2 * 5);
    }
}
