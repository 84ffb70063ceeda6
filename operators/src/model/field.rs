//! Names of what an event carries, interned so that events hold values by position.

use hashbrown::HashMap;

/// A top-level field or property, by its position in the rule book's [`Fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(pub u16);

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

    /// Position in an event's values.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Top-level names, in the order of their positions.
pub const TOP_LEVEL: [&str; 6] = ["guid", "device_id", "ip", "session_id", "event_id", "event_time"];

/// The names a rule book reads. Everything else in an event is skipped when it is decoded.
///
/// Built in the order in which names are first asked for, so equal rules give equal positions in every process.
#[derive(Clone, Debug)]
pub struct Fields {
    names: Vec<String>,
    properties: HashMap<String, Field>,
}

impl Default for Fields {
    fn default() -> Self {
        Fields { names: TOP_LEVEL.iter().map(|n| (*n).to_owned()).collect(), properties: HashMap::new() }
    }
}

impl Fields {
    /// The field a rule means by `name`: a top-level field if there is one of that name, else a property.
    pub fn intern(&mut self, name: &str) -> Field {
        match TOP_LEVEL.iter().position(|n| *n == name) {
            Some(i) => Field(i as u16),
            None => self.intern_property(name),
        }
    }

    /// The property `name`, whatever the top-level fields are called. At most 65,529 properties can be told apart;
    /// the validator keeps rules far below.
    pub fn intern_property(&mut self, name: &str) -> Field {
        if let Some(field) = self.properties.get(name) {
            return *field;
        }
        let field = Field(self.names.len() as u16);
        self.names.push(name.to_owned());
        self.properties.insert(name.to_owned(), field);
        field
    }

    /// The property of that name, if any rule reads it.
    pub fn property(&self, name: &str) -> Option<Field> {
        self.properties.get(name).copied()
    }

    /// A field's name.
    pub fn name(&self, field: Field) -> &str {
        &self.names[field.index()]
    }

    /// A field's name, a property's told from a top-level field's by a prefix.
    pub fn path(&self, field: Field) -> String {
        let plain = self.name(field);
        if field.index() < TOP_LEVEL.len() { plain.to_owned() } else { format!("properties.{plain}") }
    }

    /// How many positions an event's values have.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never true: the top-level fields are always there.
    pub fn is_empty(&self) -> bool {
        false
    }
}
