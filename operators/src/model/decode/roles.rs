//! What top-level names mean.

use hashbrown::HashMap;

use super::format::EventFormat;
use crate::model::field::{Field, TOP_LEVEL};

/// Meaning of a top-level name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Role {
    /// Rank of the name among those of each top-level field; the least counts. [`NONE`] where it is no name of the
    /// field.
    ranks: [u8; TOP_LEVEL.len()],
    /// Whether it is the object of properties.
    pub(super) is_properties: bool,
}

/// Rank of a name that is no name of a field; of further names than there are ranks, too.
pub(super) const NONE: u8 = u8::MAX;

impl Role {
    const OTHER: Role = Role { ranks: [NONE; TOP_LEVEL.len()], is_properties: false };

    /// Whether the name is a property of a flat row: it serves no top-level field but the id of the message, which
    /// rules may read under its own name, nor holds the properties.
    pub(super) fn is_property(&self) -> bool {
        let mut role = *self;
        role.ranks[Field::MESSAGE_ID.index()] = NONE;
        role == Role::OTHER
    }

    /// The fields that the name serves, with its rank.
    pub(super) fn fields(&self) -> impl Iterator<Item = (Field, u8)> + use<> {
        let ranks = (0..).map(Field).zip(self.ranks);
        ranks.filter(|(_, rank)| *rank != NONE)
    }
}

/// Meanings of all names that have one.
#[derive(Clone, Debug)]
pub(super) struct Roles(HashMap<Box<str>, Role>);

impl Roles {
    pub(super) fn new(format: &EventFormat) -> Self {
        let mut roles: HashMap<Box<str>, Role> = HashMap::new();
        for (field, names) in format.top_level().into_iter().enumerate() {
            for (rank, name) in (0..NONE).zip(names) {
                let place = &mut roles.entry(name.as_str().into()).or_insert(Role::OTHER).ranks[field];
                *place = rank.min(*place);
            }
        }
        for name in &format.properties {
            roles.entry(name.as_str().into()).or_insert(Role::OTHER).is_properties = true;
        }
        Roles(roles)
    }

    /// Meaning of a name.
    pub(super) fn of(&self, name: &str) -> Role {
        self.0.get(name).copied().unwrap_or(Role::OTHER)
    }
}
