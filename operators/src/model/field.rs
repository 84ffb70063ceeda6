//! Interned names of top-level fields and properties, so that events hold values by position.

use hashbrown::{HashMap, HashSet};

/// A top-level field or property, by its position in the rule book's [`Fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(pub u32);

impl Field {
    /// `guid`
    pub const GUID: Field = Field(0);
    /// `device_id`
    pub const DEVICE_ID: Field = Field(1);
    /// `ip`
    pub const IP: Field = Field(2);
    /// `session_id`
    pub const SESSION_ID: Field = Field(3);
    /// `event_id`
    pub const EVENT_ID: Field = Field(4);
    /// `event_time`
    pub const EVENT_TIME: Field = Field(5);
    /// `message_id`
    pub const MESSAGE_ID: Field = Field(6);

    /// Position in an event's values.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Names of the top-level fields, in the order of their positions.
pub const TOP_LEVEL: [&str; 7] =
    ["guid", "device_id", "ip", "session_id", "event_id", "event_time", "message_id"];

/// The names that a rule book reads. Everything else in an event is skipped when it is decoded.
///
/// Positions follow the order in which names are interned, so the same rules in the same order give the same
/// positions in every process.
///
/// A property with dots in its name is a path, too: `a.b.c` is the member of that name, or `c` of what is called
/// `a.b`, or `b.c` of what is called `a`, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    names: Vec<String>,
    properties: HashMap<String, Field>,
    /// Properties with dots in their names.
    paths: Vec<Field>,
    /// What stands before a dot in the name of some property.
    beginnings: HashSet<String>,
}

impl Default for Fields {
    fn default() -> Self {
        Fields {
            names: TOP_LEVEL.iter().map(|n| (*n).to_owned()).collect(),
            properties: HashMap::new(),
            paths: Vec::new(),
            beginnings: HashSet::new(),
        }
    }
}

impl Fields {
    /// Interns `name`, as rules write it everywhere: the top-level field of that name if there is one, else the
    /// property; with `properties.` before it the property in any case.
    pub fn intern(&mut self, name: &str) -> Field {
        match (TOP_LEVEL.iter().position(|n| *n == name), name.strip_prefix("properties.")) {
            (Some(i), _) => Field(i as u32),
            (None, Some(property)) => self.intern_property(property),
            (None, None) => self.intern_property(name),
        }
    }

    /// Interns the property `name`, even if a top-level field has the same name.
    pub fn intern_property(&mut self, name: &str) -> Field {
        if let Some(field) = self.properties.get(name) {
            return *field;
        }
        let field = Field(self.names.len() as u32);
        self.names.push(name.to_owned());
        self.properties.insert(name.to_owned(), field);
        if name.contains('.') {
            self.paths.push(field);
            self.beginnings.extend(name.match_indices('.').map(|(dot, _)| name[..dot].to_owned()));
        }
        field
    }

    /// Properties whose names are paths.
    pub fn paths(&self) -> &[Field] {
        &self.paths
    }

    /// Whether a path goes on behind a member of that name.
    pub fn is_beginning(&self, name: &str) -> bool {
        self.beginnings.contains(name)
    }

    /// Adds the properties of `other`, in the order of their positions; gives the position here of each field
    /// of `other`, by its position there.
    pub fn adopt(&mut self, other: &Fields) -> Vec<Field> {
        let top = (0..TOP_LEVEL.len() as u32).map(Field);
        let properties = other.names[TOP_LEVEL.len()..].iter().map(|name| self.intern_property(name));
        top.chain(properties).collect()
    }

    /// The property of that name, if a rule reads it.
    pub fn property(&self, name: &str) -> Option<Field> {
        self.properties.get(name).copied()
    }

    /// Name of a field.
    pub fn name(&self, field: Field) -> &str {
        &self.names[field.index()]
    }

    /// Name of a field; a property has the prefix `properties.`.
    pub fn path(&self, field: Field) -> String {
        let plain = self.name(field);
        if field.index() < TOP_LEVEL.len() { plain.to_owned() } else { format!("properties.{plain}") }
    }

    /// Number of values in an event.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Always false: the top-level fields are always present.
    pub fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adopted_fields_keep_their_order_and_what_is_there_keeps_its_position() {
        let (mut book, mut rule) = (Fields::default(), Fields::default());
        for name in ["a", "b"] {
            book.intern(name);
        }
        // A property may be called like a top-level field.
        let mut named: Vec<Field> = ["c", "b", "d"].iter().map(|name| rule.intern(name)).collect();
        named.push(rule.intern_property("ip"));
        let positions = book.adopt(&rule);
        let adopted: Vec<u32> = named.iter().map(|field| positions[field.index()].0).collect();
        assert_eq!(adopted, [9, 8, 10, 11]);
        assert_eq!(positions[Field::IP.index()], Field::IP);
        assert_eq!(book.property("ip"), Some(Field(11)));
    }

    #[test]
    fn more_names_than_16_bits_can_tell_apart_have_positions_of_their_own() {
        let mut fields = Fields::default();
        for n in 0..70_000 {
            fields.intern_property(&n.to_string());
        }
        assert_eq!(fields.name(fields.property("69999").unwrap()), "69999");
        assert_eq!(fields.intern("65530"), Field(65_537));
        assert_eq!(fields.name(Field::GUID), "guid");
    }
}
