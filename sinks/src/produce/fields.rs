//! Extraction of the fields of an event that determine its record's key, partition and timestamp.
//!
//! Of a name that occurs twice the last value is used; of several spellings the first in the
//! order of `Wanted` that the event has.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Name of the object with the user-defined properties.
const PROPERTIES: &str = "properties";

/// A field to extract.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    names: Vec<String>,
    property: bool,
}

impl Wanted {
    /// The field with this name in the settings.
    pub(super) fn named(name: &str) -> Self {
        match name.strip_prefix("properties.") {
            Some(name) => Wanted { names: vec![name.to_owned()], property: true },
            None => Wanted { names: vec![name.to_owned(), camel_case(name)], property: false },
        }
    }

    /// The field with the time of the event.
    pub(super) fn event_time() -> Self {
        let names = ["event_time", "eventTime", "ts"].map(str::to_owned).to_vec();
        Wanted { names, property: false }
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// Reads the values of the wanted fields, as text; `None` if the line is no JSON object.
pub(super) fn read<'a>(line: &'a [u8], wanted: &[Wanted]) -> Option<Vec<Option<Cow<'a, str>>>> {
    let mut found = Found { wanted, values: vec![None; wanted.len()] };
    let mut json = serde_json::Deserializer::from_slice(line);
    Object { found: &mut found, properties: false }.deserialize(&mut json).ok()?;
    json.end().ok()?;
    Some(found.values.into_iter().map(|value| value.map(|(_, text)| text)).collect())
}

struct Found<'w, 'a> {
    wanted: &'w [Wanted],
    /// Value of each wanted field, with the rank of the name under which it was found.
    values: Vec<Option<(usize, Cow<'a, str>)>>,
}

impl<'a> Found<'_, 'a> {
    /// Whether any wanted field has this name.
    fn wants(&self, name: &str, property: bool) -> bool {
        self.wanted.iter().any(|w| w.property == property && w.names.iter().any(|n| n == name))
    }

    fn set(&mut self, name: &str, property: bool, raw: &'a str) {
        for (wanted, value) in self.wanted.iter().zip(&mut self.values) {
            let rank = wanted.names.iter().position(|n| n == name).filter(|_| wanted.property == property);
            // A null counts as absent, so it does not hide another spelling.
            if let (Some(rank), Some(text)) = (rank, scalar(raw))
                && value.as_ref().is_none_or(|(best, _)| rank <= *best)
            {
                *value = Some((rank, text));
            }
        }
    }
}

/// Content of a string, text of a number or boolean; `None` for anything else.
fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str::<Text<'_>>(raw).ok().map(|text| text.0),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

/// A string that is borrowed from the input unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Object<'f, 'w, 'a> {
    found: &'f mut Found<'w, 'a>,
    properties: bool,
}

impl<'a> DeserializeSeed<'a> for Object<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key::<Text<'a>>()? {
            if self.found.wants(&name, self.properties) {
                let raw = map.next_value::<&'a RawValue>()?.get();
                self.found.set(&name, self.properties, raw);
            } else if name == PROPERTIES && !self.properties {
                let raw = map.next_value::<&'a RawValue>()?.get();
                if raw.starts_with('{') {
                    let mut json = serde_json::Deserializer::from_str(raw);
                    // The raw value has been validated as JSON before.
                    Object { found: self.found, properties: true }.deserialize(&mut json).ok();
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str, field: &str) -> Option<String> {
        read(line.as_bytes(), &[Wanted::named(field)]).unwrap().remove(0).map(Cow::into_owned)
    }

    #[test]
    fn values_are_read_as_text_wherever_they_stand() {
        let line = r#"{"guid": 18446744073709551615, "deviceId": "a\n重", "ip": null, "properties": {"ip": "no", "amt": 25.50, "vip": true, "l": [1]}}"#;
        assert_eq!(one(line, "guid").unwrap(), "18446744073709551615");
        assert_eq!(one(line, "device_id").unwrap(), "a\n重");
        assert_eq!(one(line, "properties.amt").unwrap(), "25.50");
        assert_eq!(one(line, "properties.vip").unwrap(), "true");
        for missing in ["ip", "amt", "properties.l", "properties.guid", "session_id"] {
            assert_eq!(one(line, missing), None, "{missing}");
        }
    }

    #[test]
    fn the_last_of_two_and_the_first_spelling_count() {
        assert_eq!(one(r#"{"guid": 1, "guid": 2}"#, "guid").unwrap(), "2");
        assert_eq!(one(r#"{"device_id": "a", "deviceId": "b"}"#, "device_id").unwrap(), "a");
        assert_eq!(one(r#"{"deviceId": "b", "device_id": "a"}"#, "device_id").unwrap(), "a");
        assert_eq!(one(r#"{"device_id": null, "deviceId": "b"}"#, "device_id").unwrap(), "b");
        let time = |line: &str| {
            read(line.as_bytes(), &[Wanted::event_time()]).unwrap().remove(0).map(Cow::into_owned)
        };
        assert_eq!(time(r#"{"ts": 1, "event_time": 2}"#).unwrap(), "2");
        assert_eq!(time(r#"{"ts": 1}"#).unwrap(), "1");
    }

    #[test]
    fn whatever_is_no_object_is_broken() {
        for line in ["", "{", "[]", "7", r#"{"guid": 1} x"#, r#"{"guid": 1,}"#, "{\"guid\": \"\u{1}\"}"] {
            assert!(read(line.as_bytes(), &[Wanted::named("guid")]).is_none(), "{line}");
        }
        assert!(read(b"{\"guid\": \"\xff\"}", &[Wanted::named("guid")]).is_none());
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        assert!(read(deep.as_bytes(), &[Wanted::named("guid")]).is_none());
    }
}
