//! Formats of events that other systems write.

use serde::{Deserialize, Serialize};

use super::{EventFormat, time::TimeUnit};
use crate::model::zone::Zone;

/// A system whose events are read as it writes them. Names that the settings give beside it count in place of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The calls `track`, `page` and `screen` of the [specification](https://segment.com/docs/connections/spec/common/) of
    /// Segment; a call without an event is one called like its type.
    Segment,
    /// Events as PostHog exports them, one JSON object each.
    PostHog,
    /// Enriched events of Snowplow as flat JSON. Its `event_id` is the id of the message; what happened is its
    /// `event_name`. Its times are UTC.
    Snowplow,
    /// Rows of the export of Google Analytics 4 to BigQuery. The parameters are a list of keys and values, which
    /// `any_of` asks.
    Ga4,
    /// Events of Sensors Analytics (神策).
    Sensors,
}

impl Preset {
    /// How such events are written.
    pub fn format(self) -> EventFormat {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        match self {
            Preset::Segment => EventFormat {
                guid: names(&["userId"]),
                device_id: names(&["anonymousId"]),
                event_id: names(&["event", "type"]),
                event_time: names(&["timestamp", "originalTimestamp"]),
                message_id: names(&["messageId"]),
                ..EventFormat::default()
            },
            Preset::PostHog => EventFormat {
                guid: names(&["distinct_id"]),
                event_id: names(&["event"]),
                event_time: names(&["timestamp"]),
                message_id: names(&["uuid"]),
                ..EventFormat::default()
            },
            Preset::Snowplow => EventFormat {
                guid: names(&["user_id"]),
                device_id: names(&["domain_userid", "network_userid"]),
                ip: names(&["user_ipaddress"]),
                session_id: names(&["domain_sessionid"]),
                event_id: names(&["event_name", "event"]),
                event_time: names(&["derived_tstamp", "collector_tstamp"]),
                message_id: names(&["event_id"]),
                zone: Some(Zone::utc()),
                ..EventFormat::default()
            },
            Preset::Ga4 => EventFormat {
                guid: names(&["user_id"]),
                device_id: names(&["user_pseudo_id"]),
                event_id: names(&["event_name"]),
                event_time: names(&["event_timestamp"]),
                event_time_unit: TimeUnit::Microseconds,
                message_id: Vec::new(),
                ..EventFormat::default()
            },
            Preset::Sensors => EventFormat {
                guid: names(&["distinct_id"]),
                device_id: names(&["anonymous_id"]),
                event_id: names(&["event", "type"]),
                event_time: names(&["time"]),
                message_id: names(&["_track_id"]),
                ..EventFormat::default()
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::model::{
        decode::Decoder,
        field::{Field, Fields},
        value::Value,
    };

    /// User, device, event, time, message and the value of a property.
    type Read =
        (Option<&'static str>, Option<&'static str>, &'static str, i64, Option<&'static str>, Value<'static>);

    fn check(settings: Json, lines: &[&str], property: &str, read: &[Read]) {
        let format: EventFormat = serde_json::from_value(settings).unwrap();
        let mut fields = Fields::default();
        let property = fields.intern(property);
        let decoder = Decoder::new(&format);
        assert_eq!(lines.len(), read.len());
        for (line, (guid, device, id, time, message, value)) in lines.iter().zip(read) {
            let event = decoder.decode(&fields, line.as_bytes()).unwrap();
            let text = |field| event.get(field).map(|value| value.text().into_owned());
            assert_eq!(text(Field::GUID).as_deref(), *guid, "{line}");
            assert_eq!(text(Field::DEVICE_ID).as_deref(), *device, "{line}");
            assert_eq!((event.event_id(), event.event_time), (*id, *time), "{line}");
            assert_eq!(text(Field::MESSAGE_ID).as_deref(), *message, "{line}");
            assert_eq!(event.get(property), Some(value), "{line}");
            assert_eq!(event.unusable, 0, "{line}");
        }
    }

    #[test]
    fn segment() {
        let lines = [
            r#"{"type":"track","event":"Order Completed","userId":"u-7","anonymousId":"a-1","messageId":"m-1","timestamp":"2026-11-01T00:00:00.250Z","context":{"ip":"192.0.2.7"},"properties":{"total":27.5}}"#,
            r#"{"type":"page","name":"Home","anonymousId":"a-1","messageId":"m-2","originalTimestamp":"2026-11-01T00:00:01Z","properties":{"total":0}}"#,
        ];
        let read = [
            (Some("u-7"), Some("a-1"), "Order Completed", 1_793_491_200_250, Some("m-1"), Value::Float(27.5)),
            (None, Some("a-1"), "page", 1_793_491_201_000, Some("m-2"), Value::Int(0)),
        ];
        check(json!({"preset": "segment"}), &lines, "total", &read);
    }

    #[test]
    fn posthog() {
        let lines = [
            r#"{"uuid":"0192-a","event":"$pageview","distinct_id":"u-7","timestamp":"2026-11-01T08:00:00+08:00","properties":{"$current_url":"/p/1","$ip":"192.0.2.7"}}"#,
        ];
        let read =
            [(Some("u-7"), None, "$pageview", 1_793_491_200_000, Some("0192-a"), Value::Text("/p/1".into()))];
        check(json!({"preset": "posthog"}), &lines, "$current_url", &read);
    }

    #[test]
    fn snowplow() {
        let lines = [
            r#"{"event":"unstruct","event_name":"add_to_cart","event_id":"c6ef3124","user_id":null,"domain_userid":"d-5","user_ipaddress":"192.0.2.7","derived_tstamp":"2026-11-01 00:00:00.250","page_url":"/p/1"}"#,
        ];
        let read = [(
            None,
            Some("d-5"),
            "add_to_cart",
            1_793_491_200_250,
            Some("c6ef3124"),
            Value::Text("/p/1".into()),
        )];
        check(json!({"preset": "snowplow"}), &lines, "page_url", &read);
    }

    #[test]
    fn ga4() {
        let lines = [
            r#"{"event_date":"20261101","event_timestamp":"1793491200250000","event_name":"purchase","user_id":"u-7","user_pseudo_id":"9.1","event_params":[{"key":"value","value":{"int_value":"3"}}],"platform":"WEB"}"#,
        ];
        let read =
            [(Some("u-7"), Some("9.1"), "purchase", 1_793_491_200_250, None, Value::Text("WEB".into()))];
        check(json!({"preset": "ga4"}), &lines, "platform", &read);
    }

    #[test]
    fn sensors() {
        let lines = [
            r#"{"_track_id":368823089,"type":"track","event":"PayOrder","distinct_id":"u-7","anonymous_id":"a-1","time":1793491200250,"properties":{"$ip":"192.0.2.7","amount":"9.90"}}"#,
        ];
        let read = [(
            Some("u-7"),
            Some("a-1"),
            "PayOrder",
            1_793_491_200_250,
            Some("368823089"),
            Value::Text("9.90".into()),
        )];
        check(json!({"preset": "sensors"}), &lines, "amount", &read);
    }

    #[test]
    fn what_is_written_counts_in_place_of_the_preset() {
        let line = r#"{"type":"track","event":"Order Completed","userId":"u-7","timestamp":1793491200,"account":"k-1","properties":{"n":1}}"#;
        let read = [(Some("k-1"), None, "Order Completed", 1_793_491_200_000, None, Value::Int(1))];
        check(json!({"preset": "segment", "guid": ["account"]}), &[line], "n", &read);
        let fault = serde_json::from_value::<EventFormat>(json!({"preset": "mixpanel"})).unwrap_err();
        assert!(fault.to_string().contains("`sensors`"), "{fault}");
    }
}
