//! How events are written: the table `[fields]` of the settings.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::duration::parse_duration;
use super::value::Value;

/// Names of fields, the unit of times, and texts that are no ids.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub(crate) guid: Vec<String>,
    pub(crate) device_id: Vec<String>,
    pub(crate) ip: Vec<String>,
    pub(crate) session_id: Vec<String>,
    pub(crate) event_id: Vec<String>,
    pub(crate) event_time: Vec<String>,
    pub(crate) message_id: Vec<String>,
    pub(crate) properties: Vec<String>,
    pub(crate) dedupe_for: i64,
    unit: String,
    zone: Option<TimeZone>,
    absent: Vec<String>,
}

impl Format {
    pub(crate) fn parse(fields: &Json) -> Self {
        let list = |name: &str, default: &[&str]| match fields[name].as_array() {
            Some(names) => names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect(),
            None => default.iter().map(|name| (*name).to_owned()).collect(),
        };
        Self {
            guid: list("guid", &["guid"]),
            device_id: list("device_id", &["device_id", "deviceId"]),
            ip: list("ip", &["ip"]),
            session_id: list("session_id", &["session_id", "sessionId"]),
            event_id: list("event_id", &["event_id", "eventId"]),
            event_time: list("event_time", &["event_time", "eventTime", "ts"]),
            message_id: list("message_id", &["message_id", "messageId", "insert_id", "$insert_id"]),
            properties: list("properties", &["properties"]),
            dedupe_for: parse_duration(fields["dedupe_for"].as_str().unwrap_or("10m")),
            unit: fields["event_time_unit"].as_str().unwrap_or("auto").to_owned(),
            zone: fields["zone"].as_str().map(|name| TimeZone::get(name).expect("a time zone")),
            absent: list("absent", &["null", "undefined", "[object Object]"]),
        }
    }

    /// Whether a name is one of a field, other than the id of the message, or of the object of properties.
    pub(crate) fn has_role(&self, name: &str) -> bool {
        [
            &self.guid,
            &self.device_id,
            &self.ip,
            &self.session_id,
            &self.event_id,
            &self.event_time,
            &self.properties,
        ]
        .iter()
        .any(|names| names.iter().any(|own| own == name))
    }

    /// Whether a text in place of an id says that there is none.
    pub(crate) fn is_no_id(&self, id: &str) -> bool {
        id.chars().all(|c| c == '0' || c == '-') || self.absent.iter().any(|absent| absent == id)
    }

    /// A time in unix ms; `None` if the value is no time.
    pub(crate) fn time(&self, value: &Value) -> Option<i64> {
        let time = match value {
            Value::Bool(_) | Value::List(..) | Value::Object(_) => return None,
            Value::Int(time) => self.in_milliseconds(*time as f64, Some(*time))?,
            Value::Float(time) => self.in_milliseconds(*time, None)?,
            Value::Text(text) => {
                if text.chars().all(|c| c.is_ascii_digit() || c == '.')
                    && let Ok(time) = text.parse::<f64>()
                {
                    self.in_milliseconds(time, text.parse().ok())?
                } else if let Ok(instant) = text.parse::<Timestamp>() {
                    instant.as_millisecond()
                } else {
                    let local: DateTime = text.parse().ok()?;
                    local.to_zoned(self.zone.clone()?).ok()?.timestamp().as_millisecond()
                }
            }
        };
        (time >= 0).then_some(time)
    }

    /// A number as a time; `exact` is its value if it is an integer.
    fn in_milliseconds(&self, time: f64, exact: Option<i128>) -> Option<i64> {
        // 2000 to 2100.
        let fits = |factor: f64| (946_684_800.0 * factor..4_133_980_800.0 * factor).contains(&time);
        let unit = match self.unit.as_str() {
            "auto" if fits(1.0) => "s",
            "auto" if fits(1e3) => "ms",
            "auto" if fits(1e6) => "us",
            "auto" if fits(1e9) => "ns",
            "auto" => return None,
            unit => unit,
        };
        let whole = exact.unwrap_or(time as i128);
        let milliseconds = match unit {
            "s" if exact.is_none() && time < 4_133_980_800.0 => (time * 1_000.0) as i128,
            "s" => whole * 1_000,
            "ms" => whole,
            "us" => whole / 1_000,
            "ns" => whole / 1_000_000,
            other => panic!("no unit: {other}"),
        };
        // Before the year 10000.
        let in_range = time >= 0.0 && whole <= i128::from(i64::MAX) && milliseconds < 253_402_300_800_000;
        in_range.then(|| i64::try_from(milliseconds).ok())?
    }
}
