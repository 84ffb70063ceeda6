//! How events are written: names of their fields, the unit of their times, and what stands for no id.

use serde::{Deserialize, Serialize};

use super::{preset::Preset, time::TimeUnit};
use crate::{
    document::span::Span,
    model::{field::TOP_LEVEL, value::Value, zone::Zone},
};

/// The table `[fields]` of the settings. Of several names of a field, the first that an event carries counts; one
/// name may serve several fields. What is not written is that of the `preset`, or of events as the engine expects them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct EventFormat {
    /// Names of the user's id.
    pub guid: Vec<String>,
    /// Names of the device's id.
    pub device_id: Vec<String>,
    /// Names of the network address.
    pub ip: Vec<String>,
    /// Names of the session's id.
    pub session_id: Vec<String>,
    /// Names of the event's kind.
    pub event_id: Vec<String>,
    /// Names of the event's own time.
    pub event_time: Vec<String>,
    /// Names of the id of the message, by which one that is sent twice is recognized.
    pub message_id: Vec<String>,
    /// Names of the object that holds all properties.
    pub properties: Vec<String>,
    /// Unit of times that are numbers.
    pub event_time_unit: TimeUnit,
    /// Time zone of times that are texts without an offset. Without a zone these are refused.
    pub zone: Option<Zone>,
    /// Texts that stand for no id, besides the empty one and those of zeros and dashes only.
    pub absent: Vec<String>,
    /// How long a message is recognized when it is sent again.
    pub dedupe_for: Span,
}

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    preset: Option<Preset>,
    guid: Option<Vec<String>>,
    device_id: Option<Vec<String>>,
    ip: Option<Vec<String>>,
    session_id: Option<Vec<String>>,
    event_id: Option<Vec<String>>,
    event_time: Option<Vec<String>>,
    message_id: Option<Vec<String>>,
    properties: Option<Vec<String>>,
    event_time_unit: Option<TimeUnit>,
    zone: Option<Zone>,
    absent: Option<Vec<String>>,
    dedupe_for: Option<Span>,
}

impl From<Written> for EventFormat {
    fn from(written: Written) -> EventFormat {
        let base = written.preset.map_or_else(EventFormat::default, Preset::format);
        EventFormat {
            guid: written.guid.unwrap_or(base.guid),
            device_id: written.device_id.unwrap_or(base.device_id),
            ip: written.ip.unwrap_or(base.ip),
            session_id: written.session_id.unwrap_or(base.session_id),
            event_id: written.event_id.unwrap_or(base.event_id),
            event_time: written.event_time.unwrap_or(base.event_time),
            message_id: written.message_id.unwrap_or(base.message_id),
            properties: written.properties.unwrap_or(base.properties),
            event_time_unit: written.event_time_unit.unwrap_or(base.event_time_unit),
            zone: written.zone.or(base.zone),
            absent: written.absent.unwrap_or(base.absent),
            dedupe_for: written.dedupe_for.unwrap_or(base.dedupe_for),
        }
    }
}

impl Default for EventFormat {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        EventFormat {
            guid: names(&["guid"]),
            device_id: names(&["device_id", "deviceId"]),
            ip: names(&["ip"]),
            session_id: names(&["session_id", "sessionId"]),
            event_id: names(&["event_id", "eventId"]),
            event_time: names(&["event_time", "eventTime", "ts"]),
            message_id: names(&["message_id", "messageId", "insert_id", "$insert_id"]),
            properties: names(&["properties"]),
            event_time_unit: TimeUnit::Auto,
            zone: None,
            absent: names(&["null", "undefined", "[object Object]"]),
            dedupe_for: Span(10 * 60_000),
        }
    }
}

impl EventFormat {
    /// The default names, for events whose times are unix ms of any year.
    pub fn of_milliseconds() -> Self {
        EventFormat { event_time_unit: TimeUnit::Milliseconds, ..EventFormat::default() }
    }

    /// Names of the top-level fields, in the order of their positions.
    pub(super) fn top_level(&self) -> [&[String]; TOP_LEVEL.len()] {
        [
            &self.guid,
            &self.device_id,
            &self.ip,
            &self.session_id,
            &self.event_id,
            &self.event_time,
            &self.message_id,
        ]
    }
}

/// Texts that stand for no id.
#[derive(Clone, Debug)]
pub struct NoIds(Box<[Box<str>]>);

impl NoIds {
    pub(super) fn new(absent: &[String]) -> Self {
        NoIds(absent.iter().map(|text| text.as_str().into()).collect())
    }

    /// Whether a value is no id: 0, an empty text, one of zeros and dashes only, or one of the listed.
    #[inline]
    pub fn contain(&self, id: &Value<'_>) -> bool {
        match id {
            Value::Text(id) => {
                id.bytes().all(|byte| matches!(byte, b'0' | b'-'))
                    || self.0.iter().any(|absent| **absent == **id)
            }
            Value::Int(id) => *id == 0,
            Value::Float(id) => *id == 0.0,
            Value::Bool(_) | Value::Nested(_) => false,
        }
    }
}
