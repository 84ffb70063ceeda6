//! Days, weeks and months of a time zone.
//!
//! A period begins with the first instant of its first day. Where clocks are set forward at midnight that is not 0:00,
//! and days on which clocks are set last 23 or 25 hours, as a rule.
//!
//! **Limits**: before [`FIRST`] and from [`END`] on, time is not divided.

use std::{
    borrow::Cow,
    fmt::{self, Debug, Display, Formatter},
    hash::{Hash, Hasher},
    ptr,
    sync::{LazyLock, Mutex, PoisonError},
};

use jiff::{
    Span,
    civil::{Date, Weekday, date},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::zone::Zone;

/// First day of which the start is known; no event is from before.
const FIRST: Date = date(1969, 12, 1);
/// First day of which it is not known.
const END: Date = date(2101, 1, 1);

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Day {
    #[default]
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// The days, weeks or months of a time zone.
#[derive(Clone, Copy)]
pub struct Calendar(&'static Periods);

/// Starts of the periods of a calendar.
struct Periods {
    text: String,
    /// Starts in unix ms, ascending.
    starts: Box<[i64]>,
    /// Usual length of a period, ms.
    usual: i64,
}

/// All calendars so far, for good: a table of at most 400 KB for each time zone, or offset, that a rule has named.
static CALENDARS: LazyLock<Mutex<Vec<&'static Periods>>> = LazyLock::new(Mutex::default);

impl Calendar {
    /// The periods of a time zone. Only weeks depend on the day with which they begin.
    pub fn new(unit: Unit, zone: &Zone, week_starts: Day) -> Calendar {
        let text = match (unit, week_starts) {
            (Unit::Week, day) if day != Day::default() => format!("week {} {}", zone.name(), day.name()),
            _ => format!("{} {}", unit.name(), zone.name()),
        };
        let mut all = CALENDARS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|periods| periods.text == text) {
            return Calendar(known);
        }
        let starts = starts(unit, zone, week_starts);
        let periods = Box::leak(Box::new(Periods { text, starts, usual: unit.usual() }));
        all.push(periods);
        Calendar(periods)
    }

    /// The calendar of a text such as `day Asia/Shanghai` or `week Asia/Shanghai sunday`.
    ///
    /// # Errors
    /// If there is no such unit, time zone or day.
    pub fn parse(text: &str) -> Result<Calendar, String> {
        let wrong = || {
            format!(
                "`{text}` is no calendar; write such as \"day Asia/Shanghai\" or \"week Asia/Shanghai sunday\""
            )
        };
        let mut words = text.split(' ');
        let unit = words.next().and_then(|word| Unit::ALL.into_iter().find(|unit| unit.name() == word));
        let zone = Zone::try_from(Cow::Borrowed(words.next().ok_or_else(wrong)?))?;
        let day = match words.next() {
            None => Some(Day::default()),
            Some(word) => Day::ALL.into_iter().find(|day| day.name() == word),
        };
        match (unit, day, words.next()) {
            (Some(unit), Some(day), None) => Ok(Calendar::new(unit, &zone, day)),
            _ => Err(wrong()),
        }
    }

    /// Start of the period in which `time` lies, both in unix ms.
    pub fn start(self, time: i64) -> i64 {
        self.begun(time).checked_sub(1).map_or(i64::MIN, |last| self.0.starts[last])
    }

    /// Start of the period behind that in which `time` lies, both in unix ms.
    pub fn next(self, time: i64) -> i64 {
        self.0.starts.get(self.begun(time)).copied().unwrap_or(i64::MAX)
    }

    /// Number of periods that have begun at `time`.
    fn begun(self, time: i64) -> usize {
        let Periods { starts, usual, .. } = self.0;
        let since = time.saturating_sub(starts.first().copied().unwrap_or(0));
        // Nowhere are the starts farther from where they would be if all periods were as long.
        let near = usize::try_from(since / usual).unwrap_or(0).min(starts.len());
        let (from, to) = (near.saturating_sub(3), (near + 3).min(starts.len()));
        from + starts[from..to].partition_point(|start| *start <= time)
    }
}

/// Starts of all periods between [`FIRST`] and [`END`], unix ms, ascending.
fn starts(unit: Unit, zone: &Zone, week_starts: Day) -> Box<[i64]> {
    let mut starts = Vec::new();
    let mut day = match unit {
        Unit::Week => (0..7)
            .map(|days| FIRST.saturating_add(Span::new().days(days)))
            .find(|day| day.weekday() == week_starts.weekday()),
        Unit::Day | Unit::Month => Some(FIRST),
    };
    while let Some(own) = day.filter(|day| *day < END) {
        let start = own.to_zoned(zone.time_zone().clone());
        starts.extend(start.map(|start| start.timestamp().as_millisecond()));
        day = own.checked_add(unit.span()).ok();
    }
    // Where a zone crossed the date line, a day was left out.
    starts.dedup();
    starts.into()
}

impl Unit {
    const ALL: [Unit; 3] = [Unit::Day, Unit::Week, Unit::Month];

    fn name(self) -> &'static str {
        match self {
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
        }
    }

    fn span(self) -> Span {
        match self {
            Unit::Day => Span::new().days(1),
            Unit::Week => Span::new().weeks(1),
            Unit::Month => Span::new().months(1),
        }
    }

    /// Mean length, ms; of a month that of 400 years.
    fn usual(self) -> i64 {
        match self {
            Unit::Day => 86_400_000,
            Unit::Week => 604_800_000,
            Unit::Month => 2_629_746_000,
        }
    }
}

impl Day {
    const ALL: [Day; 7] =
        [Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday, Day::Saturday, Day::Sunday];

    fn name(self) -> &'static str {
        match self {
            Day::Monday => "monday",
            Day::Tuesday => "tuesday",
            Day::Wednesday => "wednesday",
            Day::Thursday => "thursday",
            Day::Friday => "friday",
            Day::Saturday => "saturday",
            Day::Sunday => "sunday",
        }
    }

    fn weekday(self) -> Weekday {
        match self {
            Day::Monday => Weekday::Monday,
            Day::Tuesday => Weekday::Tuesday,
            Day::Wednesday => Weekday::Wednesday,
            Day::Thursday => Weekday::Thursday,
            Day::Friday => Weekday::Friday,
            Day::Saturday => Weekday::Saturday,
            Day::Sunday => Weekday::Sunday,
        }
    }
}

/// There is one for each text.
impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.0, other.0)
    }
}

impl Eq for Calendar {}

impl Hash for Calendar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl Display for Calendar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl Debug for Calendar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
