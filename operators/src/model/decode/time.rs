//! Times of events: numbers in a unit, or RFC 3339.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::DecodeError;
use crate::model::{value::Value, zone::Zone};

/// Unit of a time that is a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// The one that puts the time into the years 2000 to 2100.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
}

/// Beginning of the year 2000, unix s.
const FIRST: i64 = 946_684_800;
/// End of the year 2100, unix s.
const END: i64 = 4_133_980_800;
/// End of the last year that RFC 3339 can write, unix ms. No event is later: what is computed with its time, such as
/// the instant at which a timer fires, stays far below the largest integer.
const LAST: i64 = 253_402_300_800_000;

impl TimeUnit {
    /// The units that there are.
    const ALL: [TimeUnit; 4] =
        [TimeUnit::Milliseconds, TimeUnit::Seconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds];

    /// Units per second.
    fn per_second(self) -> i64 {
        match self {
            TimeUnit::Seconds => 1,
            TimeUnit::Auto | TimeUnit::Milliseconds => 1_000,
            TimeUnit::Microseconds => 1_000_000,
            TimeUnit::Nanoseconds => 1_000_000_000,
        }
    }

    /// The unit of a time; `None` if it is unknown.
    #[inline]
    fn of(self, time: i64) -> Option<TimeUnit> {
        // Ranges of different units do not overlap: each is a thousand times the one before, and ends at less than
        // five times its beginning.
        let fits = |unit: &TimeUnit| {
            let second = unit.per_second();
            (FIRST * second..END.saturating_mul(second)).contains(&time)
        };
        if self == TimeUnit::Auto { TimeUnit::ALL.into_iter().find(fits) } else { Some(self) }
    }

    /// A time in unix ms; `None` if its unit is unknown or it is out of range.
    fn milliseconds(self, time: i64) -> Option<i64> {
        let milliseconds = match self.of(time)?.per_second() {
            1_000 => time,
            1 => time.checked_mul(1_000)?,
            per_second => time / (per_second / 1_000),
        };
        (milliseconds < LAST).then_some(milliseconds)
    }
}

/// Reads the times of events.
#[derive(Clone, Debug)]
pub(super) struct Times {
    unit: TimeUnit,
    zone: Option<TimeZone>,
}

const RIGHT: &str =
    "unix milliseconds such as 1766000000123, or RFC 3339 such as \"2026-11-20T08:00:00+08:00\"";
const RIGHT_UNIT: &str =
    "a time of the years 2000 to 2100 in s, ms, us or ns, or say its unit as `event_time_unit` in `[fields]`";
const RIGHT_YEAR: &str = "a time before the year 10000 in the `event_time_unit` of `[fields]`";
const RIGHT_ZONE: &str =
    "its offset, as in \"2026-11-20T08:00:00+08:00\", or say its zone as `zone` in `[fields]`";

impl Times {
    pub(super) fn new(unit: TimeUnit, zone: Option<&Zone>) -> Self {
        Times { unit, zone: zone.map(|zone| zone.time_zone().clone()) }
    }

    /// A time, unix ms. Fractions of a millisecond are cut off.
    ///
    /// # Errors
    /// If the value is no time, or one before 1970.
    #[inline]
    pub(super) fn read(&self, value: &Value<'_>) -> Result<i64, DecodeError> {
        match value {
            Value::Int(time) => self.whole(*time),
            Value::Float(time) => self.fraction(*time),
            Value::Text(text) => self.text(text),
            Value::Bool(bool) => Err(wrong(bool.to_string(), RIGHT)),
            Value::Nested(json) => Err(wrong(json.to_string(), RIGHT)),
        }
    }

    #[inline]
    fn whole(&self, time: i64) -> Result<i64, DecodeError> {
        if time < 0 {
            return Err(wrong(format!("negative ({time})"), RIGHT));
        }
        let right = if self.unit == TimeUnit::Auto { RIGHT_UNIT } else { RIGHT_YEAR };
        self.unit.milliseconds(time).ok_or_else(|| wrong(time.to_string(), right))
    }

    /// A time with a fraction, which matters if the unit is the second.
    fn fraction(&self, time: f64) -> Result<i64, DecodeError> {
        // The largest `i64` is no `f64`; the power of two above it is.
        if !(0.0..2f64.powi(63)).contains(&time) {
            return Err(wrong(time.to_string(), RIGHT));
        }
        match self.unit.of(time as i64) {
            Some(TimeUnit::Seconds) if time < END as f64 => Ok((time * 1_000.0) as i64),
            _ => self.whole(time as i64),
        }
    }

    fn text(&self, text: &str) -> Result<i64, DecodeError> {
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && let Ok(float) = text.parse::<f64>()
        {
            return text.parse().map_or_else(|_| self.fraction(float), |whole| self.whole(whole));
        }
        let time = match text.parse::<Timestamp>() {
            Ok(time) => time,
            Err(_) => self.local(text)?,
        };
        match time.as_millisecond() {
            ..0 => Err(wrong(described(text), RIGHT)),
            time => Ok(time),
        }
    }

    /// A time without an offset.
    fn local(&self, text: &str) -> Result<Timestamp, DecodeError> {
        let local: DateTime = text.parse().map_err(|_| wrong(described(text), RIGHT))?;
        let zone = self.zone.as_ref().ok_or_else(|| wrong(described(text), RIGHT_ZONE))?;
        zone.to_timestamp(local).map_err(|_| wrong(described(text), RIGHT))
    }
}

/// The instant that a text spells: RFC 3339, or a date as midnight UTC.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    if bytes.len() > 10 {
        return text.parse().ok();
    }
    let date: Date = text.parse().ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The instant that a value is, if it is one: an [`instant`], a time without an offset as UTC, or a time as events have
/// it in any unit.
pub(crate) fn instant_of(value: &Value<'_>) -> Option<Timestamp> {
    let spelled = match value {
        Value::Text(text) => instant(text).or_else(|| {
            let local: DateTime = text.parse().ok()?;
            TimeZone::UTC.to_timestamp(local).ok()
        }),
        _ => None,
    };
    spelled.or_else(|| {
        let time = Times::new(TimeUnit::Auto, None).read(value).ok()?;
        Timestamp::from_millisecond(time).ok()
    })
}

fn described(text: &str) -> String {
    format!("the text {:?}", text.chars().take(40).collect::<String>())
}

fn wrong(found: String, right: &'static str) -> DecodeError {
    DecodeError::Wrong { field: "event_time", found, right }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    const AT: i64 = 1_793_491_200_000;

    fn times(unit: TimeUnit, zone: Option<&str>) -> Times {
        let zone = zone.map(|zone| Zone::try_from(Cow::Borrowed(zone)).unwrap());
        Times::new(unit, zone.as_ref())
    }

    fn text(text: &str) -> Value<'_> {
        Value::Text(text.into())
    }

    #[test]
    fn the_unit_is_the_one_that_fits() {
        let auto = times(TimeUnit::Auto, None);
        for value in [
            Value::Int(AT),
            Value::Int(AT / 1_000),
            Value::Int(AT * 1_000 + 999),
            Value::Int(AT * 1_000_000 + 999_999),
            Value::Float(AT as f64),
            text("1793491200"),
            text("1793491200000"),
            text("1793491200000.9"),
            text("1793491200.0009"),
        ] {
            assert_eq!(auto.read(&value), Ok(AT), "{value:?}");
        }
        assert_eq!(auto.read(&Value::Float(1_793_491_200.25)), Ok(AT + 250));
        for value in [
            Value::Int(0),
            Value::Int(FIRST - 1),
            Value::Int(END),
            Value::Int(i64::MAX),
            text("20261101"),
            Value::Float(5e10),
            text("99999999999999999999"),
        ] {
            let error = auto.read(&value).unwrap_err().to_string();
            assert!(
                error.contains("event_time_unit") || error.contains("unix milliseconds"),
                "{value:?}: {error}"
            );
        }
        assert_eq!(auto.read(&Value::Int(FIRST)), Ok(FIRST * 1_000));
        assert_eq!(auto.read(&Value::Int(END - 1)), Ok((END - 1) * 1_000));
    }

    #[test]
    fn a_unit_that_is_said_is_taken_for_any_time() {
        let milliseconds = times(TimeUnit::Milliseconds, None);
        assert_eq!(milliseconds.read(&Value::Int(5)), Ok(5));
        assert_eq!(milliseconds.read(&Value::Float(5.9)), Ok(5));
        assert_eq!(times(TimeUnit::Seconds, None).read(&Value::Int(5)), Ok(5_000));
        assert_eq!(times(TimeUnit::Seconds, None).read(&Value::Float(5.25)), Ok(5_250));
        assert_eq!(times(TimeUnit::Microseconds, None).read(&text("5999")), Ok(5));
        assert_eq!(times(TimeUnit::Nanoseconds, None).read(&Value::Int(5_999_999)), Ok(5));
        assert!(times(TimeUnit::Seconds, None).read(&Value::Int(i64::MAX)).is_err());
        for value in [Value::Int(-1), Value::Float(-1.0), Value::Float(1e19), Value::Bool(true)] {
            assert!(milliseconds.read(&value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn no_time_is_after_the_year_9999() {
        let units = [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Microseconds];
        for (unit, per_second) in units.into_iter().zip([1, 1_000, 1_000_000]) {
            let (times, end) = (times(unit, None), LAST / 1_000 * per_second);
            assert!(times.read(&Value::Int(end - 1)).is_ok_and(|time| time < LAST), "{unit:?}");
            for late in [Value::Int(end), Value::Int(i64::MAX), Value::Float(end as f64)] {
                let error = times.read(&late).unwrap_err().to_string();
                assert!(error.contains("before the year 10000"), "{unit:?}: {error}");
            }
        }
    }

    #[test]
    fn instants_are_read_with_their_offsets() {
        let auto = times(TimeUnit::Auto, None);
        for instant in [
            "2026-11-01T00:00:00Z",
            "2026-11-01 00:00:00Z",
            "2026-11-01T08:00:00.000+08:00",
            "2026-10-31T18:30:00.0009-05:30",
        ] {
            assert_eq!(auto.read(&text(instant)), Ok(AT), "{instant}");
        }
        assert_eq!(auto.read(&text("2026-11-01T00:00:00.25Z")), Ok(AT + 250));
        for (no_time, remedy) in [
            ("2026-11-01T08:00:00", "`zone`"),
            ("2026-11-01", "`zone`"),
            ("1969-12-31T23:59:59Z", "2026-11-20T08:00:00+08:00"),
            ("yesterday", "2026-11-20T08:00:00+08:00"),
            ("", "2026-11-20T08:00:00+08:00"),
            ("1.2.3", "2026-11-20T08:00:00+08:00"),
        ] {
            let error = auto.read(&text(no_time)).unwrap_err().to_string();
            assert!(error.contains(remedy), "{error}");
        }
    }

    #[test]
    fn a_zone_says_the_offset_of_times_without_one() {
        for zone in ["Asia/Shanghai", "+08:00"] {
            let local = times(TimeUnit::Auto, Some(zone));
            assert_eq!(local.read(&text("2026-11-01T08:00:00")), Ok(AT));
            assert_eq!(local.read(&text("2026-11-01 08:00:00.000")), Ok(AT));
            assert_eq!(local.read(&text("2026-11-01T00:00:00Z")), Ok(AT), "an offset counts first");
            assert_eq!(local.read(&text("2026-11-01")), Ok(AT - 8 * 3_600_000));
        }
        let error = Zone::try_from(Cow::Borrowed("Peking")).unwrap_err();
        assert!(error.contains("Asia/Shanghai"), "{error}");
    }
}
