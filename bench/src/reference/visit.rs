//! Visitors through which the JSON reader delivers an event.
//!
//! Invariant: serde's `IgnoredAny` is not used here, because the JSON reader skips it by recursion without a
//! limit; [`Skip`] has one.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::{
    Fields, Value,
    decode::{Collected, Decoder, Role},
};

/// Deepest nesting of arrays and objects in skipped values.
const MAX_DEPTH: u8 = 64;

/// Visitor of the event object.
pub(super) struct EventVisitor<'s, 'a> {
    pub(super) decoder: &'s Decoder,
    pub(super) fields: &'s Fields,
    pub(super) found: &'s mut Collected<'a>,
}

impl<'a> Visitor<'a> for EventVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(role) = map.next_key_seed(Name(|name: &str| self.decoder.role(name)))? {
            match role {
                Role::Field(field, rank) => {
                    let value = map.next_value_seed(Scalar { exact: true })?;
                    let best = &mut self.found.ranks[field];
                    if value.is_some() && rank <= *best {
                        *best = rank;
                        self.found.values[field] = value;
                    }
                }
                Role::Properties => {
                    map.next_value_seed(Properties { fields: self.fields, found: self.found })?
                }
                Role::Other => map.next_value_seed(Skip(MAX_DEPTH))?,
            }
        }
        Ok(())
    }
}

/// Visitor of a name, which maps it to its meaning.
struct Name<F>(F);

impl<'a, T, F: FnOnce(&str) -> T> DeserializeSeed<'a> for Name<F> {
    type Value = T;

    fn deserialize<D: serde::Deserializer<'a>>(self, json: D) -> Result<T, D::Error> {
        json.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Name<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<T, E> {
        Ok(self.0(name))
    }
}

/// Visitor of a value; `null`, arrays and objects give `None`.
struct Scalar {
    /// Whether an integer beyond 63 bits is kept exactly, as text, instead of as a float.
    exact: bool,
}

impl<'a> DeserializeSeed<'a> for Scalar {
    type Value = Option<Value<'a>>;

    fn deserialize<D: serde::Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Scalar {
    type Value = Option<Value<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Some(Value::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::Bool(bool)))
    }

    fn visit_i64<E>(self, int: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::Int(int)))
    }

    fn visit_u64<E>(self, int: u64) -> Result<Self::Value, E> {
        Ok(Some(match i64::try_from(int) {
            Ok(int) => Value::Int(int),
            Err(_) if self.exact => Value::Text(Cow::Owned(int.to_string())),
            Err(_) => Value::Float(int as f64),
        }))
    }

    fn visit_f64<E>(self, float: f64) -> Result<Self::Value, E> {
        Ok(float.is_finite().then_some(Value::Float(float)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Skip(MAX_DEPTH).visit_seq(seq).map(|()| None)
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Self::Value, A::Error> {
        Skip(MAX_DEPTH).visit_map(map).map(|()| None)
    }
}

/// Visitor of the object of properties; keeps those in `fields`.
struct Properties<'s, 'a> {
    fields: &'s Fields,
    found: &'s mut Collected<'a>,
}

impl Properties<'_, '_> {
    fn wrong(self, what: &'static str) {
        self.found.no_properties = Some(what);
    }
}

impl<'a> DeserializeSeed<'a> for Properties<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Properties<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Name(|name: &str| self.fields.property(name)))? {
            match field {
                Some(field) => {
                    let value = map.next_value_seed(Scalar { exact: false })?;
                    if let Some(place) = self.found.values.get_mut(field) {
                        *place = value;
                    }
                }
                None => map.next_value_seed(Skip(MAX_DEPTH))?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, seq: A) -> Result<(), A::Error> {
        self.wrong("an array");
        Skip(MAX_DEPTH).visit_seq(seq)
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.wrong("a text");
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.wrong("a boolean");
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.wrong("a number");
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.wrong("a number");
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.wrong("a number");
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Visitor that skips a value; the number is the depth of nesting still allowed.
struct Skip(u8);

impl Skip {
    fn inside<E: serde::de::Error>(&self) -> Result<u8, E> {
        self.0.checked_sub(1).ok_or_else(|| {
            E::custom(format_args!("arrays and objects nest deeper than {MAX_DEPTH}; write flat properties"))
        })
    }
}

impl<'a> DeserializeSeed<'a> for Skip {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while map.next_key_seed(Name(|_: &str| ()))?.is_some() {
            map.next_value_seed(Skip(inside))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while seq.next_element_seed(Skip(inside))?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
