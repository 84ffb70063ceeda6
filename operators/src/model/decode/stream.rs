//! Decoder of the records of one reader, which learns how they are written.
//!
//! **Two decoders, one result.** A usual record is read in a single pass. Whatever that pass does not
//! understand in full makes it give up, and [`Decoder`] decodes the record from its first byte: escapes,
//! deep nesting, a name that occurs twice, a number that is not exact in a simple way, spaces other than one
//! behind a colon or comma, invalid UTF-8, and all that is not JSON. Checks of the fields, and all messages,
//! are `Decoder`'s in either case.
//!
//! **Invariants**
//! - For any record, [`StreamDecoder::decode`] returns what `Decoder::decode` returns.
//! - What is learned from records decides how fast others are decoded, never the result.
//! - Memory is bounded by the limits of [`names`](super::names).

use super::{
    Collected, DecodeError, Decoder, NoIds, json,
    names::{Names, Place},
    roles::Role,
    walk::Walk,
};
use crate::model::{
    event::Event,
    field::{Field, Fields, TOP_LEVEL},
    value::Value,
};

/// Decoder of many records by the same fields; several times as fast as [`Decoder`], which is immutable and
/// can be shared.
///
/// ```
/// use strateye_operators::model::{decode::{Decoder, StreamDecoder}, field::Fields, value::Value};
///
/// let mut fields = Fields::default();
/// let amount = fields.intern("amt");
/// let mut decoder = StreamDecoder::new(Decoder::default(), fields);
/// for line in [
///     r#"{"event_id": "pay", "event_time": 1766000000123, "guid": 7, "properties": {"amt": 2.5}}"#,
///     r#"{"event_id": "pay", "event_time": 1766000000124, "guid": 8, "properties": {"amt": 2.5, "n": 1e3}}"#,
/// ] {
///     let event = decoder.decode(line.as_bytes())?;
///     assert_eq!(event.get(amount), Some(&Value::Float(2.5)));
///     decoder.recycle(event);
/// }
/// // The second has a number with an exponent.
/// assert_eq!(decoder.unusual(), 1);
/// # Ok::<(), strateye_operators::model::decode::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct StreamDecoder {
    decoder: Decoder,
    fields: Fields,
    /// Names of top-level fields.
    top_level: Names<Meaning>,
    /// Names of properties, in an order per event id.
    properties: Names<Property>,
    /// Top-level names as properties of flat rows, in an order per event id.
    flat: Names<Property>,
    unusual: u64,
    /// Memory for the values of the next event.
    spare: Vec<Option<Value<'static>>>,
}

impl StreamDecoder {
    /// Makes a decoder whose events have a value for each of `fields` that a record carries.
    pub fn new(decoder: Decoder, fields: Fields) -> Self {
        StreamDecoder {
            decoder,
            fields,
            top_level: Names::default(),
            properties: Names::default(),
            flat: Names::default(),
            unusual: 0,
            spare: Vec::new(),
        }
    }

    /// Switches to `fields`. Takes effect with the next record.
    pub fn install(&mut self, fields: &Fields) {
        if self.fields != *fields {
            self.fields = fields.clone();
            (self.properties, self.flat) = (Names::default(), Names::default());
        }
    }

    /// Texts that stand for no id.
    pub fn no_ids(&self) -> &NoIds {
        self.decoder.no_ids()
    }

    /// Number of records since the start that were not read in a single pass, valid or not.
    pub fn unusual(&self) -> u64 {
        self.unusual
    }

    /// Decodes one record.
    ///
    /// # Errors
    /// If the record is no event.
    pub fn decode<'a>(&mut self, record: &'a [u8]) -> Result<Event<'a>, DecodeError> {
        match simdutf8::basic::from_utf8(record) {
            Ok(text) => self.decode_text(text),
            Err(_) => self.decode_unusual(record),
        }
    }

    /// Decodes one record of a text that is known to be UTF-8.
    ///
    /// # Errors
    /// If the record is no event.
    pub fn decode_text<'a>(&mut self, record: &'a str) -> Result<Event<'a>, DecodeError> {
        match self.read(record) {
            Some(found) => found.event(&self.decoder, &self.fields),
            None => self.decode_unusual(record.as_bytes()),
        }
    }

    #[cold]
    fn decode_unusual<'a>(&mut self, record: &'a [u8]) -> Result<Event<'a>, DecodeError> {
        self.unusual += 1;
        self.decoder.decode(&self.fields, record)
    }

    /// Takes back an event for its memory.
    pub fn recycle(&mut self, event: Event<'_>) {
        let mut values = event.values;
        values.clear();
        // Mapping a vector in place keeps its memory.
        self.spare = values.into_iter().map(|_| None).collect();
    }

    /// Reads a usual record.
    fn read<'a>(&mut self, record: &'a str) -> Option<Collected<'a>> {
        let StreamDecoder { decoder, fields, top_level, properties, flat, spare, .. } = self;
        let mut walk = Walk::new(record);
        let mut found = Collected::reusing(std::mem::take(spare), fields);
        let (mut place, mut more) = (Place::default(), walk.open()?);
        while more {
            match walk.name(top_level, &mut place, |name| Meaning::of(decoder.roles.of(name)))? {
                Meaning::Field(field) => put(&mut found.values, field, walk.scalar()?)?,
                Meaning::Fields(role) => {
                    let value = walk.scalar()?;
                    for (field, _) in role.fields() {
                        put(&mut found.values, field, value.clone())?;
                    }
                }
                Meaning::Properties if walk.pass_null() => {}
                Meaning::Properties => {
                    found.has_properties = true;
                    read_properties(properties, &mut walk, &mut found, |name| Property::of(name, fields))?;
                }
                Meaning::Other => drop(walk.value()?),
                Meaning::Unusual => return None,
            }
            more = walk.more()?;
        }
        if !walk.at_end() {
            return None;
        }
        if found.is_flat() && fields.len() > TOP_LEVEL.len() {
            let property = |name: &str| match decoder.roles.of(name).is_property() {
                true => Property::of(name, fields),
                false => Property::default(),
            };
            read_properties(flat, &mut Walk::new(record), &mut found, property)?;
        }
        Some(found)
    }
}

/// Meaning of a top-level name.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// One field.
    Field(Field),
    /// Several fields.
    Fields(Role),
    /// The object of properties.
    Properties,
    Other,
    /// The object of properties, and a field too.
    Unusual,
}

impl Meaning {
    /// Meaning of a name in that role.
    fn of(role: Role) -> Self {
        let mut fields = role.fields();
        match (role.is_properties, fields.next(), fields.next()) {
            (true, None, _) => Meaning::Properties,
            (true, Some(_), _) => Meaning::Unusual,
            (false, None, _) => Meaning::Other,
            (false, Some((field, _)), None) => Meaning::Field(field),
            (false, Some(_), Some(_)) => Meaning::Fields(role),
        }
    }
}

/// Meaning of a property's name.
#[derive(Clone, Copy, Debug, Default)]
struct Property {
    field: Option<Field>,
    /// Whether a path goes on behind it.
    is_beginning: bool,
}

impl Property {
    fn of(name: &str, fields: &Fields) -> Self {
        Property { field: fields.property(name), is_beginning: fields.is_beginning(name) }
    }
}

/// The value of a list or an object.
#[cold]
#[inline(never)]
fn nested(json: &str) -> Option<Value<'_>> {
    json::value(json)
}

/// Reads the properties of an object; `property` gives the meaning of a name.
#[inline(always)]
fn read_properties<'a>(
    names: &mut Names<Property>,
    walk: &mut Walk<'a>,
    found: &mut Collected<'a>,
    property: impl Fn(&str) -> Property,
) -> Option<()> {
    let Collected { values, objects, .. } = found;
    let mut place = match &values[Field::EVENT_ID.index()] {
        Some(Value::Text(event_id)) => names.beginning(event_id),
        _ => Place::default(),
    };
    let mut more = walk.open()?;
    while more {
        let before = walk.clone();
        let Property { field, is_beginning } = walk.name(names, &mut place, &property)?;
        let behind_name = walk.clone();
        let mut value = walk.value()?;
        if let Some(field) = field {
            if value.is_none() {
                value = nested(behind_name.until(walk));
            }
            put(values, field, value)?;
        }
        if is_beginning {
            objects.push((before.next_text()?.into(), behind_name.until(walk)));
        }
        more = walk.more()?;
    }
    Some(())
}

/// Keeps the value of a field. `None` if the field has one already, by the same or another name.
fn put<'a>(values: &mut [Option<Value<'a>>], field: Field, value: Option<Value<'a>>) -> Option<()> {
    let place = values.get_mut(field.index())?;
    if place.is_some() {
        return None;
    }
    *place = value;
    Some(())
}
